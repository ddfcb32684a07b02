package app

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/acmetest"
)

// renewalLife is the lifetime of certificates in tests of renewals. Servers renew them when a third of it is left.
// The server closes a connection without a request after ten seconds, which the renewal must precede.
const renewalLife = 12 * time.Second

// sharedArgs returns the flags of a server over a bucket that uses a CA.
func sharedArgs(ca *acmetest.CA, dir, store string) []string {
	return ca.Args(acmeTestName, "--store", store, "--secret-file", filepath.Join(dir, "secret"),
		"--admin-token-file", filepath.Join(dir, "data.admin-token"), "--no-community")
}

// The server renews a certificate before it ends, while connections go on, and another server over the store uses the
// new one. After a restart, no certificate is ordered while it is good.
func TestACMERenewal(t *testing.T) {
	ca, dir := acmetest.StartFor(t, renewalLife), t.TempDir()
	_, name := s3Store(t)
	args := sharedArgs(ca, dir, name("renewal"))
	one := start(t, dir, args...)
	ca.TLS.To(one.addr())
	first := one.certificate(ca)
	conn, err := tls.Dial("tcp", one.addr(), &tls.Config{ServerName: acmeTestName, RootCAs: ca.Roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	renewed := one.renewed(ca, first)
	if !time.Now().Before(first.NotAfter) {
		t.Error("the certificate was renewed after its end")
	}
	orders := strings.Count(ca.Log(), "Issued certificate")
	if _, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(make([]byte, 12)); n != 12 || err != nil {
		t.Errorf("a connection from before the renewal: got %d bytes, %v", n, err)
	}
	other := start(t, t.TempDir(), append(args, "--admin-token-file", filepath.Join(dir, "data.admin-token"))...)
	if !other.certificate(ca).Equal(renewed) {
		t.Error("another server over the store does not use the renewed certificate")
	}
	if n := strings.Count(ca.Log(), "Issued certificate"); n != orders || orders != 2 {
		t.Errorf("the CA has issued %d certificates, and then %d, want 2", orders, n)
	}
	waitFor(t, "a line about the renewal", func() bool {
		return strings.Contains(one.logged(), "have a new certificate")
	})
}

// renewed waits until the server has another certificate, and returns it.
func (p *process) renewed(ca *acmetest.CA, before *x509.Certificate) (cert *x509.Certificate) {
	p.t.Helper()
	for end := time.Now().Add(renewalLife); ; time.Sleep(50 * time.Millisecond) {
		cert, err := p.shake(acmeTestName, ca.Roots)
		if err != nil {
			p.t.Fatalf("%v\n%s", err, p.logged())
		}
		if !cert.Equal(before) {
			return cert
		}
		if time.Now().After(end) {
			p.t.Fatalf("the certificate was not renewed: %s", p.logged())
		}
	}
}

// If the CA is down when a certificate is to be renewed, the old one stays in use and the log says so. The server
// renews it when it starts after the CA is back.
func TestACMERenewalWithoutCA(t *testing.T) {
	ca, dir := acmetest.StartFor(t, renewalLife), t.TempDir()
	road := acmetest.NewGate(t, strings.TrimSuffix(strings.TrimPrefix(ca.Directory, "https://"), "/dir"))
	ca.Directory = "https://" + road.Addr() + "/dir"
	ca.HTTP.To("")
	_, name := s3Store(t)
	args := sharedArgs(ca, dir, name("down"))
	p := start(t, dir, args...)
	ca.TLS.To(p.addr())
	first := p.certificate(ca)
	road.Shut(true)
	for end := time.Now().Add(renewalLife); !strings.Contains(p.logged(), "the certificate was not renewed"); {
		if cert, err := p.shakeAny(acmeTestName); err != nil || !cert.Equal(first) || time.Now().After(end) {
			t.Fatalf("while the CA is down, the server does not use its certificate, or logs nothing: %v\n%s", err,
				p.logged())
		}
		time.Sleep(50 * time.Millisecond)
	}
	road.Shut(false)
	addr := p.addr()
	p.stop()
	p = start(t, dir, append(args, "--addr", addr)...) // where the CA looks for it
	waitFor(t, "a renewed certificate", func() bool {
		cert, err := p.shakeAny(acmeTestName)
		return err == nil && !cert.Equal(first)
	})
}

// Servers over one store that start at once order one certificate, and all of them serve with it.
func TestACMEServersStartTogether(t *testing.T) {
	ca, dir := acmetest.Start(t), t.TempDir()
	_, name := s3Store(t)
	args := sharedArgs(ca, dir, name("together"))
	first := start(t, dir, append(args, "--acme-directory", "https://"+acmetest.FreeAddr(t)+"/dir")...)
	first.stop() // the secret and the token exist
	both := [2]*process{}
	var started sync.WaitGroup
	for i := range both {
		started.Go(func() { both[i] = start(t, dir, args...) })
	}
	started.Wait()
	ca.TLS.To(both[0].addr())
	if one, other := both[0].certificate(ca), both[1].certificate(ca); !one.Equal(other) {
		t.Error("the servers have different certificates")
	}
	if n := strings.Count(ca.Log(), "Issued certificate"); n != 1 {
		t.Errorf("the CA has issued %d certificates, want 1", n)
	}
}
