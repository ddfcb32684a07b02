package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed certificate for this machine, and writes it and its key to files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test of patchsource"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// trusting returns a client that trusts a certificate.
func trusting(t *testing.T, certFile string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	data, err := os.ReadFile(certFile)
	if err != nil || !pool.AppendCertsFromPEM(data) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestTLS(t *testing.T) {
	certFile, keyFile := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", certFile, "--tls-key", keyFile)
	client := trusting(t, certFile)
	res, err := client.Get(p.url + "/jamf/v1/software")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(p.url, "https://") {
		t.Errorf("%s: got status %d", p.url, res.StatusCode)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	res, err = client.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkExpiry(t, string(text), pair.Leaf.NotAfter)
}

// checkExpiry checks the time in the metrics at which the certificate expires.
func checkExpiry(t *testing.T, text string, want time.Time) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^patchsource_certificate_expiry_timestamp_seconds (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the metrics do not have the time:\n%s", text)
	}
	if got, err := strconv.ParseFloat(m[1], 64); err != nil || int64(got) != want.Unix() {
		t.Errorf("the certificate expires at %s, want %d (%v)", m[1], want.Unix(), err)
	}
}

// The time is that of the certificate that expires first, once there is one for each name.
func TestExpiries(t *testing.T) {
	var e expiries
	names := []string{"a", "b"}
	at := func(unix int64) *tls.Certificate {
		return &tls.Certificate{Leaf: &x509.Certificate{NotAfter: time.Unix(unix, 0)}}
	}
	e.record("a", at(20))
	e.record("b", &tls.Certificate{})
	if got := e.earliest(names); got != 0 {
		t.Errorf("without the second certificate: got %v", got)
	}
	e.record("b", at(10))
	if got := e.earliest(names); got != 10 {
		t.Errorf("got %v, want 10", got)
	}
	e.record("b", at(30))
	if got := e.earliest(names); got != 20 {
		t.Errorf("after a renewal: got %v, want 20", got)
	}
}

// The server sends Strict-Transport-Security over its own TLS, and not without TLS.
func TestStrictTransportSecurity(t *testing.T) {
	const header = "Strict-Transport-Security"
	certFile, keyFile := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", certFile, "--tls-key", keyFile)
	client := trusting(t, certFile)
	for _, path := range []string{"/", "/jamf/v1/software", "/jamf/v1/patch/nope", "/healthz", "/docs"} {
		res, err := client.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get(header); got != "max-age=63072000" {
			t.Errorf("%s: got %q", path, got)
		}
	}
	plain := start(t, t.TempDir())
	res, err := http.Get(plain.url + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get(header); got != "" {
		t.Errorf("without TLS: got %q", got)
	}
}
