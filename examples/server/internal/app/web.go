package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Limits on clients that are slow, by intent or not.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute
	writeTimeout      = 5 * time.Minute
	idleTimeout       = 2 * time.Minute
	// maxHeaderBytes bounds a request's line and header: a selection of some thousand titles fits.
	maxHeaderBytes = 128 << 10
	// stopTimeout is how long requests under way may take when the server stops.
	stopTimeout = 30 * time.Second
)

// A web is the listening part of the server. Until it is given a handler, it
// says that the server is starting.
type web struct {
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	drain    drain
	failed   chan error
	served   chan struct{} // closed when no more connections are accepted
}

func listen(f *flags, log *slog.Logger) (*web, error) {
	if f.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey); err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
	}
	listener, err := net.Listen("tcp", f.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: choose another address with --addr, or stop what uses this one", err)
	}
	w := &web{
		listener: listener,
		drain:    drain{timeout: drainTimeout},
		failed:   make(chan error, 1),
		served:   make(chan struct{}),
	}
	w.use(http.HandlerFunc(starting))
	w.server = &http.Server{
		Handler:           w.drain.handler(w),
		ConnState:         w.drain.track,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(w.served)
		if f.TLSCert != "" {
			w.failed <- w.server.ServeTLS(listener, f.TLSCert, f.TLSKey)
		} else {
			w.failed <- w.server.Serve(listener)
		}
	}()
	return w, nil
}

// strictTransport has browsers use TLS for a year. It is sent over the server's own TLS alone:
// behind a reverse proxy, the proxy sends it.
const strictTransport = "max-age=31536000"

// ServeHTTP implements http.Handler.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.TLS != nil {
		rw.Header().Set("Strict-Transport-Security", strictTransport)
	}
	(*w.handler.Load()).ServeHTTP(rw, r)
}

func (w *web) use(h http.Handler) { w.handler.Store(&h) }

// url is where the server is found from this machine.
func (w *web) url(f *flags) string {
	scheme := "http"
	if f.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + w.listener.Addr().String()
}

// site is where the server is found from outside, as far as it can be known: for mails
// and events, which go out without anybody having come in.
func (w *web) site(f *flags) string {
	if f.BaseURL != "" {
		return f.BaseURL
	}
	host, port, err := net.SplitHostPort(w.listener.Addr().String())
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return w.url(f)
	}
	if host, err = os.Hostname(); err != nil {
		return w.url(f)
	}
	scheme, _, _ := strings.Cut(w.url(f), ":")
	return scheme + "://" + net.JoinHostPort(host, port)
}

// stop accepts no more connections, has clients close those that they keep, and
// waits for requests in progress. ctx has ended by then, as a rule: it is not what
// bounds the waiting.
func (w *web) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	_ = w.listener.Close()
	<-w.served
	w.drain.wait(ctx)
	if err := w.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests under way were broken off: %w", err), w.server.Close())
	}
	return nil
}

// starting answers until the titles are read.
func starting(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == "/healthz" {
		_, _ = io.WriteString(w, `{"message":"alive"}`+"\n")
		return
	}
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `{"message":"The server is starting: try again in a moment.","internal":"starting"}`+"\n")
}
