// Package safehttp is an HTTP client for URLs that other people have named. It fetches definitions and delivers
// events.
//
//   - It connects to public addresses only. The address that counts is the one that is connected to, after the name
//     was resolved, on every redirect and every retry: a name that resolves to another address the second time gains
//     nothing.
//   - Everything is bounded: the time of a request, redirects, the size of the header and that of the body, both
//     compressed and decompressed.
//   - It is polite: few requests at a time to one host, reused connections, and a User-Agent that says who asks.
//
// Its errors do not tell which addresses the names inside the administrator's network have.
package safehttp

import (
	"cmp"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"net/netip"
	"time"

	"code.dny.dev/ssrf"
)

var (
	// ErrRefused reports a URL or an address that the client does not contact.
	ErrRefused = errors.New("the address is not allowed")
	// ErrTooLarge reports an answer that exceeds the limit.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrTimeout reports an answer that did not arrive, or did not end, in time.
	ErrTimeout = errors.New("the answer took too long")
)

const (
	defaultTimeout  = 10 * time.Second
	defaultMaxBytes = 10 << 20
	defaultPerHost  = 4
	defaultTotal    = 64
	maxRedirects    = 5
	maxHeaderBytes  = 64 << 10
	keepAlive       = 30 * time.Second
	idleTimeout     = 90 * time.Second
)

// Options configure a [Client]. Of the limits, 0 is the default, and a negative number means no limit.
type Options struct {
	// AllowPrivate also permits private networks and this machine, as a lab needs it. Link-local addresses, where
	// clouds keep their metadata, are never permitted.
	AllowPrivate bool
	// Timeout bounds a request, from the connection to the last byte. The default is 10 s.
	Timeout time.Duration
	// MaxBytes bounds a body, both compressed and decompressed. The default is 10 MiB.
	MaxBytes int64
	// PerHost and Total bound the requests in progress. The defaults are 4 and 64.
	PerHost, Total int
	// UserAgent is the User-Agent header of each request.
	UserAgent string
	// KeepRedirects returns a redirect instead of following it, because a POST must not become a GET of something
	// else.
	KeepRedirects bool
	// Insecure accepts any certificate.
	Insecure bool
	// Transport, if not nil, replaces the transport that checks addresses.
	Transport http.RoundTripper
	// Resolver resolves names. If nil, it is that of the system.
	Resolver *net.Resolver

	allow []netip.Prefix // treated as public, in tests
}

// A Client sends requests. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	keeping   *http.Client // returns redirects
	guard     *ssrf.Guardian
	private   bool          // private networks are permitted
	timeout   time.Duration // negative: none
	maxBytes  int64
	limits    *limits
	userAgent string
}

// New returns a Client. opts may be nil.
func New(opts *Options) *Client {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.AllowPrivate {
		o.allow = append(o.allow, privateNetworks()...)
	}
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.MaxBytes = cmp.Or(o.MaxBytes, defaultMaxBytes)
	if o.MaxBytes < 0 {
		o.MaxBytes = math.MaxInt64 - 1
	}
	o.PerHost = cmp.Or(o.PerHost, defaultPerHost)
	o.Total = cmp.Or(o.Total, defaultTotal)
	c := &Client{
		guard:     newGuardian(o.allow),
		private:   o.AllowPrivate,
		timeout:   o.Timeout,
		maxBytes:  o.MaxBytes,
		limits:    newLimits(o.PerHost, o.Total),
		userAgent: o.UserAgent,
	}
	transport := o.Transport
	if transport == nil {
		transport = c.newTransport(&o)
	}
	c.http = &http.Client{Transport: checkedLocation{transport}, CheckRedirect: c.checkRedirect}
	c.keeping = &http.Client{
		Transport:     c.http.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.KeepRedirects {
		c.http = c.keeping
	}
	return c
}

// newTransport returns a transport that connects to permitted addresses only.
func (c *Client) newTransport(o *Options) *http.Transport {
	timeout := max(c.timeout, 0)
	dialer := &net.Dialer{Timeout: timeout, KeepAlive: keepAlive, Control: c.control, Resolver: o.Resolver}
	idlePerHost := o.PerHost
	if idlePerHost < 0 {
		idlePerHost = defaultTotal
	}
	return &http.Transport{
		Proxy:                  nil, // a proxy would connect to addresses that are not checked here
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // read decompresses, within bounds
		MaxIdleConns:           max(2*o.Total, 0),
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		TLSHandshakeTimeout:    timeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure},
	}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
