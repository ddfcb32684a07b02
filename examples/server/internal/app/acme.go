package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// acmeTimeout bounds one request to the CA.
const acmeTimeout = 30 * time.Second

var errForeignName = errors.New("the name is not one of --acme")

// An acmeIssuer obtains certificates for the names of --acme and renews them. Until open is called, handshakes fail.
type acmeIssuer struct {
	names    []string
	manager  *autocert.Manager
	ready    atomic.Bool
	expiries expiries
	log      *slog.Logger
}

// newACME returns an issuer for the names of --acme.
func newACME(f *flags, log *slog.Logger) (*acmeIssuer, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if f.ACMECA != "" {
		pem, err := os.ReadFile(f.ACMECA)
		if err != nil {
			return nil, fmt.Errorf("--acme-ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--acme-ca %s: it must have certificates in PEM", f.ACMECA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	a := &acmeIssuer{names: f.ACME, log: log}
	a.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Email:      f.ACMEEmail,
		HostPolicy: func(_ context.Context, host string) error { return a.check(host) },
		Client: &acme.Client{
			DirectoryURL: f.ACMEDirectory,
			UserAgent:    "patchsource",
			HTTPClient:   &http.Client{Transport: transport, Timeout: acmeTimeout},
		},
	}
	return a, nil
}

// check returns an error if a host, which may have a port, is not one of the names.
func (a *acmeIssuer) check(host string) error {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if !slices.Contains(a.names, strings.ToLower(strings.TrimSuffix(host, "."))) {
		return fmt.Errorf("%.260q: %w", host, errForeignName)
	}
	return nil
}

// tlsConfig returns the configuration of the TLS listener.
func (a *acmeIssuer) tlsConfig() *tls.Config {
	c := a.manager.TLSConfig() // answers the CA as well
	c.GetCertificate = a.certificate
	return c
}

// certificate returns the certificate for a handshake. Neither the store nor the CA is asked for a foreign name.
func (a *acmeIssuer) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := a.check(hello.ServerName); err != nil {
		return nil, err
	}
	if !a.ready.Load() {
		return nil, errors.New("the server is starting")
	}
	cert, err := a.manager.GetCertificate(hello)
	if err == nil && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) { // which answers the CA
		a.expiries.record(strings.ToLower(strings.TrimSuffix(hello.ServerName, ".")), cert)
	}
	return cert, err
}

// handler returns a handler that answers the CA's requests over HTTP and passes others to next.
func (a *acmeIssuer) handler(next http.Handler) http.Handler {
	challenges := a.manager.HTTPHandler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.ready.Load() {
			next.ServeHTTP(w, r)
			return
		}
		challenges.ServeHTTP(w, r)
	})
}

// open begins to use certificates, which are kept in a cache. It obtains missing ones in the background, so that no
// client has to wait for them, until ctx ends.
func (a *acmeIssuer) open(ctx context.Context, cache autocert.Cache) {
	a.manager.Cache = cache
	a.ready.Store(true)
	go func() {
		for _, name := range a.names {
			a.obtain(ctx, name)
		}
		a.follow(ctx)
	}()
}

// expiryInterval is the time between two looks at the certificates in use.
const expiryInterval = time.Hour

// follow records renewed certificates of names that no client asks for, until ctx ends. It obtains none.
func (a *acmeIssuer) follow(ctx context.Context) {
	tick := time.NewTicker(expiryInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, name := range a.names {
			if a.expiries.known(name) {
				_, _ = a.certificate(hello(name))
			}
		}
	}
}

// hello returns the handshake of a client that knows ECDSA.
func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName:       name,
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
	}
}

// obtain obtains the certificate for a name, if there is none, and logs the outcome.
func (a *acmeIssuer) obtain(ctx context.Context, name string) {
	if ctx.Err() != nil {
		return
	}
	cert, err := a.certificate(hello(name))
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Error("no certificate was obtained; the next connection tries again: the CA must reach this server at "+
			"port 443, or at port 80 with --http-addr, under the name", "name", name, "error", err)
	default:
		a.log.Info("have a certificate", "name", name, "expires", cert.Leaf.NotAfter)
	}
}
