package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/survey"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// Open opens the patch source that c describes. It reads all titles and tokens, which ctx bounds. The caller calls
// [Server.Run] for the background work and [Server.Close] at the end; after an error nothing is left running.
//
// The error is store.ErrFormat if a newer version wrote the store, dump.ErrIncomplete if a full backup was only loaded
// in part, or auth.ErrSecret if other servers may use the store and Config.Secret is not theirs. If c is invalid, the
// error names the field. Other errors are those of the store or of ctx.
func Open(ctx context.Context, c Config) (_ *Server, err error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &Server{log: c.Logger, now: c.Now}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if c.UploadDir != "" {
		if err := upload.Sweep(c.UploadDir); err != nil {
			return nil, fmt.Errorf("server: remove old uploads: %w", err)
		}
	}
	// The format comes first: nothing may read or write a store that a newer version wrote.
	if s.guard, err = store.Guard(ctx, c.Store); err != nil {
		return nil, err
	}
	if s.metrics, err = metrics.New(c.Registerer, s.gauges(&c)...); err != nil {
		return nil, err
	}
	records := s.metrics.Store(s.guard)
	if err := dump.CheckLoaded(ctx, records); err != nil {
		return nil, err
	}
	if err := s.checkSecret(ctx, &c, records); err != nil {
		return nil, err
	}
	if s.Tokens, err = auth.Open(ctx, records, &auth.Options{Now: c.Now, Logger: c.Logger}); err != nil {
		return nil, err
	}
	s.Audit = audit.New(records, &audit.Options{Now: c.Now, Logger: c.Logger})
	if err := s.openWebhooks(ctx, &c, records); err != nil {
		return nil, err
	}
	if err := s.openCatalog(ctx, &c, records); err != nil {
		return nil, err
	}
	if err := s.openSync(&c, records); err != nil {
		return nil, err
	}
	if err := s.openCommunity(ctx, &c, records); err != nil {
		return nil, err
	}
	s.jobs = jobs.New(records, &jobs.Options{Now: c.Now, Logger: c.Logger})
	if s.handler, err = s.newHandler(&c, records); err != nil {
		return nil, err
	}
	s.opened.Store(true)
	s.background.open(s.log)
	return s, nil
}

// checkSecret checks that the secret is that of the store. Over a store that other servers may use, another one is an
// error. The one server of any other store may have lost its secret, and goes on with the new one. It also goes on if
// the check cannot be read or recorded, such as on a full disk: it needs the check for a warning only.
func (s *Server) checkSecret(ctx context.Context, c *Config, records store.Store) error {
	if c.Secret.IsZero() {
		return nil
	}
	err := auth.CheckSecret(ctx, records, c.Secret)
	_, shared := store.As[store.Watcher](records)
	switch {
	case err == nil || shared || errors.Is(err, store.ErrFormat):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, auth.ErrSecret):
		s.log.Warn("the secret is not the one that this store was used with before, and takes its place: the server " +
			"recognizes neither the addresses of authors nor the secrets of webhooks; if you have the earlier " +
			"secret, stop the server and use it")
		err = auth.ReplaceSecret(ctx, records, c.Secret)
	}
	if err != nil {
		s.log.Error("the record that tells whether the secret is that of the store cannot be read or written: going "+
			"on with this secret", "error", err)
	}
	return nil
}

