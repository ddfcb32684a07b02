// Package safehttp is the HTTP client that goes out into the world to places that
// strangers name: to fetch definitions, and to deliver events.
//
//   - It connects to public addresses only. What counts is the address that is
//     connected to, after the name was resolved, on every redirect and every
//     retry, so that a name that answers differently the second time gains
//     nothing.
//   - Everything is bounded: time in all, redirects, the size of headers and of
//     the body, before it is decompressed and after.
//   - It is polite: few requests to one host at a time, connections that are used
//     again, a User-Agent that says who asks.
//
// What it says of an address does not tell a stranger what a name means inside
// the operator's network.
package safehttp

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"code.dny.dev/ssrf"
)

var (
	// ErrRefused is a URL, or an address, that this client does not go to.
	ErrRefused = errors.New("this address is not allowed")
	// ErrTooLarge is an answer that is larger than is read.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrSlow is an answer that did not come, or did not end, in time.
	ErrSlow = errors.New("the answer took too long")
)

const (
	defaultTimeout  = 10 * time.Second
	defaultMaxBytes = 10 << 20
	defaultPerHost  = 4
	defaultTotal    = 64
	maxRedirects    = 5
	maxHeaderBytes  = 64 << 10
	idleTimeout     = 90 * time.Second
)

// Options are options of [New]. Nil means the zero value.
type Options struct {
	// AllowPrivate goes to private networks and this machine too, as a lab needs
	// it; never to link-local addresses, where clouds keep their metadata.
	AllowPrivate bool
	// Timeout bounds a request in all, from the connection to the last byte. 0:
	// 10 s.
	Timeout time.Duration
	// MaxBytes bounds a body, before it is decompressed and after. 0: 10 MiB.
	MaxBytes int64
	// PerHost and Total bound the requests under way. 0: 4 and 64.
	PerHost, Total int
	// UserAgent says who asks.
	UserAgent string
	// KeepRedirects answers with a redirect instead of following it: what is
	// POSTed must not become a GET of something else.
	KeepRedirects bool
	// Insecure takes any certificate for good.
	Insecure bool
	// Transport, if not nil, takes the place of the one that minds addresses.
	Transport http.RoundTripper
	// Resolver resolves names. Nil: the system's.
	Resolver *net.Resolver

	allow []netip.Prefix // taken for public, in tests
}

// A Client goes out. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	guard     *ssrf.Guardian
	private   bool // names that are always private are allowed
	timeout   time.Duration
	maxBytes  int64
	limits    *limits
	userAgent string
}

// New returns a Client.
func New(opts *Options) *Client {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.AllowPrivate {
		o.allow = append(o.allow, privateNetworks()...)
	}
	c := &Client{
		guard:     guardian(o.allow),
		private:   o.AllowPrivate,
		timeout:   o.Timeout,
		maxBytes:  o.MaxBytes,
		userAgent: o.UserAgent,
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	if c.maxBytes == 0 {
		c.maxBytes = defaultMaxBytes
	}
	if o.PerHost == 0 {
		o.PerHost = defaultPerHost
	}
	if o.Total == 0 {
		o.Total = defaultTotal
	}
	c.limits = newLimits(o.PerHost, o.Total)
	transport := o.Transport
	if transport == nil {
		dialer := &net.Dialer{Timeout: c.timeout, KeepAlive: 30 * time.Second, Control: c.control, Resolver: o.Resolver}
		transport = &http.Transport{
			Proxy:                  nil, // a proxy would connect to what we do not see
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // done here, with bounds
			MaxIdleConns:           2 * o.Total,
			MaxIdleConnsPerHost:    o.PerHost,
			IdleConnTimeout:        idleTimeout,
			TLSHandshakeTimeout:    c.timeout,
			MaxResponseHeaderBytes: maxHeaderBytes,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure},
		}
	}
	c.http = &http.Client{Transport: checkedLocation{transport}, CheckRedirect: c.checkRedirect}
	if o.KeepRedirects {
		c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return c
}

// control judges an address before it is connected to.
func (c *Client) control(network, address string, conn syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if err := c.judge(to.Addr()); err != nil {
		return err
	}
	return c.guard.Safe(network, address, conn)
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// checkedLocation is a transport that refuses redirects to what is no URL, because the
// error of package http would show the whole of it.
type checkedLocation struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t checkedLocation) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.RoundTripper.RoundTrip(r)
	if err != nil || res.StatusCode < 300 || res.StatusCode > 399 {
		return res, err
	}
	if _, err := url.Parse(res.Header.Get("Location")); err != nil {
		_ = res.Body.Close()
		return nil, errors.New("it redirects to an unreadable URL")
	}
	return res, nil
}

