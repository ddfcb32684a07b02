package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
)

// checkSecret reports whether the server's secret can be read, or made if there is none. None can be made if other
// servers use the store, because those have one already.
func (f *flags) checkSecret(ctx context.Context, s store.Store) error {
	_, err := os.Stat(f.SecretFile)
	if !errors.Is(err, fs.ErrNotExist) {
		_, _, err = auth.LoadSecret(f.SecretFile)
		return err
	}
	if _, err = os.Stat(filepath.Dir(f.SecretFile)); err != nil {
		return fmt.Errorf("--secret-file: %w", err)
	}
	if _, shared := store.As[store.Watcher](s); !shared || f.ReplaceSecret {
		return nil
	}
	used, err := wasUsed(ctx, s)
	if err != nil || !used {
		return err
	}
	return fmt.Errorf("--secret-file %s: it does not exist, and this store was used with a secret: copy the file of "+
		"another server, or name that of the store it was copied from; if the secret is lost, stop all servers and "+
		"start one with --replace-secret", f.SecretFile)
}

// wasUsed reports whether a server has used a store before.
func wasUsed(ctx context.Context, s store.Store) (bool, error) {
	if used, err := auth.HasSecret(ctx, s); used || err != nil {
		return used, err
	}
	for _, err := range s.List(ctx, "titles") {
		return err == nil, err
	}
	return false, nil
}

// replaceSecret makes a secret that of the store if --replace-secret asks for it, or if the secret was just made and no
// other server can use the store.
func (f *flags) replaceSecret(ctx context.Context, s store.Store, secret auth.Secret, created bool) error {
	if f.ReplaceSecret {
		return auth.ReplaceSecret(ctx, s, secret)
	}
	if _, shared := store.As[store.Watcher](s); created && !shared {
		_ = auth.ReplaceSecret(ctx, s, secret) // server.Open checks it, and logs what fails
	}
	return nil
}

// loadSecret loads the server's secret, and reports whether it made a new one. If so, it logs that, with a warning
// if an earlier secret is probably missing. A restore must have succeeded before: a secret that is left from a
// failed start would not be new at the next one, and the warning would be lost.
func (f *flags) loadSecret(ctx context.Context, s store.Store, log *slog.Logger) (
	secret auth.Secret, created bool, err error,
) {
	secret, created, err = auth.LoadSecret(f.SecretFile)
	if err != nil || !created {
		return secret, created, err
	}
	log.Info("made the server's secret: keep it with your backups", "file", f.SecretFile)
	for range s.List(ctx, "titles") {
		log.Warn("there are titles already, so this is probably not the first start: with a new secret, the server "+
			"recognizes neither the addresses of authors nor the secrets of webhooks; if you have the earlier secret "+
			"file, stop the server and replace this one with it", "file", f.SecretFile)
		break
	}
	return secret, true, nil
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
	if runtime.GOOS == "windows" { // its permissions have another form
		return
	}
	for _, name := range append([]string{f.SecretFile, f.AdminTokenFile}, f.tokenFiles()...) {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			log.Warn("other users can read a file with a secret: run chmod 600 on it", "file", name)
		}
	}
}
