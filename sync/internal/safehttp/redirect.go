package safehttp

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// checkedLocation is a transport that refuses redirects to an invalid URL, because the error of package http would
// contain that URL.
type checkedLocation struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (t checkedLocation) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err != nil || res.StatusCode < 300 || res.StatusCode > 399 {
		return res, err
	}
	if _, err := url.Parse(res.Header.Get("Location")); err != nil {
		_ = res.Body.Close()
		return nil, errors.New("the server redirects to an invalid URL")
	}
	return res, nil
}

// CloseIdleConnections closes the idle connections of the transport inside, for [http.Client].
func (t checkedLocation) CloseIdleConnections() {
	if closer, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// checkRedirect is the CheckRedirect function of an [http.Client].
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer") // the URL that redirects may be a secret of the administrator
	if slices.ContainsFunc(via, func(v *http.Request) bool { return !sameOrigin(v.URL, r.URL) }) {
		r.Header.Del("Authorization") // package http would send it to subdomains and other ports
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("the server redirects more than %d times", maxRedirects)
	}
	if _, err := c.Check(r.URL.String()); err != nil {
		return fmt.Errorf("the server redirects to %s: %w", Redact(r.URL.String()), err)
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme == "http" {
		return fmt.Errorf("the server redirects from https to http: %w", ErrRefused)
	}
	return nil
}

// sameOrigin reports whether two URLs have the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

// portOf returns the port of a URL whose scheme is http or https.
func portOf(u *url.URL) string {
	if u.Port() == "" && u.Scheme == "https" {
		return "443"
	}
	return cmp.Or(u.Port(), "80")
}
