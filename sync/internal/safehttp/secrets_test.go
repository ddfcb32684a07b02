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

// Redact leaves no part of a URL that may be a secret, not even of one that cannot be parsed.
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
		{"not a URL", "shelf", "shelf"},
		{"a path", "/srv/definitions@1", "/srv/definitions@1"},
		{"a path with a query", "/d?token=secret", "/d"},
		{"nothing", "", ""},
	} {
		got := Redact(c.url)
		if got != c.want {
			t.Errorf("%s: Redact(%q) = %q, want %q", c.name, c.url, got, c.want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s: %q contains the secret", c.name, got)
		}
	}
}

// No error contains the secrets of a URL, whether it was requested or is the target of a redirect.
func TestErrorsContainNoSecrets(t *testing.T) {
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
	const requested = "https://example.com/d?secret"
	for _, c := range []struct {
		name, url string
		transport roundTripper
	}{
		{"a password", "https://user:secret@example.com/", nil},
		{"an invalid URL", "https://user:secret@example.com:port/", nil},
		{"a private address", "http://127.0.0.1/?secret", nil},
		{"no connection", requested, answer("", errors.New("connection refused"))},
		{"a redirect with a password", requested, answer("https://user:secret@example.com/", nil)},
		{"a redirect to another scheme", requested, answer("ftp://example.com/?secret", nil)},
		{"a redirect to a private address", requested, answer("http://127.0.0.1/?secret", nil)},
		{"a redirect to an invalid URL", requested, answer("https://user:secret@example.com:port/?secret", nil)},
		{"endless redirects", requested, answer(requested, nil)},
	} {
		client := New(&Options{Transport: c.transport})
		if _, err := client.Do(t.Context(), Request{URL: c.url}); err == nil ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Credentials are sent to their origin only, and not after a redirect to a subdomain or to another port, which package
// http would trust.
func TestCredentialsStayWithTheirOrigin(t *testing.T) {
	const credentials = "Bearer hunter22"
	for _, c := range []struct {
		name, url, to string
		private       bool
		kept          bool // whether the second request has them
	}{
		{"the same host", "https://example.com/a", "https://example.com/b", false, true},
		{"an explicit port", "https://example.com/a", "https://example.com:443/b", false, true},
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
		if first != credentials || (second == credentials) != c.kept || (second == "") == c.kept {
			t.Errorf("%s: the origin got %q, and the target of the redirect %q", c.name, first, second)
		}
	}
}

// After a redirect to another host, credentials are not sent again, not even to their own host.
func TestCredentialsAfterARedirectBack(t *testing.T) {
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
		t.Errorf("the requests had the credentials %q", got)
	}
}

// Credentials that cannot be sent safely are not sent, and no error contains them.
func TestCredentialsThatAreRefused(t *testing.T) {
	var requests atomic.Int32
	client := New(&Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		requests.Add(1)
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
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// An error never contains the address of the resolver. Where private networks are not permitted, it names the option
// that permits them.
func TestErrorsOfLookups(t *testing.T) {
	for _, c := range []struct {
		name    string
		answer  func(context.Context, string, string) (net.Conn, error)
		private bool
		says    string
	}{
		{"a missing name", nil, true, "no such host"},
		{"no resolver", func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("dial udp 192.0.2.53:53: unreachable")
		}, true, "lookup"},
		{"a missing name, without private networks", nil, false, "does not exist, or has no public address: check " +
			"the name; private networks need --allow-private-networks"},
	} {
		resolver := newResolver(t, func(string) []string { return nil })
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
			t.Errorf("%s: the error names the resolver: %v", c.name, err)
		}
	}
	_, err := New(nil).Check("http://192.168.1.2/jamf/v1")
	const want = "the address is not allowed: it is not public; private networks need --allow-private-networks"
	if err == nil || err.Error() != want {
		t.Errorf("a private address: %v, want %s", err, want)
	}
}
