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

// Limits for slow clients.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute
	writeTimeout      = 5 * time.Minute
	idleTimeout       = 2 * time.Minute
	// maxHeaderBytes bounds the request line and the header. A selection of a few thousand titles fits.
	maxHeaderBytes = 128 << 10
	// stopTimeout bounds the wait for requests in progress when the server stops.
	stopTimeout = 30 * time.Second
)

// A web is the HTTP server. Until use is called, it answers that the server is starting.
type web struct {
	listener net.Listener
	server   *http.Server
	handler  atomic.Pointer[http.Handler]
	drain    drain
	failed   chan error
	served   chan struct{} // closed when connections are no longer accepted
}

// listen starts a web on the address of --addr.
func listen(f *flags, log *slog.Logger) (*web, error) {
	if f.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(f.TLSCert, f.TLSKey); err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
	}
	listener, err := net.Listen("tcp", f.Addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: choose another address with --addr, or stop the program that uses "+
			"this one", err)
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
		ConnState:         w.track,
		ConnContext:       withConn,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(w.served)
		conns := newDeadlineListener(listener)
		if f.TLSCert != "" {
			w.failed <- w.server.ServeTLS(conns, f.TLSCert, f.TLSKey)
		} else {
			w.failed <- w.server.Serve(conns)
		}
	}()
	return w, nil
}

// strictTransport makes browsers use TLS for a year. It is sent over the server's own TLS only: a reverse proxy sends
// its own.
const strictTransport = "max-age=31536000"

// ServeHTTP implements http.Handler.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.TLS != nil {
		rw.Header().Set("Strict-Transport-Security", strictTransport)
	}
	if conn, ok := r.Context().Value(connKey{}).(*deadlineConn); ok {
		conn.beginAnswer()
		defer func() { _ = conn.endAnswer() }() // if it fails, it closes the connection
	}
	(*w.handler.Load()).ServeHTTP(rw, r)
}

// track notes the state of a connection. It is the ConnState of an http.Server.
func (w *web) track(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*deadlineConn); ok && state == http.StateHijacked {
		c.hijack()
	}
	w.drain.track(conn, state)
}

// use sets the handler.
func (w *web) use(h http.Handler) { w.handler.Store(&h) }

// url returns the URL of the server on this machine.
func (w *web) url(f *flags) string {
	scheme := "http"
	if f.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + w.listener.Addr().String()
}

// site returns the URL of the server for other hosts, as far as it is known. Mails and events need one without a
// request that names the host.
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

// stop stops accepting connections, makes clients close idle ones, and waits for requests in progress, for at most
// stopTimeout. ctx may have ended.
func (w *web) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	_ = w.listener.Close()
	<-w.served
	w.drain.wait(ctx)
	if err := w.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests in progress were aborted: %w", err), w.server.Close())
	}
	return nil
}

// starting answers requests until the titles are read.
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
