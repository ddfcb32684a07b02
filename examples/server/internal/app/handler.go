package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/openapi"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// newHandler puts together all that the server answers.
func newHandler(f *flags, log *slog.Logger, b *backend) (http.Handler, error) {
	signer, err := f.signer()
	if err != nil {
		return nil, err
	}
	budget := httpapi.NewBudget(f.TrustedProxies)
	opts := &httpapi.Options{
		Budget:         budget,
		Tokens:         b.auth,
		Community:      b.community,
		Sync:           b.sync,
		Webhooks:       b.hooks,
		Store:          b.store,
		Signer:         signer,
		Site:           f.BaseURL,
		TrustedProxies: f.TrustedProxies,
		Logger:         log,
		RootFeed:       true,
		WebPage:        true,
		Observe:        b.metrics.Observe,
	}
	opts.UploadDir, opts.TolerateFaults = b.uploads, f.TolerateFaults
	if !f.RateLimit {
		opts.RateLimit = -1
	}
	var page http.Handler // which calls the API
	opts.NotFound = func(w http.ResponseWriter, r *http.Request) bool {
		if !browsing(r) {
			return false
		}
		page.ServeHTTP(w, r)
		return true
	}
	api := httpapi.New(b.catalog, opts)
	// The feed compresses by itself, once for all who want it.
	compress, err := gzhttp.NewWrapper(
		gzhttp.ContentTypes([]string{"text/html", "text/css", "text/javascript", "image/svg+xml", "application/yaml"}),
		gzhttp.EnableZstd(false),
	)
	if err != nil {
		return nil, err
	}
	page = compress(
		webui.New(pages{b}, &webui.Options{API: api, Budget: budget, Site: f.BaseURL, Publishing: f.Community,
			Logger: log}),
	)
	observedPage := b.metrics.Wrap(page)
	docs := compress(openapi.Handler())
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/metrics":
			b.metrics.ServeHTTP(w, r)
		case openapi.Serves(r.URL.Path):
			docs.ServeHTTP(w, r)
		case webui.Serves(r):
			observedPage.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
	if !f.AccessLog {
		return all, nil
	}
	logged := httpapi.AccessLog(all, log, f.TrustedProxies)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/metrics": // asked every few seconds, by machines
			all.ServeHTTP(w, r)
		default:
			logged.ServeHTTP(w, r)
		}
	}), nil
}

// browsing reports whether a request for an unknown path is answered with a page: it comes from
// a browser, and is not for the API or the feed, whose answers are JSON for every client.
func browsing(r *http.Request) bool {
	first, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	return first != "api" && first != "jamf" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		strings.Contains(r.Header.Get("Accept"), "text/html")
}

// profile serves profiles of the process on an address of its own, until ctx ends.
func profile(ctx context.Context, addr string, log *slog.Logger) error {
	if addr == "" {
		return nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("--pprof-addr: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("profiles are not served any more", "error", err)
		}
	}()
	log.Info("profiles are served", "url", "http://"+listener.Addr().String()+"/debug/pprof/")
	return nil
}
