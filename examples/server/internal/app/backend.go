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
	"sync"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A backend is all that stands behind the web.
type backend struct {
	store     store.Store
	guard     *store.Guarded
	auth      *auth.Service
	catalog   *catalog.Catalog
	mailer    mail.Mailer
	community *community.Service // nil: switched off
	sync      *patchsync.Runner
	hooks     *webhook.Service
	metrics   *metrics.Metrics
	uploads   string // folder for temporary files; empty: that of the system
	log       *slog.Logger
}

// Close closes what is open, the store last.
func (b *backend) Close() error {
	var errs []error
	if b.community != nil {
		errs = append(errs, b.community.Close())
	}
	if c, ok := b.mailer.(io.Closer); ok {
		errs = append(errs, c.Close())
	}
	if b.catalog != nil {
		errs = append(errs, b.catalog.Close())
	}
	if b.auth != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := b.auth.Flush(ctx); err != nil {
			b.log.Error("when tokens were last used could not be written down", "error", err)
		}
	}
	if b.guard != nil {
		b.guard.Stop()
	}
	if c, ok := store.As[io.Closer](b.store); ok {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// cacheBytes is the memory that definitions are held in. Strangers can fill it with theirs, and the garbage collector
// needs as much again.
const cacheBytes = 64 << 20

// openBackend opens what the flags name. site is where the server is found.
func openBackend(ctx context.Context, f *flags, site string, log *slog.Logger) (_ *backend, err error) {
	b := &backend{log: log}
	if b.store, err = openStore(f.Store, log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.uploads, err = openUploads(f.Store); err != nil {
		return nil, err
	}
	if b.guard, err = store.Guard(ctx, b.store); err != nil {
		return nil, fmt.Errorf("--store %s: %w", f.Store, err)
	}
	b.metrics = metrics.New(b.gauges()...)
	b.store = b.metrics.Store(b.guard)
	// What cannot be read should be known before anything is written.
	secret, created, err := auth.LoadSecret(f.SecretFile)
	if err != nil {
		return nil, err
	}
	if _, err := os.ReadFile(f.AdminTokenFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--admin-token-file: %w", err)
	}
	if f.Restore != "" {
		if err := loadFull(ctx, b.store, f.Restore, log); err != nil {
			return nil, fmt.Errorf("--restore %s: %w", f.Restore, err)
		}
	}
	if err := httpapi.CheckLoaded(ctx, b.store); err != nil {
		return nil, fmt.Errorf("--store %s: %w, with --restore", f.Store, err)
	}
	if created {
		log.Info("the server's secret was made: keep it with your backups", "file", f.SecretFile)
		for range b.store.List(ctx, "titles") {
			log.Warn(
				"there are titles already, so this is probably not the first start: with another secret, authors' addresses and webhooks' secrets are not known again; if there is an older secret file, stop the server and put it in the place of this one",
				"file",
				f.SecretFile,
			)
			break
		}
	}
	if b.auth, err = auth.Open(ctx, b.store, nil); err != nil {
		return nil, err
	}
	admin, err := b.auth.LoadAdminToken(ctx, f.AdminTokenFile)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{f.SecretFile, f.AdminTokenFile} {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm()&0o077 != 0 {
			log.Warn("a file with a secret can be read by others: take their rights away with chmod 600", "file", name)
		}
	}
	switch {
	case admin.Unwritten != nil:
		log.Error(
			"the administrator token in the file is not good any more, and another one cannot be written: the feed is "+
				"served, and nobody can administer this server with that file; put a good token there, or make the folder writable",
			"file",
			f.AdminTokenFile,
			"reason",
			admin.Replaced,
			"error",
			admin.Unwritten,
		)
	case admin.Replaced != nil:
		log.Warn("the administrator token in the file is not used: another one was made and written in its place",
			"file", f.AdminTokenFile, "reason", admin.Replaced)
	case admin.Created:
		log.Info("an administrator token was made and written", "file", f.AdminTokenFile)
	}
	b.hooks, err = webhook.Open(ctx, b.store, &webhook.Options{
		Key:                  secret.Key("webhooks"),
		Site:                 site,
		WebPage:              true,
		AllowPrivateNetworks: f.AllowPrivateNetworks,
		Logger:               log,
		Definition: func(ctx context.Context, id string) ([]byte, error) {
			doc, err := b.catalog.Definition(ctx, id) // it is open before any event is sent
			if err != nil {
				return nil, err
			}
			return doc.Bytes(), nil
		},
	})
	if err != nil {
		return nil, err
	}
	b.catalog, err = catalog.Open(ctx, b.store, &catalog.Options{Logger: log, Courier: b.hooks, CacheBytes: cacheBytes})
	if err != nil {
		return nil, fmt.Errorf("read the titles: %w", err)
	}
	mirrors, err := f.mirrors()
	if err != nil {
		return nil, err
	}
	b.sync, err = patchsync.New(
		b.catalog,
		b.store,
		&patchsync.Options{
			Mirrors:              mirrors,
			Interval:             f.SyncInterval,
			AllowPrivateNetworks: f.AllowPrivateNetworks,
			Contact:              f.BaseURL,
			Logger:               log,
		},
	)
	if err != nil {
		return nil, err
	}
	if !f.Community {
		return b, nil
	}
	if b.mailer, err = openMailer(f, log); err != nil {
		return nil, err
	}
	opts := &community.Options{Logger: log, Site: site, MaxTitles: f.MaxTitles}
	if !f.RateLimit {
		opts.MailsPerHour = -1
	}
	b.community, err = community.Open(
		ctx,
		community.Parts{
			Store:   b.store,
			Catalog: b.catalog,
			Tokens:  b.auth,
			Mailer:  b.mailer,
			Secret:  secret,
			Fetcher: b.sync.Fetcher(),
		},
		opts,
	)
	return b, err
}

// openMailer opens what --mail names.
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
	log.Info("mails are not sent, but written to files; see --mail", "folder", dir)
	return o, nil
}

// flushInterval is how often it is written down when tokens were last used.
const flushInterval = 5 * time.Minute

// tokenMemory is how long the record of a token that has ended is kept.
const tokenMemory = 30 * 24 * time.Hour

// keep does what has to be done now and then, until ctx ends.
func (b *backend) keep(ctx context.Context, log *slog.Logger) {
	var following sync.WaitGroup
	defer following.Wait()
	for what, run := range map[string]func(context.Context) error{"sync": b.sync.Run, "webhooks": b.hooks.Run} {
		following.Go(func() {
			for ctx.Err() == nil {
				if err := run(ctx); err != nil {
					log.Error("this cannot begin yet", "what", what, "error", err)
					select {
					case <-ctx.Done():
					case <-time.After(time.Second):
					}
				}
			}
		})
	}
	following.Go(func() {
		for ctx.Err() == nil {
			err := b.auth.Follow(ctx)
			if err == nil {
				return // ctx has ended, or the store tells nothing
			}
			log.Error("tokens made or revoked elsewhere are seen late", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(flushInterval):
		}
		if err := b.auth.Flush(ctx); err != nil && ctx.Err() == nil {
			log.Error("when tokens were last used could not be written down", "error", err)
		}
		if err := b.auth.Purge(ctx, time.Now().Add(-tokenMemory)); err != nil && ctx.Err() == nil {
			log.Error("tokens that have ended could not be removed", "error", err)
		}
	}
}

// loadFull loads a full backup into an empty store.
func loadFull(ctx context.Context, s store.Store, name string, log *slog.Logger) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	n, err := httpapi.LoadFullBackup(ctx, s, file, info.Size())
	if errors.Is(err, httpapi.ErrNotEmpty) {
		return fmt.Errorf(
			"%w: a full backup is loaded where there is nothing yet; give --store a new folder, or leave --restore out",
			err,
		)
	}
	if err != nil {
		return err
	}
	log.Info("a full backup was loaded", "file", name, "records", n)
	return nil
}

// openStore opens what --store names.
func openStore(name string, log *slog.Logger) (store.Store, error) {
	scheme, dir, _ := strings.Cut(name, ":")
	if scheme == "file" {
		return filestore.Open(dir, &filestore.Options{Logger: log})
	}
	log.Warn("titles are kept in memory only, and are gone when the server stops")
	return memstore.New(), nil
}

// openUploads makes a folder for temporary files in that of the store, where there is
// room for what is kept, and removes what an earlier process has left in it. Other
// stores have none.
func openUploads(name string) (dir string, err error) {
	scheme, dir, _ := strings.Cut(name, ":")
	if scheme != "file" {
		return "", nil
	}
	dir = filepath.Join(dir, ".uploads")
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, httpapi.SweepUploads(dir)
}
