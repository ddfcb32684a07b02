package app

import (
	"net/http"
	"strings"
	"testing"
)

// fetch asks for a path as a client that accepts a type, and returns the answer's status and type.
func (p *process) fetch(method, path, accept string) (status int, contentType string, header http.Header) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	contentType, _, _ = strings.Cut(res.Header.Get("Content-Type"), ";")
	return res.StatusCode, contentType, res.Header
}

// Over its own TLS, the server has browsers stay with TLS; without, it says nothing of it.
func TestStrictTransportSecurity(t *testing.T) {
	certFile, keyFile := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", certFile, "--tls-key", keyFile)
	client := trusting(t, certFile)
	for _, path := range []string{"/", "/jamf/v1/software", "/jamf/v1/patch/nope", "/healthz", "/docs"} {
		res, err := client.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("%s: %q", path, got)
		}
	}
	plain := start(t, t.TempDir())
	if _, _, header := plain.fetch("GET", "/", "text/html"); header.Get("Strict-Transport-Security") != "" {
		t.Errorf("without TLS: %v", header)
	}
}