// CloseIdleConnections has those of the transport closed, for [http.Client].
func (t checkedLocation) CloseIdleConnections() {
	if closer, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer") // the URL before may be a secret of the operator's
	if slices.ContainsFunc(via, func(v *http.Request) bool { return !sameOrigin(v.URL, r.URL) }) {
		r.Header.Del("Authorization") // package http would send it to subdomains and other ports
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	if _, err := c.Check(r.URL.String()); err != nil {
		return fmt.Errorf("it redirects to %s: %w", Redact(r.URL.String()), err)
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme == "http" {
		return fmt.Errorf("it redirects from https to http: %w", ErrRefused)
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

// A Request is what is asked for.
type Request struct {
	Method string // empty: GET
	URL    string
	Header http.Header
	Body   []byte
	// Authorization, if not empty, is the value of the header of that name. It is
	// sent to the origin of URL alone, and only over https unless private networks
	// are allowed.
	Authorization string
	// IgnoreBody does not read the answer's body: its status says enough.
	IgnoreBody bool
}

// A Response is what was answered.
type Response struct {
	Status int
	Header http.Header
	// Body is what was sent, decompressed.
	Body []byte
	// Wire is how many bytes of it were sent.
	Wire int64
}

// Do sends a request, when it is its turn, and reads the answer whole; an answer
// of whatever status is no error.
//
// The error is [ErrRefused], [ErrTooLarge], [ErrSlow], that of ctx, or of the
// network.
func (c *Client) Do(ctx context.Context, q Request) (*Response, error) {
	u, err := c.Check(q.URL)
	if err != nil {
		return nil, err
	}
	if q.Authorization != "" {
		if u.Scheme != "https" && !c.private {
			return nil, fmt.Errorf(
				"%w: credentials are sent over https only: follow the source by https://",
				ErrRefused,
			)
		}
		if strings.ContainsFunc(q.Authorization, unicode.IsControl) {
			return nil, errors.New(
				"the credentials are no value of an Authorization header: they must be one line of text",
			)
		}
	}
	leave, err := c.limits.enter(ctx, strings.ToLower(u.Host))
	if err != nil {
		return nil, err
	}
	defer leave()
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.send(limited, q)
	switch {
	case err == nil:
		return res, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, fmt.Errorf("%w: more than %v", ErrSlow, c.timeout)
	}
	return nil, c.tellable(err)
}

func (c *Client) send(ctx context.Context, q Request) (*Response, error) {
	var body io.Reader
	if q.Body != nil {
		body = bytes.NewReader(q.Body)
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URL, body)
	if err != nil {
		return nil, err
	}
	for k, v := range q.Header {
		r.Header[k] = v
	}
	if q.Authorization != "" {
		r.Header.Set("Authorization", q.Authorization)
	}
	r.Header.Set("User-Agent", c.userAgent)
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := &Response{Status: res.StatusCode, Header: res.Header}
	if q.IgnoreBody {
		_, _ = io.CopyN(io.Discard, res.Body, 4096) // so that the connection can be used again
		return out, nil
	}
	out.Body, out.Wire, err = c.read(res)
	return out, err
}

// read reads a body within bounds.
func (c *Client) read(res *http.Response) (data []byte, wire int64, err error) {
	if res.ContentLength > c.maxBytes {
		return nil, 0, fmt.Errorf(
			"%w: it has %d bytes, at most %d are read",
			ErrTooLarge,
			res.ContentLength,
			c.maxBytes,
		)
	}
	counted := &counter{r: io.LimitReader(res.Body, c.maxBytes+1)}
	var body io.Reader = counted
	switch coding := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(counted)
		if errors.Is(err, io.EOF) && counted.n == 0 {
			return nil, 0, nil // no body, such as that of 304
		}
		if err != nil {
			return nil, counted.n, fmt.Errorf("its gzip cannot be read: %w", err)
		}
		body = io.LimitReader(z, c.maxBytes+1)
	default:
		return nil, 0, fmt.Errorf("it is encoded as %q, which was not asked for", coding)
	}
	data, err = io.ReadAll(body)
	if int64(len(data)) > c.maxBytes || counted.n > c.maxBytes {
		return nil, counted.n, fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, c.maxBytes)
	}
	if err != nil {
		return nil, counted.n, fmt.Errorf("it cannot be read to its end: %w", err)
	}
	return data, counted.n, nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// tellable is what of an error may be told to whoever named the URL.
func (c *Client) tellable(err error) error {
	var dns *net.DNSError
	isDNS := errors.As(err, &dns)
	if errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || isDNS && !c.private {
		// The same of a name that does not exist and of one that is private:
		// which names there are in here is nobody's business.
		return fmt.Errorf("%w: the host has no public address%s", ErrRefused, c.remedy())
	}
	if isDNS {
		return withoutResolver(dns)
	}
	var network *net.OpError
	if errors.As(err, &network) && network.Op != "dial" {
		return fmt.Errorf("the connection broke off: %w", network.Err) // without this server's own address
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		return outer.Err // who reads the message knows the URL
	}
	return err
}

// withoutResolver returns an error about a name that does not tell which resolver was
// asked, in its text or elsewhere.
func withoutResolver(e *net.DNSError) error {
	out := &net.DNSError{Name: e.Name, Err: "the lookup failed", IsNotFound: e.IsNotFound, IsTimeout: e.IsTimeout,
		IsTemporary: e.IsTemporary}
	switch {
	case e.IsNotFound:
		out.Err = "no such host"
	case e.IsTimeout:
		out.Err = "the lookup timed out"
	}
	return out
}
