package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/store/memstore"
)

// newSource returns our own server with some titles.
func newSource(t *testing.T, signer feed.Signer, titles int) http.Handler {
	t.Helper()
	s, err := server.Open(t.Context(), server.Config{Store: memstore.New(), Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range titles {
		name := "Title " + string(rune('A'+i/26)) + string(rune('a'+i%26))
		d, err := patch.NewDefinition(patch.Application{
			Name:      name,
			Publisher: "Maker",
			BundleID:  "com.example.title",
			Version:   "1.0",
			MinimumOS: "11.0",
			Released:  time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Catalog.Create(t.Context(), d, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A reply is an answer of a source, which a fault changes.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// withFault returns a source whose answers a fault changes. The source itself does not compress them.
func withFault(source http.Handler, fault func(*http.Request, *reply)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := r.Clone(r.Context())
		inner.Header.Del("Accept-Encoding")
		recorder := httptest.NewRecorder()
		source.ServeHTTP(recorder, inner)
		a := &reply{recorder.Code, recorder.Header(), recorder.Body.Bytes()}
		a.header.Del("Content-Length")
		fault(r, a)
		for name, values := range a.header {
			w.Header()[name] = values
		}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body) // a client that stops reading is no failure
	})
}

// start starts a source and returns the address of its feed.
func start(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/jamf/v1"
}

// examine examines a source with a limited timeout.
func examine(t *testing.T, address string, opts *Options) *Report {
	t.Helper()
	r, err := Examine(context.Background(), address, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// expect fails the test unless a check has a finding with a severity. All findings that are not OK must be of this
// check, or of one of the others.
func expect(t *testing.T, r *Report, check string, s Severity, others ...string) {
	t.Helper()
	found := false
	for _, f := range r.Findings {
		found = found || f.Check == check && f.Severity == s
		if f.Severity != OK && f.Check != check && !slices.Contains(others, f.Check) {
			t.Errorf("unexpected finding: %+v", f)
		}
		if f.Check == check && f.Severity != OK {
			t.Log(f.Message)
		}
	}
	if !found {
		t.Errorf("no finding %s %s: %+v", s, check, r.Findings)
	}
}

// expectSound fails the test if there is a finding that is not OK.
func expectSound(t *testing.T, r *Report) {
	t.Helper()
	if !r.Reached || len(r.Findings) == 0 {
		t.Errorf("not examined: %+v", r)
	}
	for _, f := range r.Findings {
		if f.Severity != OK {
			t.Errorf("unexpected finding: %+v", f)
		}
	}
}

// A certificate is a certificate with its key.
type certificate struct {
	leaf *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate for 127.0.0.1 that change may change. If by is nil, it is self-signed.
func issue(t *testing.T, by *certificate, change func(*x509.Certificate)) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "patches.example.com"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(365 * 24 * time.Hour),
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.leaf, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &certificate{leaf, key}
}

// issueAuthority makes an authority and a pool that trusts it.
func issueAuthority(t *testing.T) (*certificate, *x509.CertPool) {
	t.Helper()
	authority := issue(t, nil, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Test authority"}
		c.IsCA, c.BasicConstraintsValid, c.IPAddresses = true, true, nil
	})
	roots := x509.NewCertPool()
	roots.AddCert(authority.leaf)
	return authority, roots
}

// newSigner returns a signer with a new certificate.
func newSigner(t *testing.T, change func(*x509.Certificate)) *envelope.Signer {
	t.Helper()
	c := issue(t, nil, change)
	return &envelope.Signer{Certificate: c.leaf, Key: c.key}
}

// startTLS starts a source with a certificate and returns the address of its feed.
func startTLS(t *testing.T, h http.Handler, c *certificate, maxVersion uint16) string {
	t.Helper()
	s := newTLSSource(t, h, c, maxVersion)
	s.StartTLS()
	return s.URL + "/jamf/v1"
}

// newTLSSource returns a source with a certificate that is not started yet.
func newTLSSource(t *testing.T, h http.Handler, c *certificate, maxVersion uint16) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(t.Output(), "", 0)
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{c.leaf.Raw}, PrivateKey: c.key}},
		MinVersion:   tls.VersionTLS10,
		MaxVersion:   maxVersion,
	}
	t.Cleanup(s.Close)
	return s
}
