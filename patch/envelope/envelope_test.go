package envelope_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// content has brackets that would mislead a search for the end of the JSON.
const content = `{"id":"Firefox","x":"]}]}","patches":[]}`

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newKey(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if kind == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue issues a certificate to a new authority. If a is nil, the certificate is self-signed.
func (a *authority) issue(t testing.TB, name, kind string, from, to time.Time) *authority {
	t.Helper()
	key := newKey(t, kind)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	// The name has the brackets that end a definition.
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name, Organization: []string{"a]}b"}},
		NotBefore:             from,
		NotAfter:              to,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

// openssl makes an envelope with OpenSSL, as other sources do.
func openssl(t *testing.T, a *authority, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is missing: install it, because other sources make envelopes with it")
	}
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"in.json":  []byte(content),
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sign := strings.Fields(
		"cms -sign -binary -nodetach -in in.json -signer cert.pem -inkey key.pem -outform DER -out out")
	cmd := exec.Command("openssl", append(sign, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpenWhatOpenSSLMakes(t *testing.T) {
	now := time.Now()
	old, soon := now.Add(-48*time.Hour), now.Add(48*time.Hour)
	root := (*authority)(nil).issue(t, "Root", "ecdsa", old, soon)
	ended := now.Add(-time.Hour)
	vendor := func(until time.Time) *authority { return root.issue(t, "Vendor", "rsa", old, until) }
	stranger := func(until time.Time) *authority { return (*authority)(nil).issue(t, "Root", "ecdsa", old, until) }
	trusting := &envelope.OpenOptions{Roots: pool(root.cert)}
	trustingLater := &envelope.OpenOptions{Roots: pool(root.cert), Now: soon.Add(time.Hour)}
	for _, c := range []struct {
		name             string
		signer           *authority
		args             string
		opts             *envelope.OpenOptions
		err              error
		expired, trusted bool
	}{
		{"DER, RSA", vendor(soon), "", nil, nil, false, false},
		{"BER with indefinite lengths", vendor(soon), "-stream", nil, nil, false, false},
		{"ECDSA", root.issue(t, "Vendor", "ecdsa", old, soon), "", nil, nil, false, false},
		{"without attributes", vendor(soon), "-noattr", nil, nil, false, false},
		{"SHA-512", vendor(soon), "-md sha512", nil, nil, false, false},
		{"no limit", vendor(soon), "", &envelope.OpenOptions{MaxBytes: -1}, nil, false, false},
		{"trusted", vendor(soon), "", trusting, nil, false, true},
		{"trusted, BER", vendor(soon), "-stream", trusting, nil, false, true},
		{"another signer", stranger(soon), "", trusting, envelope.ErrSigner, false, false},
		{"expired", vendor(ended), "", nil, nil, true, false},
		{"expired and trusted", vendor(ended), "", trusting, nil, true, true},
		{"expired and another signer", stranger(ended), "", trusting, envelope.ErrSigner, true, false},
		{"expired and refused", vendor(ended), "", &envelope.OpenOptions{RefuseExpired: true},
			envelope.ErrSigner, true, false},
		{"expires later", vendor(soon), "", trustingLater, nil, true, true},
		{"without the certificate", vendor(soon), "-nocerts", nil, envelope.ErrSignature, false, false},
		{"too large", vendor(soon), "", &envelope.OpenOptions{MaxBytes: 100}, patch.ErrTooLarge, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := openssl(t, c.signer, strings.Fields(c.args)...)
			if !envelope.Is(data) {
				t.Error("Is = false, want true")
			}
			e, err := envelope.Open(data, c.opts)
			if !errors.Is(err, c.err) {
				t.Fatalf("Open = %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if string(e.Content) != content || !e.Signer.Equal(c.signer.cert) || e.Expired != c.expired ||
				e.Trusted != c.trusted {
				t.Errorf("content %q, signer %s, expired %v, trusted %v, want %q, %s, %v, %v",
					e.Content, e.Signer.Subject, e.Expired, e.Trusted, content,
					c.signer.cert.Subject, c.expired, c.trusted)
			}
			// A change of one byte invalidates the signature.
			forged := bytes.Replace(data, []byte("Firefox"), []byte("Firefux"), 1)
			if _, err := envelope.Open(forged, c.opts); !errors.Is(err, envelope.ErrSignature) {
				t.Errorf("forged: %v, want ErrSignature", err)
			}
		})
	}
}

// Signatures made with digests that can be forged are refused, whatever the key.
func TestOpenRefusesWeakDigests(t *testing.T) {
	now := time.Now()
	for _, kind := range []string{"rsa", "ecdsa"} {
		signer := (*authority)(nil).issue(t, "Vendor", kind, now.Add(-time.Hour), now.Add(time.Hour))
		for _, digest := range []string{"sha1", "md5"} {
			for _, more := range [][]string{nil, {"-noattr"}} {
				if kind == "ecdsa" && digest == "md5" {
					continue // openssl does not make such a signature
				}
				data := openssl(t, signer, append([]string{"-md", digest}, more...)...)
				e, err := envelope.Open(data, nil)
				if !errors.Is(err, envelope.ErrSignature) || !strings.Contains(err.Error(), "SHA-256") {
					t.Errorf("%s, %s %v: %+v, %v, want ErrSignature that names SHA-256", kind, digest, more, e, err)
				}
			}
		}
	}
}

func TestSealWithoutKeyOrCertificate(t *testing.T) {
	a := (*authority)(nil).issue(t, "Vendor", "ecdsa", time.Now(), time.Now().Add(time.Hour))
	for name, s := range map[string]*envelope.Signer{
		"nil":            nil,
		"zero":           {},
		"no key":         {Certificate: a.cert},
		"no certificate": {Key: a.key},
	} {
		if data, err := s.Seal([]byte(content)); err == nil {
			t.Errorf("%s: Seal returned %d bytes and no error", name, len(data))
		}
	}
}

func TestSealIsOpenedByOpenSSL(t *testing.T) {
	now := time.Now()
	root := (*authority)(nil).issue(t, "Root", "rsa", now.Add(-time.Hour), now.Add(time.Hour))
	middle := root.issue(t, "Middle", "ecdsa", now.Add(-time.Hour), now.Add(time.Hour))
	for _, kind := range []string{"rsa", "ecdsa"} {
		leaf := middle.issue(t, "Leaf", kind, now.Add(-time.Hour), now.Add(time.Hour))
		signer := &envelope.Signer{Certificate: leaf.cert, Key: leaf.key, Chain: []*x509.Certificate{middle.cert}}
		data, err := signer.Seal([]byte(content))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, data := range map[string][]byte{
			"data":     data,
			"root.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw}),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		verify := "cms -verify -binary -inform DER -in data -CAfile root.pem -purpose any"
		cmd := exec.Command("openssl", strings.Fields(verify)...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil || string(out) != content {
			t.Errorf("%s: openssl = %q, %v, want %q", kind, out, err, content)
		}
		e, err := envelope.Open(data, &envelope.OpenOptions{Roots: pool(root.cert)})
		if err != nil || !e.Trusted || string(e.Content) != content {
			t.Errorf("%s: Open = %+v, %v, want a trusted signer and the content", kind, e, err)
		}
	}
}

func TestOpenRefusesOtherData(t *testing.T) {
	nested := bytes.Repeat([]byte{0x30, 0x80}, 5_000_000)
	many := append([]byte{0x30, 0x83, 0x98, 0x96, 0x80}, bytes.Repeat([]byte{5, 0}, 5_000_000)...)
	// The parser would take these for 10,000 levels around four megabytes.
	siblings := append(bytes.Repeat([]byte{0x30, 0x80, 0, 0}, 10_000), 4, 0x83, 0x40, 0, 0)
	siblings = append(append(siblings, make([]byte, 4<<20)...), make([]byte, 20_000)...)
	siblings = append(
		[]byte{0x30, 0x83, byte(len(siblings) >> 16), byte(len(siblings) >> 8), byte(len(siblings))},
		siblings...)
	deep := []byte{5, 0}
	for range 60 {
		deep = append([]byte{0x30, byte(len(deep))}, deep...)
	}
	for name, data := range map[string][]byte{
		"empty siblings":            siblings,
		"deep":                      deep,
		"a stray end-of-contents":   {0x30, 4, 0, 0, 5, 0},
		"nothing":                   nil,
		"JSON":                      []byte(content),
		"endless nesting":           nested,
		"millions of elements":      many,
		"a length beyond the end":   {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0},
		"an empty sequence":         {0x30, 0},
		"empty and indefinite":      {0x30, 0x80, 0, 0},
		"data after it":             {0x30, 0, 1},
		"a child beyond its parent": {0x30, 3, 4, 5, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := envelope.Open(data, nil)
			if !errors.Is(err, envelope.ErrFormat) && !errors.Is(err, envelope.ErrSignature) {
				t.Errorf("Open = %+v, %v, want ErrFormat or ErrSignature", e, err)
			}
			if name == "deep" && !strings.Contains(err.Error(), "nested") {
				t.Errorf("Open = %v, want an error about the nesting", err)
			}
		})
	}
}

// A key that would take minutes to verify is refused immediately.
func TestHugeKey(t *testing.T) {
	n := new(big.Int).Lsh(big.NewInt(1), 60_000)
	n.Add(n, big.NewInt(12345))
	ca := (*authority)(nil).issue(t, "Root", "ecdsa", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7),
		Subject:      pkix.Name{CommonName: "Huge"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &rsa.PublicKey{N: n, E: 1<<31 - 1}, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	small := newKey(t, "rsa")
	sealed, err := (&envelope.Signer{Certificate: cert, Key: small}).Seal([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := envelope.Open(sealed, nil); !errors.Is(err, envelope.ErrSigner) ||
		!strings.Contains(err.Error(), "60001 bits") {
		t.Errorf("Open = %v, want ErrSigner with the length of the key", err)
	}
}

// FuzzOpen checks that Open neither panics nor accepts an invalid signature.
func FuzzOpen(f *testing.F) {
	now := time.Now()
	a := (*authority)(nil).issue(f, "Fuzz", "ecdsa", now.Add(-time.Hour), now.Add(time.Hour))
	sealed, err := (&envelope.Signer{Certificate: a.cert, Key: a.key}).Seal([]byte(content))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 4, 1, 'x', 0, 0, 0, 0})
	trusted := &envelope.OpenOptions{Roots: pool(a.cert)}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e *envelope.Envelope
		var err error
		patchtest.Bounded(t, len(data), func() { e, err = envelope.Open(data, trusted) })
		if err == nil && string(e.Content) != content {
			t.Errorf("Open accepts forged content: %q", e.Content)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("the error has no message")
		}
	})
}
