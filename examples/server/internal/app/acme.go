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
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/patchsource/patchsource/examples/server/internal/certstore"
	"github.com/patchsource/patchsource/store"
)

// acmeTimeout bounds one request to the CA.
const acmeTimeout = 30 * time.Second

var errForeignName = errors.New("the name is not one of --acme")

// An acmeIssuer obtains certificates for the names of --acme and renews them. Until open is called, handshakes fail.
type acmeIssuer struct {
	names    []string
	manager  *autocert.Manager
	calls    *acmeCalls // of the manager to the CA
	ready    atomic.Bool
	waiting  atomic.Bool    // for another server, which may be obtaining the certificates
	work     sync.WaitGroup // holds the lease; the store must stay open until it has ended
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
	a := &acmeIssuer{names: f.ACME, calls: &acmeCalls{next: transport}, log: log}
	a.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Email:      f.ACMEEmail,
		HostPolicy: func(_ context.Context, host string) error { return a.check(host) },
		Client: &acme.Client{
			DirectoryURL: f.ACMEDirectory,
			UserAgent:    "patchsource",
			HTTPClient:   &http.Client{Transport: a.calls, Timeout: acmeTimeout},
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
	challenge := slices.Contains(hello.SupportedProtos, acme.ALPNProto)
	if a.waiting.Load() && !challenge && !a.cached(hello.Context(), hello.ServerName) {
		return nil, errors.New("another server is obtaining the certificate")
	}
	cert, err := a.manager.GetCertificate(hello)
	if err == nil && !challenge {
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

// open begins to use certificates, which are kept in a cache in a store. It obtains missing ones in the background, so
// that no client has to wait for them, and logs renewals, until ctx ends. lease is the time after which servers over
// the store no longer wait for one that has died.
func (a *acmeIssuer) open(ctx context.Context, cache autocert.Cache, s store.Store, lease time.Duration) {
	a.manager.Cache = cache
	missing := func(name string) bool { return !a.cached(ctx, name) }
	a.waiting.Store(slices.ContainsFunc(a.names, missing))
	a.ready.Store(true)
	if a.waiting.Load() {
		a.work.Go(func() { a.obtainInTurn(ctx, s, lease) })
	} else {
		go a.obtainAll(ctx)
	}
}

// obtainInTurn is obtainAll, by one of the servers over a store at a time. The answers to the CA of two servers that
// obtain a certificate for a name at once would replace each other.
func (a *acmeIssuer) obtainInTurn(ctx context.Context, s store.Store, lease time.Duration) {
	turn, end := context.WithCancel(ctx)
	defer end()
	options := store.LeaseOptions{Name: certstore.Kind, TTL: lease}
	store.Campaign(turn, s, options, func(context.Context) {
		defer end()
		a.waiting.Store(false)
		obtained := make(chan struct{})
		go func() {
			defer close(obtained)
			a.obtainAll(ctx)
		}()
		select { // an order goes on for minutes if the CA does not answer
		case <-ctx.Done():
		case <-obtained:
		}
	})
}

// obtainAll obtains the missing certificates, and begins to watch each that it has. It tries again until it has all of
// them, or ctx ends.
func (a *acmeIssuer) obtainAll(ctx context.Context) {
	missing := slices.Clone(a.names)
	for {
		missing = slices.DeleteFunc(missing, func(name string) bool {
			cert := a.obtain(ctx, name)
			if cert != nil {
				go a.watch(ctx, name, cert)
			}
			return cert != nil
		})
		if len(missing) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(maxRenewalCheck):
		}
	}
}

// cached reports whether the store has a certificate for a name.
func (a *acmeIssuer) cached(ctx context.Context, name string) bool {
	_, err := a.manager.Cache.Get(ctx, strings.ToLower(strings.TrimSuffix(name, ".")))
	return err == nil
}

// obtain obtains the certificate for a name, if there is none, and logs the outcome. It returns nil if it fails.
func (a *acmeIssuer) obtain(ctx context.Context, name string) *x509.Certificate {
	if ctx.Err() != nil {
		return nil
	}
	cert, err := a.current(name)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Error("no certificate was obtained; the next connection tries again, and so does the server in ten "+
			"minutes: the CA must reach this server at port 443, or at port 80 with --http-addr, under the name",
			"name", name, "error", err)
	default:
		a.log.Info("have a certificate", "name", name, "expires", cert.NotAfter)
		return cert
	}
	return nil
}

// current returns the certificate for a name.
func (a *acmeIssuer) current(name string) (*x509.Certificate, error) {
	cert, err := a.certificate(&tls.ClientHelloInfo{
		ServerName:       name,
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
	})
	if err != nil {
		return nil, err
	}
	return cert.Leaf, nil
}
