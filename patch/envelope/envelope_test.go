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

// What a search for the end of the JSON would stumble over stands in it.
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

// issue makes a certificate, of its own when there is no authority above it.
func (a *authority) issue(t testing.TB, name, kind string, from, to time.Time) *authority {
	t.Helper()
	key := newKey(t, kind)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	// The name has in it what ends a definition.
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

// openssl makes an envelope as other sources do.
func openssl(t *testing.T, a *authority, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is missing, which other sources make envelopes with: install it")
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
	cmd := exec.Command(
		"openssl",
		append(
			[]string{
				"cms",
				"-sign",
				"-binary",
				"-nodetach",
				"-in",
				"in.json",
				"-signer",
				"cert.pem",
				"-inkey",
				"key.pem",
				"-outform",
				"DER",
				"-out",
				"out",
			},
			args...)...)
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
	for _, c := range []struct {
		name            string
		signer          *authority
		args            []string
		opts            *envelope.OpenOptions
		err             error
		expired, proven bool
	}{
		{"DER, RSA", root.issue(t, "Vendor", "rsa", old, soon), nil, nil, nil, false, false},
		{"BER with indefinite lengths", root.issue(t, "Vendor", "rsa", old, soon), []string{"-stream"}, nil, nil, false, false},
		{"ECDSA", root.issue(t, "Vendor", "ecdsa", old, soon), nil, nil, nil, false, false},
		{"without attributes", root.issue(t, "Vendor", "rsa", old, soon), []string{"-noattr"}, nil, nil, false, false},
		{"SHA-512", root.issue(t, "Vendor", "rsa", old, soon), []string{"-md", "sha512"}, nil, nil, false, false},
		{"trusted", root.issue(t, "Vendor", "rsa", old, soon), nil, &envelope.OpenOptions{Roots: pool(root.cert)}, nil, false, true},
		{"trusted, BER", root.issue(t, "Vendor", "rsa", old, soon), []string{"-stream"}, &envelope.OpenOptions{Roots: pool(root.cert)}, nil, false, true},
		{"of somebody else", (*authority)(nil).issue(t, "Root", "ecdsa", old, soon), nil, &envelope.OpenOptions{Roots: pool(root.cert)}, envelope.ErrSigner, false, false},
		{"expired", root.issue(t, "Vendor", "rsa", old, now.Add(-time.Hour)), nil, nil, nil, true, false},
		{"expired and trusted", root.issue(t, "Vendor", "rsa", old, now.Add(-time.Hour)), nil, &envelope.OpenOptions{Roots: pool(root.cert)}, nil, true, true},
		{"expired and of somebody else", (*authority)(nil).issue(t, "X", "rsa", old, now.Add(-time.Hour)), nil, &envelope.OpenOptions{Roots: pool(root.cert)}, envelope.ErrSigner, true, false},
		{"expired, and that is refused", root.issue(t, "Vendor", "rsa", old, now.Add(-time.Hour)), nil, &envelope.OpenOptions{RefuseExpired: true}, envelope.ErrSigner, true, false},
		{"expires later", root.issue(t, "Vendor", "rsa", old, soon), nil, &envelope.OpenOptions{Roots: pool(root.cert), Now: soon.Add(time.Hour)}, nil, true, true},
		{"without the certificate", root.issue(t, "Vendor", "rsa", old, soon), []string{"-nocerts"}, nil, envelope.ErrSignature, false, false},
		{"too large", root.issue(t, "Vendor", "rsa", old, soon), nil, &envelope.OpenOptions{MaxBytes: 100}, patch.ErrTooLarge, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := openssl(t, c.signer, c.args...)
			if !envelope.Is(data) {
				t.Error("it is not seen to be an envelope")
			}
			e, err := envelope.Open(data, c.opts)
			if !errors.Is(err, c.err) {
				t.Fatalf("%v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if string(e.Content) != content || !e.Signer.Equal(c.signer.cert) || e.Expired != c.expired ||
				e.Trusted != c.proven {
				t.Errorf("%q, of %s, expired %v, trusted %v", e.Content, e.Signer.Subject, e.Expired, e.Trusted)
			}
			// One byte of what is signed changed: not the same signature.
			forged := bytes.Replace(data, []byte("Firefox"), []byte("Firefux"), 1)
			if _, err := envelope.Open(forged, c.opts); !errors.Is(err, envelope.ErrSignature) {
				t.Errorf("forged: %v, want ErrSignature", err)
			}
		})
	}
}

// Signatures of digests that can be forged are refused, whatever the key.
func TestOpenRefusesWeakDigests(t *testing.T) {
	now := time.Now()
	for _, kind := range []string{"rsa", "ecdsa"} {
		signer := (*authority)(nil).issue(t, "Vendor", kind, now.Add(-time.Hour), now.Add(time.Hour))
		for _, digest := range []string{"sha1", "md5"} {
			for _, more := range [][]string{nil, {"-noattr"}} {
				if kind == "ecdsa" && digest == "md5" {
					continue // which openssl does not make
				}
				data := openssl(t, signer, append([]string{"-md", digest}, more...)...)
				e, err := envelope.Open(data, nil)
				if !errors.Is(err, envelope.ErrSignature) || !strings.Contains(err.Error(), "SHA-256") {
					t.Errorf("%s, %s %v: %+v, %v", kind, digest, more, e, err)
				}
			}
		}
	}
}

func TestSealWithoutKeyOrCertificate(t *testing.T) {
	a := (*authority)(nil).issue(t, "Vendor", "ecdsa", time.Now(), time.Now().Add(time.Hour))
	for name, s := range map[string]*envelope.Signer{
		"zero":           {},
		"no key":         {Certificate: a.cert},
		"no certificate": {Key: a.key},
	} {
		if data, err := s.Seal([]byte(content)); err == nil {
			t.Errorf("%s: sealed %d bytes", name, len(data))
		}
	}
}

func TestSealIsOpenedByOpenSSL(t *testing.T) {
	now := time.Now()
	root := (*authority)(nil).issue(t, "Root", "rsa", now.Add(-time.Hour), now.Add(time.Hour))
	middle := root.issue(t, "Middle", "ecdsa", now.Add(-time.Hour), now.Add(time.Hour))
	for _, kind := range []string{"rsa", "ecdsa"} {
		leaf := middle.issue(t, "Leaf", kind, now.Add(-time.Hour), now.Add(time.Hour))
		data, err := (&envelope.Signer{Certificate: leaf.cert, Key: leaf.key, Chain: []*x509.Certificate{middle.cert}}).Seal(
			[]byte(content),
		)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, data := range map[string][]byte{"data": data, "root.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.cert.Raw})} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(
			"openssl",
			"cms",
			"-verify",
			"-binary",
			"-inform",
			"DER",
			"-in",
			"data",
			"-CAfile",
			"root.pem",
			"-purpose",
			"any",
		)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil || string(out) != content {
			t.Errorf("%s: openssl read %q, %v", kind, out, err)
		}
		e, err := envelope.Open(data, &envelope.OpenOptions{Roots: pool(root.cert)})
		if err != nil || !e.Trusted || string(e.Content) != content {
			t.Errorf("%s: %+v, %v", kind, e, err)
		}
	}
}

func TestOpenRefusesWhatIsNone(t *testing.T) {
	nested := bytes.Repeat([]byte{0x30, 0x80}, 5_000_000)
	many := append([]byte{0x30, 0x83, 0x98, 0x96, 0x80}, bytes.Repeat([]byte{5, 0}, 5_000_000)...)
	// What the parser would take for 10,000 levels around four megabytes.
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
		"empty siblings":          siblings,
		"deep":                    deep,
		"an end of nothing":       {0x30, 4, 0, 0, 5, 0},
		"nothing":                 nil,
		"JSON":                    []byte(content),
		"nested without end":      nested,
		"millions of elements":    many,
		"a length beyond it":      {0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0},
		"an empty sequence":       {0x30, 0},
		"empty and indefinite":    {0x30, 0x80, 0, 0},
		"more after it":           {0x30, 0, 1},
		"a child that sticks out": {0x30, 3, 4, 5, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := envelope.Open(data, nil)
			if !errors.Is(err, envelope.ErrFormat) && !errors.Is(err, envelope.ErrSignature) {
				t.Errorf("%+v, %v", e, err)
			}
			if name == "deep" && !strings.Contains(err.Error(), "nested") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A key that would take minutes to check is refused at once.
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
		t.Errorf("%v", err)
	}
}

// Whatever comes from outside, Open neither panics nor takes a signature for good
// that is not.
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
			t.Errorf("forged: %q", e.Content)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("an error that says nothing")
		}
	})
}
