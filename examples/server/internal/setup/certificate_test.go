package setup

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/server/internal/doctor"
	"github.com/patchsource/patchsource/httpapi/webui"
)

func TestCertificate(t *testing.T) {
	source := newSource(t, "App")
	issuer, roots := newAuthority(t)
	served := func(c tls.Certificate) string { return serveTLS(t, source, c) }
	until := func(end time.Duration) string {
		return served(issuer.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(end) }))
	}
	redirecting := http.RedirectHandler("https://elsewhere.example/", http.StatusMovedPermanently)
	day := time.Now().Add(90*24*time.Hour + time.Hour).UTC().Format(time.DateOnly)
	for _, test := range []struct {
		name, base string
		state      webui.SetupState
		texts      []string
	}{
		{"no base URL", "", webui.SetupTodo, []string{"begin with the address"}},
		{
			"trusted", served(issuer.issue(t, nil)), webui.SetupDone,
			[]string{"trusted", "TLS 1.3", "Issued by: CN=Test authority", "Expires: " + day + " (in 90 days)",
				"Issued for: 127.0.0.1"},
		},
		{"expires soon", until(24*time.Hour + time.Minute), webui.SetupWarning, []string{"renew it", "(in 1 day)"}},
		{"expired", until(-time.Hour), webui.SetupFailed, []string{"expired on", "(expired)", "reverse proxy"}},
		{
			"self-signed", served((*authority)(nil).issue(t, nil)), webui.SetupFailed,
			[]string{"self-signed", "Issued by: itself", "--tls-cert"},
		},
		{
			"for another host", served(issuer.issue(t, func(c *x509.Certificate) {
				c.IPAddresses, c.DNSNames = nil, []string{"other.example.com"}
			})), webui.SetupFailed, []string{"not for host", "other.example.com"},
		},
		{
			"a redirect", serveTLS(t, redirecting, issuer.issue(t, nil)), webui.SetupFailed,
			[]string{"does not follow redirects"},
		},
		{"not reachable", "https" + strings.TrimPrefix(unused(t), "http"), webui.SetupFailed, []string{"refused"}},
		{"no HTTPS", serve(t, source), webui.SetupWarning, []string{"not encrypted", "lab machine", "--tls-cert"}},
		{"no HTTPS, with a redirect", serve(t, redirecting), webui.SetupFailed, []string{"does not follow redirects"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := check(t, Config{BaseURL: test.base, Doctor: doctor.Options{Roots: roots}}, "certificate",
				webui.SetupVisit{})
			want(t, f, test.state, test.texts...)
			if strings.Contains(words(f), "--ca") {
				t.Errorf("the finding names a flag of another command: %s", words(f))
			}
		})
	}
}

// What is known of the certificate without a check, and what is suggested.
func TestCertificateSettings(t *testing.T) {
	refused := serveTLS(t, http.NotFoundHandler(), (*authority)(nil).issue(t, nil))
	for certificate, text := range map[string]string{
		"--acme":              "its log says why",
		"--tls-cert cert.pem": "add it to the authorities of this machine",
	} {
		f := check(t, Config{BaseURL: refused, Certificate: certificate}, "certificate", webui.SetupVisit{})
		want(t, f, webui.SetupFailed, text)
	}
	for _, test := range []struct {
		name string
		c    Config
		text string
	}{
		{"nothing", Config{}, "no server yet"},
		{"a proxy", Config{BaseURL: "https://patches.example.com"}, "a reverse proxy"},
		{"a file", Config{BaseURL: "https://patches.example.com", Certificate: "--tls-cert cert.pem"}, "cert.pem"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := stepOf(t, New(test.c), "certificate").Look(webui.SetupVisit{})
			want(t, f, webui.SetupTodo, test.text)
		})
	}
	named := &steps{Config: Config{BaseURL: "http://patches.example.com"}}
	want(t, named.unencrypted(), webui.SetupWarning, "--acme patches.example.com",
		"PATCHSOURCE_ACME=patches.example.com")
	named.Certificate = "--acme"
	want(t, named.unencrypted(), webui.SetupWarning, "--base-url https://patches.example.com")
}
