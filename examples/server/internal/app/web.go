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
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/examples/server/internal/certstore"
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
	listener net.Listener // of --addr
	plain    net.Listener // of --http-addr, or nil
	acme     *acmeIssuer  // nil without --acme
	pair     *keyPair     // nil without --tls-cert
	servers  []*http.Server
	handler  atomic.Pointer[http.Handler]
	drain    drain
	failed   chan error
	served   sync.WaitGroup // ends when connections are no longer accepted
}

// listen starts a web on the addresses of --addr and --http-addr.
func listen(f *flags, log *slog.Logger) (*web, error) {
	w := &web{drain: drain{timeout: drainTimeout}, failed: make(chan error, 2)}
	config, err := w.tlsConfig(f, log)
	if err != nil {
		return nil, err
	}
	if w.listener, err = listenAt(f.Addr, "--addr"); err != nil {
		return nil, err
	}
	if f.HTTPAddr != "" {
		if w.plain, err = listenAt(f.HTTPAddr, "--http-addr"); err != nil {
			return nil, errors.Join(err, w.listener.Close())
		}
	}
	w.use(http.HandlerFunc(starting))
	w.serve(w.listener, w, config, log)
	if w.plain != nil {
		handler := w.plainHandler(f, w)
		if w.acme != nil {
			handler = w.acme.handler(handler)
		}
		w.serve(w.plain, handler, nil, log)
	}
	return w, nil
}

// listenAt listens on the address of a flag.
func listenAt(addr, flag string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: choose another address with %s, or stop the program that "+
			"uses this one", err, flag)
	}
	return listener, nil
}

// tlsConfig returns the configuration of the server's own TLS, or nil if it has none.
func (w *web) tlsConfig(f *flags, log *slog.Logger) (_ *tls.Config, err error) {
	switch {
	case len(f.ACME) > 0:
		if w.acme, err = newACME(f, log); err != nil {
			return nil, err
		}
		return w.acme.tlsConfig(), nil
	case f.TLSCert != "":
		if w.pair, err = loadKeyPair(f.TLSCert, f.TLSKey, log); err != nil {
			return nil, err
		}
		return &tls.Config{GetCertificate: w.pair.certificate}, nil
	}
	return nil, nil
}

// serve serves the connections of a listener, with TLS if config is not nil, until the listener is closed.
func (w *web) serve(listener net.Listener, handler http.Handler, config *tls.Config, log *slog.Logger) {
	server := &http.Server{
		Handler:           w.drain.handler(handler),
		TLSConfig:         config,
		ConnState:         w.track,
		ConnContext:       withConn,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	w.servers = append(w.servers, server)
	w.served.Go(func() {
		conns := newDeadlineListener(listener)
		if config != nil {
			w.failed <- server.ServeTLS(conns, "", "")
		} else {
			w.failed <- server.Serve(conns)
		}
	})
}

// openACME begins to use the certificates that are kept in the store of a backend, if --acme is set.
func (w *web) openACME(ctx context.Context, f *flags, b *backend) error {
	if w.acme == nil {
		return nil
	}
	cache, err := certstore.New(b.store, b.secret.Key("certificates"), w.acme.log)
	if err != nil {
		return err
	}
	lease, err := f.lease()
	if err != nil {
		return err
	}
	w.acme.open(ctx, cache, b.store, lease)
	return nil
}

// strictTransport makes browsers use TLS for two years. It is sent over the server's own TLS only: a reverse proxy
// sends its own.
const strictTransport = "max-age=63072000"

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
	if f.TLSCert != "" || len(f.ACME) > 0 {
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

// addresses are the URLs of the server, without slashes at their ends.
type addresses struct {
	base  string // of --base-url; empty: there is none
	site  string // for other hosts, as far as it is known
	local string // on this machine
}

// addresses returns the URLs of the server.
func (w *web) addresses(f *flags) addresses {
	return addresses{base: strings.TrimRight(f.BaseURL, "/"), site: w.site(f), local: w.url(f)}
}

// stop stops accepting connections, makes clients close idle ones, and waits for requests in progress, for at most
// stopTimeout. ctx may have ended.
func (w *web) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	_ = w.listener.Close()
	if w.plain != nil {
		_ = w.plain.Close()
	}
	w.served.Wait()
	w.drain.wait(ctx)
	var errs []error
	for _, server := range w.servers {
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("requests in progress were aborted: %w", err), server.Close())
		}
	}
	return errors.Join(errs...)
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
