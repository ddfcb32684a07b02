package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Our own server is sound, with and without signatures.
func TestSound(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		r := examine(t, start(t, newSource(t, nil, 60)), &Options{All: true})
		expectSound(t, r)
		if r.Titles != 60 || r.Examined != 60 {
			t.Errorf("%d titles and %d definitions, want 60", r.Titles, r.Examined)
		}
	})
	t.Run("signed", func(t *testing.T) {
		r := examine(t, start(t, newSource(t, newSigner(t, nil), 3)), nil)
		expectSound(t, r)
		expect(t, r, CheckSignature, OK)
	})
	t.Run("TLS", func(t *testing.T) {
		authority, roots := issueAuthority(t)
		address := startTLS(t, newSource(t, nil, 2), issue(t, authority, nil), 0)
		r := examine(t, address, &Options{Roots: roots})
		expectSound(t, r)
		expect(t, r, CheckCertificate, OK)
	})
}

// Addresses are understood as administrators type them.
func TestAddresses(t *testing.T) {
	feed := start(t, newSource(t, nil, 1))
	host := strings.TrimSuffix(strings.TrimPrefix(feed, "http://"), "/jamf/v1")
	for _, c := range []struct {
		typed    string
		severity Severity
	}{
		{feed, OK},
		{feed + "/", OK},
		{host + "/jamf/v1", OK},
		{host + "/jamf/v1//", OK},
		{" " + strings.ToUpper(feed[:4]) + feed[4:] + " ", OK},
		{host, Warning},
		{host + "/", Warning},
		{"http://" + host, Warning},
		{feed + "/software", Warning},
		{feed + "/software/", Warning},
	} {
		t.Run(c.typed, func(t *testing.T) {
			r := examine(t, c.typed, nil)
			expect(t, r, CheckAddress, c.severity)
			if r.URL != feed || r.Count(Error) > 0 {
				t.Errorf("%s: %+v", r.URL, r.Findings)
			}
		})
	}
}

// Addresses that cannot be examined are refused.
func TestInvalidAddresses(t *testing.T) {
	for _, typed := range []string{
		"", "https://", "ftp://host", "https://user:password@host", "https://host/?q=1", "https://host/#x",
		"http://a b/",
		"http://host:port/",
	} {
		if r, err := Examine(context.Background(), typed, nil); err == nil {
			t.Errorf("%q: %+v", typed, r)
		} else if strings.Contains(err.Error(), "password") {
			t.Errorf("%q: the error shows the password: %v", typed, err)
		}
	}
}

// The instructions name what to type into Jamf Pro.
func TestInstructions(t *testing.T) {
	for base, want := range map[string]string{
		"https://a.example/jamf/v1": "in Jamf Pro, Server is a.example/jamf/v1, Port is 443, Use SSL is on",
		"http://a.example":          "in Jamf Pro, Server is a.example, Port is 80, Use SSL is off",
		"http://[::1]:8080/x":       "in Jamf Pro, Server is [::1]/x, Port is 8080, Use SSL is off",
	} {
		if got := instructions(base); got != want {
			t.Errorf("%s: %s, want %s", base, got, want)
		}
	}
}

// A source that cannot be reached is found as such.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := examine(t, address, nil)
	expect(t, r, CheckConnect, Error)
	if r.Reached {
		t.Error("the source is reached")
	}
}

// The end of the context and of the time end the examination.
func TestInterrupted(t *testing.T) {
	address := start(t, newSource(t, nil, 1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Examine(ctx, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, r, CheckComplete, Error, CheckConnect)
	r = examine(t, address, &Options{Timeout: time.Nanosecond})
	expect(t, r, CheckComplete, Error, CheckConnect)
}

// Problems of TLS are named.
func TestTLS(t *testing.T) {
	authority, roots := issueAuthority(t)
	valid := issue(t, authority, nil)
	for _, c := range []struct {
		name, check string
		severity    Severity
		certificate *certificate
		maxVersion  uint16
		want        string
	}{
		{"self-signed", CheckCertificate, Error, issue(t, nil, nil), 0, "self-signed"},
		{"expired", CheckCertificate, Error, issue(t, authority, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
		}), 0, "expired on"},
		{"not valid yet", CheckCertificate, Error, issue(t, authority, func(c *x509.Certificate) {
			c.NotBefore = time.Now().Add(time.Hour)
		}), 0, "not valid before"},
		{"wrong host", CheckCertificate, Error, issue(t, authority, func(c *x509.Certificate) {
			c.IPAddresses, c.DNSNames = nil, []string{"other.example.com"}
		}), 0, `but for "other.example.com"`},
		{"expires soon", CheckCertificate, Warning, issue(t, authority, func(c *x509.Certificate) {
			c.NotAfter = time.Now().Add(expirySoon - time.Hour)
		}), 0, "expires on"},
		{"old version", CheckTLSVersion, Error, valid, tls.VersionTLS11, "TLS 1.1"},
		{"oldest version", CheckTLSVersion, Error, valid, tls.VersionTLS10, "TLS 1.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := startTLS(t, newSource(t, nil, 1), c.certificate, c.maxVersion)
			for _, typed := range []string{address, strings.TrimPrefix(address, "https://")} {
				r := examine(t, typed, &Options{Roots: roots})
				expect(t, r, c.check, c.severity)
				if !r.Reached || !strings.Contains(messages(r), c.want) {
					t.Errorf("%+v lacks %q", r, c.want)
				}
			}
		})
	}
	t.Run("unknown authority", func(t *testing.T) {
		address := startTLS(t, newSource(t, nil, 1), valid, 0)
		r := examine(t, address, &Options{Roots: x509.NewCertPool()})
		expect(t, r, CheckCertificate, Error)
		if !strings.Contains(messages(r), "Test authority") {
			t.Errorf("%+v does not name the authority", r)
		}
	})
}

// A server that demands client certificates is found as such, and is not asked without TLS.
func TestClientCertificate(t *testing.T) {
	authority, roots := issueAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := newTLSSource(t, newSource(t, nil, 1), issue(t, authority, nil), version)
		s.TLS.ClientAuth = tls.RequireAnyClientCert
		s.StartTLS()
		r := examine(t, strings.TrimPrefix(s.URL, "https://")+"/jamf/v1", &Options{Roots: roots})
		expect(t, r, CheckTLSVersion, Error)
		if !r.Reached {
			t.Error("the source is not reached")
		}
	}
}

// A scheme that is not the server's is found as such.
func TestWrongScheme(t *testing.T) {
	plain := start(t, newSource(t, nil, 1))
	r := examine(t, "https"+strings.TrimPrefix(plain, "http"), nil)
	expect(t, r, CheckConnect, Error)
	if !strings.Contains(messages(r), "does not encrypt") {
		t.Errorf("%+v", r)
	}
	encrypted := startTLS(t, newSource(t, nil, 1), issue(t, nil, nil), 0)
	r = examine(t, "http"+strings.TrimPrefix(encrypted, "https"), nil)
	expect(t, r, CheckAddress, Warning, CheckStatus)
}

// A transport of the caller is used.
func TestTransport(t *testing.T) {
	source := newSource(t, nil, 1)
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		recorder := httptest.NewRecorder()
		source.ServeHTTP(recorder, r)
		return recorder.Result(), nil
	})
	r := examine(t, "http://patches.example.com/jamf/v1", &Options{Transport: transport})
	expect(t, r, CheckCertificate, Warning) // it is not encrypted
}

// A roundTripper is a function that answers requests.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// messages returns the messages of all findings.
func messages(r *Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Message)
	}
	return strings.Join(all, "\n")
}
