package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/acmetest"
	"github.com/patchsource/patchsource/examples/server/internal/certstore"
	"github.com/patchsource/patchsource/store/filestore"
)

const acmeTestName = "patches.example.com"

// addr returns the address of the server.
func (p *process) addr() string { return strings.TrimPrefix(p.url, "https://") }

// shake makes a TLS handshake for a name and returns the certificate of the server.
func (p *process) shake(name string, roots *x509.CertPool) (*x509.Certificate, error) {
	p.t.Helper()
	conn, err := tls.Dial("tcp", p.addr(), &tls.Config{ServerName: name, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// certificate waits until the server has its certificate and returns it.
func (p *process) certificate(ca *acmetest.CA) *x509.Certificate {
	p.t.Helper()
	waitFor(p.t, "the certificate", func() bool {
		if strings.Contains(p.logged(), "no certificate was obtained") {
			p.t.Fatalf("%s\n%s", p.logged(), ca.Log())
		}
		return strings.Contains(p.logged(), "have a certificate")
	})
	cert, err := p.shake(acmeTestName, ca.Roots)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.logged())
	}
	return cert
}

// getTLS sends a request as the administrator to a server that has a certificate of a CA.
func (p *process) getTLS(ca *acmetest.CA, path string) (*http.Response, string) {
	p.t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.Roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, p.addr())
		},
		ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest("GET", "https://"+acmeTestName+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token())
	res, err := transport.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res, string(data)
}

// A server obtains a certificate, keeps it in its store, and uses it after a restart although the CA is down. The CA is
// not asked for certificates for other names.
func TestACME(t *testing.T) {
	ca, dir := acmetest.Start(t), t.TempDir()
	p := start(t, dir, ca.Args(acmeTestName, "--acme-email", "it@example.com")...)
	ca.TLS.To(p.addr())
	first := p.certificate(ca)
	res, _ := p.getTLS(ca, "/jamf/v1/software")
	if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") != strictTransport {
		t.Errorf("got status %d and %v over %s", res.StatusCode, res.Header, res.Proto)
	}
	if !strings.Contains(p.logged(), `"url":"https://`+acmeTestName+`"`) {
		t.Errorf("the server does not call itself by its name: %s", p.logged())
	}
	_, metrics := p.getTLS(ca, "/metrics")
	checkExpiry(t, metrics, first.NotAfter)
	if res, body := p.getTLS(ca, "/api/v1/backup?full=1"); res.StatusCode != 200 || !strings.HasPrefix(body, "PK") ||
		strings.Contains(body, certstore.Kind) {
		t.Errorf("the full backup has the certificates, or failed: status %d", res.StatusCode)
	}
	for _, name := range []string{"other.example.com", "x." + acmeTestName, ""} {
		if cert, err := p.shakeAny(name); err == nil {
			t.Errorf("%q: the handshake succeeded with a certificate for %v", name, cert.DNSNames)
		}
	}
	if strings.Contains(ca.Log(), "other.example.com") || strings.Contains(ca.Log(), "x."+acmeTestName) {
		t.Errorf("the CA was asked for a certificate for another name: %s", ca.Log())
	}
	ca.Stop()
	if cert, err := p.shake(strings.ToUpper(acmeTestName), ca.Roots); err != nil || !cert.Equal(first) {
		t.Errorf("while the CA is down: got %v", err)
	}
	p.stop()
	p = start(t, dir, ca.Args(acmeTestName)...)
	if !p.certificate(ca).Equal(first) {
		t.Error("after a restart, the server has another certificate")
	}
	p.stop()
	checkSealed(t, dir)
}

// shakeAny makes a TLS handshake for a name and accepts every certificate.
func (p *process) shakeAny(name string) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", p.addr(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// checkSealed checks that the store has a certificate and the key of an account, which are encrypted.
func checkSealed(t *testing.T, dir string) {
	t.Helper()
	s, err := filestore.Open(filepath.Join(dir, "data"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for r, err := range s.List(t.Context(), certstore.Kind) {
		if n++; err != nil || !strings.Contains(string(r.Value), "sealed") ||
			strings.Contains(string(r.Value), "BEGIN") {
			t.Errorf("%v: %v, %s", r.Key, err, r.Value)
		}
	}
	if n != 2 {
		t.Errorf("the store has %d records, want a certificate and the key of the account", n)
	}
}

// Servers over one store share a certificate.
func TestACMEOverOneStore(t *testing.T) {
	ca, dir := acmetest.Start(t), t.TempDir()
	_, name := s3Store(t)
	args := ca.Args(acmeTestName, "--store", name("acme"), "--secret-file", filepath.Join(dir, "secret"),
		"--admin-token-file", filepath.Join(dir, "data.admin-token"), "--no-community")
	one := start(t, dir, args...)
	ca.TLS.To(one.addr())
	first := one.certificate(ca)
	ca.Stop()
	other := start(t, dir, args...)
	if !other.certificate(ca).Equal(first) {
		t.Error("the servers have different certificates")
	}
}

// If the CA does not reach the TLS port, it is answered at --http-addr.
func TestACMEOverHTTP(t *testing.T) {
	ca := acmetest.Start(t)
	ca.TLS.To("")
	p := start(t, t.TempDir(), ca.Args(acmeTestName, "--http-addr", "127.0.0.1:0")...)
	plain := p.plainURL()
	ca.HTTP.To(strings.TrimPrefix(plain, "http://"))
	p.certificate(ca)
	res, body := getPlain(t, "GET", plain+"/", http.Header{})
	if res.StatusCode != 403 || !strings.Contains(body, "use https://"+acmeTestName+".") {
		t.Errorf("got status %d and %q", res.StatusCode, body)
	}
	if res, _ := getPlain(t, "GET", plain+"/jamf/v1/software", http.Header{}); res.StatusCode != 200 {
		t.Errorf("the feed: got status %d", res.StatusCode)
	}
}

// If no certificate can be obtained, the log says what the CA needs.
func TestACMEWithoutCA(t *testing.T) {
	certFile, _ := certificate(t)
	p := start(t, t.TempDir(), "--acme", acmeTestName, "--acme-ca", certFile,
		"--acme-directory", "https://"+acmetest.FreeAddr(t)+"/dir")
	waitFor(t, "an error in the log", func() bool {
		return strings.Contains(p.logged(), "no certificate was obtained") && strings.Contains(p.logged(), "port 443")
	})
	if _, err := p.shakeAny(acmeTestName); err == nil {
		t.Error("the handshake succeeded without a certificate")
	}
}
