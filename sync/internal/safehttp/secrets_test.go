package safehttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// No part of a URL that may be a secret is left, also of one that cannot be parsed.
func TestRedact(t *testing.T) {
	for _, c := range []struct{ name, url, want string }{
		{"nothing to hide", "https://example.com/jamf/v1", "https://example.com/jamf/v1"},
		{"a port", "https://example.com:8443/d.json", "https://example.com:8443/d.json"},
		{"an address", "https://[2001:db8::1]:8443/d.json", "https://[2001:db8::1]:8443/d.json"},
		{"an escaped path", "https://example.com/a%2Fb", "https://example.com/a%2Fb"},
		{"a query", "https://example.com/d?token=secret", "https://example.com/d"},
		{"an empty query", "https://example.com/d?", "https://example.com/d"},
		{"a fragment", "https://example.com/d#secret", "https://example.com/d"},
		{"a password", "https://user:secret@example.com/d", "https://example.com/d"},
		{"a user", "https://secret@example.com/d", "https://example.com/d"},
		{"all of them", "https://user:secret@example.com/d?secret#secret", "https://example.com/d"},
		{"a password with a slash", "https://user:se/secret@example.com/d", unreadable},
		{"a password with a question mark", "https://user:s?secret@example.com/d", unreadable},
		{"a password with a number sign", "https://user:s#secret@example.com/d", unreadable},
		{"two at signs", "https://user:s@secret@example.com/d", "https://example.com/d"},
		{"a bad escape", "https://user:secret%zz@example.com/d", unreadable},
		{"a bad port", "https://user:secret@example.com:port/d", unreadable},
		{"a control character", "https://user:secret@example.com/\n", unreadable},
		{"no scheme", "user:secret@example.com/d", unreadable},
		{"no slashes", "https:user:secret@example.com/d", unreadable},
		{"one slash", "https:/user:secret@example.com/d", unreadable},
		{"no host", "https://user:secret@/d", unreadable},
		{"no URL", "shelf", "shelf"},
		{"a path", "/srv/definitions@1", "/srv/definitions@1"},
		{"a path with a query", "/d?token=secret", "/d"},
		{"nothing", "", ""},
	} {
		got := Redact(c.url)
		if got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", c.name, c.url, got, c.want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s: the secret is left in %q", c.name, got)
		}
	}
}

// No error tells the secrets of a URL, be it the one that was asked for or one that it
// redirects to.
func TestErrorsHoldNoSecretOfAURL(t *testing.T) {
	answer := func(location string, err error) roundTripper {
		return func(r *http.Request) (*http.Response, error) {
			if err != nil {
				return nil, err
			}
			return &http.Response{
				StatusCode: 302,
				Header:     http.Header{"Location": {location}},
				Body:       http.NoBody,
				Request:    r,
			}, nil
		}
	}
	const asked = "https://example.com/d?secret"
	for _, c := range []struct {
		name, url string
		transport roundTripper
	}{
		{"a password", "https://user:secret@example.com/", nil},
		{"no URL", "https://user:secret@example.com:port/", nil},
		{"a private address", "http://127.0.0.1/?secret", nil},
		{"no connection", asked, answer("", errors.New("connection refused"))},
		{"a redirect with a password", asked, answer("https://user:secret@example.com/", nil)},
		{"a redirect to another scheme", asked, answer("ftp://example.com/?secret", nil)},
		{"a redirect to a private address", asked, answer("http://127.0.0.1/?secret", nil)},
		{"a redirect to no URL", asked, answer("https://user:secret@example.com:port/?secret", nil)},
		{"redirects without end", asked, answer(asked, nil)},
	} {
		client := New(&Options{Transport: c.transport})
		if _, err := client.Do(t.Context(), Request{URL: c.url}); err == nil ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Credentials reach the origin that they are for, and no other: not one that it
// redirects to, be it a subdomain or another port, which package http trusts.
func TestCredentialsStayWithTheirOrigin(t *testing.T) {
	const credentials = "Bearer hunter22"
	for _, c := range []struct {
		name, url, to string
		private       bool
		told          bool // whether the second request carries them
	}{
		{"the same host", "https://example.com/a", "https://example.com/b", false, true},
		{"its port written out", "https://example.com/a", "https://example.com:443/b", false, true},
		{"another host", "https://example.com/a", "https://other.example/b", false, false},
		{"a subdomain", "https://example.com/a", "https://sub.example.com/b", false, false},
		{"another port", "https://example.com/a", "https://example.com:8443/b", false, false},
		{"http in a lab", "http://example.com/a", "http://example.com/b", true, true},
		{"from http to https", "http://example.com/a", "https://example.com/b", true, false},
	} {
		var first, second string
		client := New(
			&Options{AllowPrivate: c.private, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}
				if r.URL.Path == "/a" {
					first = r.Header.Get("Authorization")
					res.StatusCode = 302
					res.Header.Set("Location", c.to)
				} else {
					second = r.Header.Get("Authorization")
				}
				return res, nil
			})},
		)
		if _, err := client.Do(t.Context(), Request{URL: c.url, Authorization: credentials}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if first != credentials || (second == credentials) != c.told || (second == "") == c.told {
			t.Errorf("%s: the origin is sent %q, and what it redirects to %q", c.name, first, second)
		}
	}
}

