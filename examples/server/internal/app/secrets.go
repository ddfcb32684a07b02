package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
)

// checkSecret reports whether the server's secret can be read, or made if there is none.
func (f *flags) checkSecret() error {
	_, err := os.Stat(f.SecretFile)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = os.Stat(filepath.Dir(f.SecretFile)); err != nil {
			return fmt.Errorf("--secret-file: %w", err)
		}
		return nil
	}
	_, _, err = auth.LoadSecret(f.SecretFile)
	return err
}

// loadSecret loads the server's secret. If it makes a new one, it logs that, with a warning if an earlier secret is
// probably missing. A restore must have succeeded before: a secret that is left from a failed start would not be new at
// the next one, and the warning would be lost.
func (f *flags) loadSecret(ctx context.Context, s store.Store, log *slog.Logger) (auth.Secret, error) {
	secret, created, err := auth.LoadSecret(f.SecretFile)
	if err != nil || !created {
		return secret, err
	}
	log.Info("made the server's secret: keep it with your backups", "file", f.SecretFile)
	for range s.List(ctx, "titles") {
		log.Warn("there are titles already, so this is probably not the first start: with a new secret, the server "+
			"recognizes neither the addresses of authors nor the secrets of webhooks; if you have the earlier secret "+
			"file, stop the server and replace this one with it", "file", f.SecretFile)
		break
	}
	return secret, nil
}

// loadAdminToken makes the token in the file of --admin-token-file an administrator's, and logs what was done.
func (f *flags) loadAdminToken(ctx context.Context, tokens *auth.Service, log *slog.Logger) error {
	admin, err := tokens.LoadAdminToken(ctx, f.AdminTokenFile)
	if err != nil {
		return err
	}
	switch {
	case admin.Unwritten != nil:
		log.Error("the administrator token in the file is no longer valid, and no new one can be written: the feed is "+
			"served, but the server cannot be administered with this file; put a valid token into it, or make its "+
			"folder writable", "file", f.AdminTokenFile, "reason", admin.Replaced, "error", admin.Unwritten)
	case admin.Replaced != nil:
		log.Warn("the administrator token in the file is no longer valid: made a new one and replaced it",
			"file", f.AdminTokenFile, "reason", admin.Replaced)
	case admin.Created:
		log.Info("made an administrator token", "file", f.AdminTokenFile)
	}
	return nil
}

// checkPermissions warns of files with secrets that other users of the machine can read.
func (f *flags) checkPermissions(log *slog.Logger) {
	for _, name := range []string{f.SecretFile, f.AdminTokenFile} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			log.Warn("other users can read a file with a secret: run chmod 600 on it", "file", name)
		}
	}
}
