package setup

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
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/memstore"
)

// key is the key of the servers in these tests.
var key = []byte("a key")

// newSource returns a patch source with some titles.
func newSource(t *testing.T, ids ...string) *server.Server {
	t.Helper()
	s, err := server.Open(t.Context(), server.Config{Store: memstore.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, id := range ids {
		d, err := patch.Parse([]byte(trial.Definition(id, "1.0")), nil)
		if err == nil {
			_, err = s.Catalog.Create(t.Context(), d, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// serve starts a server without TLS and returns its URL.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// serveTLS starts a server with a certificate and returns its URL.
func serveTLS(t *testing.T, h http.Handler, c tls.Certificate) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(t.Output(), "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// unused returns a URL at which no server listens.
func unused(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

// dialing returns a Dial that connects to the server at a URL, whatever the address is.
func dialing(url string) func(context.Context, string, string) (net.Conn, error) {
	_, address, _ := strings.Cut(url, "://")
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// An authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority returns an authority and a pool that trusts it.
func newAuthority(t *testing.T) (*authority, *x509.CertPool) {
	t.Helper()
	var none *authority
	made := none.issue(t, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Test authority"}
		c.IsCA, c.BasicConstraintsValid, c.IPAddresses = true, true, nil
	})
	roots := x509.NewCertPool()
	roots.AddCert(made.Leaf)
	return &authority{made.Leaf, made.PrivateKey.(*ecdsa.PrivateKey)}, roots
}

// issue makes a certificate for 127.0.0.1 that change may change. That of a nil authority is self-signed.
func (a *authority) issue(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "patches.example.com"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-72 * time.Hour),
		NotAfter:     time.Now().Add(90*24*time.Hour + time.Hour),
	}
	if change != nil {
		change(template)
	}
	parent, signer := template, own
	if a != nil {
		parent, signer = a.certificate, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own, Leaf: leaf}
}

// check has a step of a configuration checked.
func check(t *testing.T, c Config, id string, v webui.SetupVisit) webui.SetupFinding {
	t.Helper()
	step := stepOf(t, New(c), id)
	if step.Check == nil {
		return step.Look(v)
	}
	return step.Check(t.Context(), v)
}

// stepOf returns a step.
func stepOf(t *testing.T, s *webui.Setup, id string) webui.SetupStep {
	t.Helper()
	for _, step := range append(s.Steps, *s.Report) {
		if step.ID == id {
			return step
		}
	}
	t.Fatalf("there is no step %s", id)
	return webui.SetupStep{}
}

// words returns everything that a finding shows.
func words(f webui.SetupFinding) string {
	var b strings.Builder
	b.WriteString(f.Text + "\n" + f.Fix + "\n")
	for _, fact := range append(f.Facts, f.Settings...) {
		b.WriteString(fact.Name + ": " + fact.Value + "\n")
	}
	for _, l := range f.Lines {
		b.WriteString(string(l.State) + " " + l.Name + " " + l.Text + "\n")
	}
	return b.String()
}

// want checks the state of a finding and that it shows texts.
func want(t *testing.T, f webui.SetupFinding, state webui.SetupState, texts ...string) {
	t.Helper()
	if f.State != state {
		t.Errorf("the state is %q, want %q: %s", f.State, state, words(f))
	}
	for _, text := range texts {
		if !strings.Contains(words(f), text) {
			t.Errorf("the finding does not show %q: %s", text, words(f))
		}
	}
}