// After a redirect elsewhere, credentials are not sent again, even to their own host.
func TestCredentialsAreNotSentAfterADetour(t *testing.T) {
	var sent []string
	next := map[string]string{"/a": "https://other.example/b", "/b": "https://example.com/c"}
	client := New(&Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.Header.Get("Authorization"))
		res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}
		if to := next[r.URL.Path]; to != "" {
			res.StatusCode = 302
			res.Header.Set("Location", to)
		}
		return res, nil
	})})
	if _, err := client.Do(t.Context(), Request{URL: "https://example.com/a", Authorization: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(sent, ","); got != "x,," {
		t.Errorf("sent: %q", got)
	}
}

// Credentials that cannot be sent safely are not sent, and no error shows them.
func TestCredentialsThatAreRefused(t *testing.T) {
	var asked atomic.Int32
	client := New(&Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		return nil, errors.New("unreachable")
	})})
	for _, q := range []Request{
		{URL: "http://example.com/", Authorization: "Bearer secret"},
		{URL: "https://example.com/", Authorization: "Bearer secret\r\nX: y"},
	} {
		if _, err := client.Do(t.Context(), q); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", q.URL, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d requests", asked.Load())
	}
}

// Which resolver was asked is nobody's business, also where private networks are
// allowed; which option allows them is said where they are not.
func TestErrorsOfNames(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  func(context.Context, string, string) (net.Conn, error)
		private bool
		says    string
	}{
		{"a name that is not there", nil, true, "no such host"},
		{"no resolver", func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("dial udp 192.0.2.53:53: unreachable")
		}, true, "lookup"},
		{"a name that is not there, for strangers", nil, false, "--allow-private-networks"},
	} {
		resolver := nameServer(t, func(string) []string { return nil })
		if c.answer != nil {
			resolver.Dial = c.answer
		}
		client := New(&Options{AllowPrivate: c.private, Resolver: resolver})
		_, err := client.Do(t.Context(), Request{URL: "http://missing.example/"})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
			continue
		}
		if text := err.Error(); strings.Contains(text, "127.0.0.1") || strings.Contains(text, "192.0.2.53") {
			t.Errorf("%s: the resolver is told: %v", c.name, err)
		}
	}
	_, err := New(nil).Check("http://192.168.1.2/jamf/v1")
	if err == nil || !strings.Contains(err.Error(), "--allow-private-networks") {
		t.Errorf("a private address: %v", err)
	}
}
