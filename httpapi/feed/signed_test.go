package feed_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/patch/envelope"
)

// newSigner returns a signer, and the root that its envelopes are checked against.
func newSigner(t *testing.T) (*envelope.Signer, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "Us"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &envelope.Signer{Certificate: cert, Key: key}, roots
}

// A feed with a signer serves the same definitions in envelopes. A definition is signed once, so that its ETag is
// stable.
func TestSignedFeed(t *testing.T) {
	signer, roots := newSigner(t)
	c := composerCatalog(t)
	h := newFeed(t, c, &feed.Options{Signer: signer})
	const path = "/jamf/v1/patch/Composer"
	plain := get(newFeed(t, c, nil), path).Body.Bytes()
	w := get(h, path)
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/pkcs7-mime") {
		t.Fatalf("got status %d and the header %v", w.Code, w.Header())
	}
	e, err := envelope.Open(w.Body.Bytes(), &envelope.OpenOptions{Roots: roots})
	if err != nil || !bytes.Equal(e.Content, plain) {
		t.Errorf("the envelope has %s, %v; want %s", e.Content, err, plain)
	}
	etag := w.Header().Get("ETag")
	again := get(h, path)
	if !bytes.Equal(again.Body.Bytes(), w.Body.Bytes()) || again.Header().Get("ETag") != etag {
		t.Error("the definition is signed for each request")
	}
	if w := get(h, path, "If-None-Match", etag); w.Code != 304 {
		t.Errorf("a request with the ETag: got status %d, want 304", w.Code)
	}
	if w := get(h, "/jamf/v1/software"); w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("the list has the header %v", w.Header())
	}
	if w := get(h, "/jamf/v1/patch/Nope"); w.Code != 404 || !strings.Contains(w.Body.String(), "title_not_found") {
		t.Errorf("an unknown title: got status %d: %s", w.Code, w.Body)
	}
}