// complete checks c and sets defaults.
func (c *Config) complete() error {
	if c.Store == nil {
		return errors.New("server: Config.Store is nil: open a store, for example with filestore.Open")
	}
	if c.Mailer != nil && c.Secret.IsZero() {
		return errors.New("server: Config.Mailer requires Config.Secret: load one with auth.LoadSecret")
	}
	if c.Lease < 0 {
		return fmt.Errorf("server: Config.Lease is %v: it must not be negative", c.Lease)
	}
	if c.Session != nil && c.Authenticate == nil {
		return errors.New("server: Config.Session requires Config.Authenticate, which accepts the sessions")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Authorize == nil {
		c.Authorize = auth.Authorize
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// openWebhooks opens the webhooks. They come before the catalog, which delivers its events to them.
func (s *Server) openWebhooks(ctx context.Context, c *Config, records store.Store) (err error) {
	if c.Secret.IsZero() {
		return nil
	}
	s.Webhooks, err = webhook.Open(ctx, records, &webhook.Options{
		Key:                  c.Secret.Key("webhooks"),
		Site:                 cmp.Or(c.Site, c.FallbackSite),
		WebPage:              true,
		AllowPrivateNetworks: c.AllowPrivateNetworks,
		Definition:           s.definition,
		Lease:                c.Lease,
		Logger:               c.Logger,
		Now:                  c.Now,
	})
	return err
}

// definition returns the definition of a title for an event. The catalog is open before any event is sent.
func (s *Server) definition(ctx context.Context, id string) ([]byte, error) {
	doc, err := s.Catalog.Definition(ctx, id)
	if err != nil {
		return nil, err
	}
	return doc.Bytes(), nil
}

// openCatalog opens the catalog and makes its survey.
func (s *Server) openCatalog(ctx context.Context, c *Config, records store.Store) (err error) {
	opts := &catalog.Options{
		CacheBytes:      c.Limits.CacheBytes,
		MaxAccountBytes: c.Limits.AccountBytes,
		Lease:           c.Lease,
		Lint:            c.Lint,
		Logger:          c.Logger,
		Now:             c.Now,
	}
	if s.Webhooks != nil {
		opts.Couriers = append(opts.Couriers, s.Webhooks)
	}
	opts.Couriers = append(opts.Couriers, c.Couriers...)
	if s.Catalog, err = catalog.Open(ctx, records, opts); err != nil {
		return fmt.Errorf("server: read the titles: %w", err)
	}
	s.Survey = survey.New(s.Catalog, &survey.Options{Lint: c.Lint, Logger: c.Logger, Now: c.Now})
	return nil
}

// openSync makes the runner.
func (s *Server) openSync(c *Config, records store.Store) (err error) {
	var notify func(context.Context, patchsync.WatchEvent) error
	if s.Webhooks != nil {
		notify = s.announce
	}
	s.Sync, err = patchsync.New(s.Catalog, records, &patchsync.Options{
		Mirrors:              c.Mirrors,
		Recipes:              c.Recipes,
		FeedTokens:           c.FeedTokens,
		Kinds:                c.FeedKinds,
		Notify:               notify,
		Interval:             c.SyncInterval,
		Lease:                c.Lease,
		AllowPrivateNetworks: c.AllowPrivateNetworks,
		Contact:              c.Site,
		Logger:               c.Logger,
		Now:                  c.Now,
	})
	return err
}

// announce puts an event about a release feed into the queues of the webhooks.
func (s *Server) announce(ctx context.Context, e patchsync.WatchEvent) error {
	a := webhook.Announcement{
		ID:      e.ID,
		Kind:    catalog.EventKind(e.Kind),
		Title:   e.Title,
		Version: e.Version,
		Message: problem.Sentence(strings.TrimSuffix(e.Message, ".")),
		At:      e.At,
	}
	if t, err := s.Catalog.ByUID(e.UID); err == nil {
		a.Title, a.Name, a.Version = t.ID, t.Name, cmp.Or(a.Version, t.CurrentVersion)
	}
	return s.Webhooks.Announce(ctx, a)
}

// openCommunity opens the community if there is a Mailer.
func (s *Server) openCommunity(ctx context.Context, c *Config, records store.Store) (err error) {
	if c.Mailer == nil {
		return nil
	}
	parts := community.Parts{
		Store:   records,
		Catalog: s.Catalog,
		Tokens:  s.Tokens,
		Mailer:  c.Mailer,
		Secret:  c.Secret,
		Fetcher: s.Sync.Fetcher(),
	}
	s.Community, err = community.Open(ctx, parts, &community.Options{
		Site:         cmp.Or(c.Site, c.FallbackSite),
		Templates:    c.MailTemplates,
		MaxTitles:    c.Limits.Titles,
		MailsPerHour: c.Limits.Mails,
		Logger:       c.Logger,
		Now:          c.Now,
	})
	return err
}
