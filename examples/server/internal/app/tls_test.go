package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
