package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/examples"
	"github.com/patchsource/patchsource/examples/server/internal/guides"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
)

// cacheBytes bounds the memory for definitions. Anyone can fill it with definitions of their own, and the garbage
// collector needs as much again.
const cacheBytes = 64 << 20

// rootFeed says that the feed is served at the root as well as at /jamf/v1.
const rootFeed = true

// A backend is everything that the flags name: a patch source, and what it is opened with.
type backend struct {
	*server.Server
	store  store.Store
	secret auth.Secret
	mailer mail.Mailer // nil without --community
}

// Close closes everything that is open, the store last.
func (b *backend) Close() error {
	var errs []error
	if b.Server != nil {
		errs = append(errs, b.Server.Close())
	}
	if c, ok := b.mailer.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, closeStore(b.store))...)
}

// openBackend opens what the flags name, for a web.
func openBackend(ctx context.Context, f *flags, w *web, log *slog.Logger) (_ *backend, err error) {
	b := &backend{}
	if b.store, err = f.openStore(ctx, f.Store, log); err != nil {
		return nil, fmt.Errorf("--store %s: %w", redactStore(f.Store), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	config, err := f.config(b.store, w.site(f), log)
	if err != nil {
		return nil, err
	}
	config.Gauges = w.gauges()
	if err := f.checkStore(ctx, b.store); err != nil {
		return nil, err
	}
	if f.Community {
		if b.mailer, err = openMailer(f, log); err != nil {
			return nil, err
		}
		config.Mailer = b.mailer
	}
	// Everything that the flags name is readable: now the store may change.
	if f.Restore != "" {
		if err := restore(ctx, b.store, f.Restore, log); err != nil {
			return nil, fmt.Errorf("--restore %s: %w", f.Restore, err)
		}
	}
	var created bool
	if config.Secret, created, err = f.loadSecret(ctx, b.store, log); err != nil {
		return nil, err
	}
	b.secret = config.Secret
	config.Setup = f.setup(b, w.addresses(f))
	if err := f.replaceSecret(ctx, b.store, config.Secret, created); err != nil {
		return nil, err
	}
	if b.Server, err = server.Open(ctx, config); err != nil {
		return nil, f.explain(err)
	}
	if err := f.loadAdminToken(ctx, b.Tokens, log); err != nil {
		return nil, err
	}
	f.checkPermissions(log)
	return b, nil
}

// explain adds the flags that help to an error of server.Open.
func (f *flags) explain(err error) error {
	switch {
	case errors.Is(err, auth.ErrSecret):
		return fmt.Errorf("--secret-file %s: %w; if that secret is lost, stop all servers and start one with "+
			"--replace-secret", f.SecretFile, err)
	case errors.Is(err, dump.ErrIncomplete):
		return fmt.Errorf("--store %s: %w, with --restore, or repeat the command with --copy-from",
			redactStore(f.Store), err)
	}
	return err
}

// config returns the part of the configuration that the flags give by themselves.
func (f *flags) config(s store.Store, site string, log *slog.Logger) (server.Config, error) {
	c := server.Config{
		Store:                s,
		Site:                 f.BaseURL,
		FallbackSite:         site,
		SyncInterval:         f.SyncInterval,
		AllowPrivateNetworks: f.AllowPrivateNetworks,
		TrustedProxies:       f.TrustedProxies,
		SignInHint:           "The administrator token is in the file that the log names as admin_token_file.",
		RootFeed:             rootFeed,
		NoTitleEditor:        !f.TitleEditor,
		AccessLog:            f.AccessLog,
		TolerateFaults:       f.TolerateFaults,
		Limits:               server.Limits{Titles: f.MaxTitles, CacheBytes: cacheBytes},
		Logger:               log,
	}
	if !f.RateLimit {
		c.Limits.Requests, c.Limits.Mails = -1, -1
	}
	var err error
	if c.Docs, err = guides.New(examples.Files(), &guides.Options{Site: f.BaseURL, Logger: log}); err != nil {
		return c, err
	}
	if c.Lease, err = f.lease(); err != nil {
		return c, err
	}
	if c.Mirrors, err = f.mirrors(); err != nil {
		return c, err
	}
	if err := f.setFeeds(&c); err != nil {
		return c, err
	}
	signer, err := f.signer()
	if err != nil {
		return c, err
	}
	if signer != nil { // an interface of a nil pointer is not nil
		c.Signer = signer
	}
	c.UploadDir, err = makeUploadDir(f.Store)
	return c, err
}

// checkStore reports why the server cannot use the store, before anything is written to it.
func (f *flags) checkStore(ctx context.Context, s store.Store) error {
	if _, err := store.ReadFormat(ctx, s); err != nil { // server.Open raises it
		return fmt.Errorf("--store %s: %w", redactStore(f.Store), err)
	}
	if _, err := os.ReadFile(f.AdminTokenFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--admin-token-file: %w", err)
	}
	return f.checkSecret(ctx, s)
}

// makeUploadDir makes a folder for temporary files in the folder of the store, whose disk has room for titles. For
// other stores it returns the empty string.
func makeUploadDir(name string) (dir string, err error) {
	scheme, dir, _ := strings.Cut(name, ":")
	if scheme != "file" {
		return "", nil
	}
	dir = filepath.Join(dir, ".uploads")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, nil
}

// openMailer opens the mailer that --mail names.
func openMailer(f *flags, log *slog.Logger) (mail.Mailer, error) {
	dir, ok := strings.CutPrefix(f.Mail, "outbox:")
	if !ok {
		m, err := mail.NewSMTP(f.Mail, f.MailFrom, nil)
		if err != nil {
			return nil, fmt.Errorf("--mail, --mail-from: %w", err)
		}
		return m, nil
	}
	o, err := mail.NewOutbox(dir, f.MailFrom)
	if err != nil {
		return nil, fmt.Errorf("--mail, --mail-from: %w", err)
	}
	log.Info("mail is written to files and not sent; see --mail", "folder", dir)
	return o, nil
}

// restore loads a full backup into an empty store.
func restore(ctx context.Context, s store.Store, name string, log *slog.Logger) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	log.Info("loading a full backup", "file", name, "bytes", info.Size())
	begun := time.Now()
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()
	n, err := dump.Load(ctx, s, file, info.Size(), &dump.LoadOptions{Progress: func(records int) {
		select {
		case <-progress.C:
			log.Info("still loading a full backup", "records", records)
		default:
		}
	}})
	if errors.Is(err, dump.ErrNotEmpty) {
		return fmt.Errorf("%w: a full backup is loaded into an empty store only: give --store a new folder, "+
			"or omit --restore", err)
	}
	if errors.Is(err, dump.ErrNoBackup) {
		return fmt.Errorf("%w: load a backup of definitions with --import", err)
	}
	if err != nil {
		return err
	}
	log.Info("loaded a full backup", "file", name, "records", n, "took", time.Since(begun).Round(time.Millisecond))
	return nil
}
