// Package server puts a whole patch source together: it opens all parts over a store, serves them as one http.Handler,
// does the background work, and closes what it opened.
//
//	source, err := server.Open(ctx, server.Config{Store: files})
//	if err != nil {
//		return err
//	}
//	defer source.Close()
//	go source.Run(ctx)
//	http.Handle("/", source)
//
// A [Server] serves the feed that Jamf Pro reads, the calls of package httpapi, the page of package httpapi/webui, the
// documentation of package httpapi/openapi at /docs, Title Editor's API of package httpapi/titleeditor at /v2, and
// metrics at /metrics. Its parts are fields, so that a program can also call them directly.
//
// Several servers over one store, a store.Watcher such as a database, serve the same titles and see each other's
// changes within a second. They need the same Secret, clocks that differ by at most a few minutes, and Run. What the
// Limits count, each server counts by itself.
//
// Each part can also be used by itself. This package links all of them; a program that serves only the feed imports
// httpapi/feed instead.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/survey"
	"github.com/patchsource/patchsource/store"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

var (
	// ErrRunning is returned by a call of [Server.Run] while another one is in progress.
	ErrRunning = errors.New("server: Run is already in progress: call it once")
	// ErrClosed is returned by [Server.Run] after [Server.Close].
	ErrClosed = errors.New("server: the server is closed")
)

// A Server is a patch source. [Open] returns one. It is safe for concurrent use.
type Server struct {
	// Catalog holds the titles.
	Catalog *catalog.Catalog
	// Tokens issues and checks bearer tokens.
	Tokens *auth.Service
	// Community publishes titles for authors without an account. It is nil without a Mailer.
	Community *community.Service
	// Survey has facts about the titles, such as their warnings.
	Survey *survey.Survey
	// Audit is the audit log of changes.
	Audit *audit.Log
	// Sync keeps titles in step with their upstreams.
	Sync *patchsync.Runner
	// Webhooks delivers the catalog's events. It is nil without a Secret.
	Webhooks *webhook.Service

	handler http.Handler
	reads   *reads
	jobs    *jobs.Service
	guard   *store.Guarded
	metrics *metrics.Metrics
	log     *slog.Logger
	now     func() time.Time

	activity  activity
	attention attention

	opened     atomic.Bool // set when the fields above no longer change
	background background
	closing    sync.Once
	closeErr   error
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// flushTimeout bounds the last writes of the audit log and of when tokens were last used.
const flushTimeout = 30 * time.Second

// Close ends Run, waits for it, stops restores and imports that run in the background, and closes what Open opened. It
// does not close the store, the Mailer or anything else in the Config. Shut down the http.Server first: after Close,
// changes are answered with status 503. Further calls return the same error.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.background.close()
		s.closeErr = s.closeParts()
	})
	return s.closeErr
}

// closeParts closes the parts that are open, in the opposite order of Open.
func (s *Server) closeParts() error {
	var errs []error
	if s.jobs != nil { // before the catalog, which they change
		s.jobs.Close()
	}
	if s.Community != nil {
		errs = append(errs, s.Community.Close())
	}
	if s.Catalog != nil {
		errs = append(errs, s.Catalog.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if s.Audit != nil {
		if err := s.Audit.Flush(ctx); err != nil {
			s.log.Error("the last entries of the audit log could not be written", "error", err)
		}
	}
	if s.Tokens != nil {
		s.flush(ctx)
	}
	if s.metrics != nil {
		s.metrics.Unregister()
	}
	if s.guard != nil {
		s.guard.Stop()
	}
	return errors.Join(errs...)
}
