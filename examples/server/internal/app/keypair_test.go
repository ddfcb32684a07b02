package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A changed certificate is loaded again. A pair that cannot be used is logged once, and the last good one stays.
func TestReloadKeyPair(t *testing.T) {
	certFile, keyFile := certificate(t)
	var log bytes.Buffer
	p, err := loadKeyPair(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	p.now = func() time.Time { return now }
	serial := func() string {
		t.Helper()
		cert, err := p.certificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(cert.Leaf.Signature)
	}
	later := func() { now = now.Add(keyPairInterval) }
	install := func(from, to string) {
		t.Helper()
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		temporary := filepath.Join(t.TempDir(), "new")
		writeFile(t, temporary, string(data))
		if err := os.Rename(temporary, to); err != nil {
			t.Fatal(err)
		}
	}
	first := serial()
	later()
	if serial() != first || log.Len() > 0 {
		t.Errorf("the certificate changed although the files did not: %s", &log)
	}
	newCert, newKey := certificate(t)
	install(newCert, certFile) // without its key
	for range 3 {
		later()
		if serial() != first {
			t.Error("a certificate without its key is used")
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("got %d log lines, want one: %s", n, &log)
	}
	install(newKey, keyFile)
	later()
	second := serial()
	if second == first || !strings.Contains(log.String(), "loaded a new certificate") {
		t.Errorf("the new certificate is not used: %s", &log)
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	later()
	if serial() != second {
		t.Error("the certificate changed when its file was removed")
	}
	log.Reset()
	install(newCert, certFile)
	later()
	if serial() != second || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the file is back: %s", &log)
	}
}
