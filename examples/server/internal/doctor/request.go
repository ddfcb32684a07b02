package doctor

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// newTransport returns a transport that connects as Jamf Pro does. It accepts old versions of TLS, so that they can be
// reported.
func newTransport(roots *x509.CertPool, now func() time.Time) *http.Transport {
	return &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: requestTimeout}).DialContext,
		TLSClientConfig: &tls.Config{
			RootCAs:    roots,
			MinVersion: tls.VersionTLS10,
			Time:       now,
		},
		TLSHandshakeTimeout:    requestTimeout,
		DisableCompression:     true, // the checks ask for it themselves
		MaxResponseHeaderBytes: 256 << 10,
		IdleConnTimeout:        requestTimeout,
	}
}

// An answer is a response that was read completely.
type answer struct {
	url    string
	status int
	header http.Header
	body   []byte
	length int64 // the Content-Length; -1 if there is none
	tls    *tls.ConnectionState
}

// errTooLarge means that a body exceeds its bound.
var errTooLarge = errors.New("the answer is too large")

// get requests a path below the base address, without compression.
func (e *examination) get(ctx context.Context, path string, maxBytes int) (*answer, error) {
	return e.request(ctx, http.MethodGet, e.base+path, "identity", maxBytes)
}

// request sends a request and reads at most maxBytes of the body. A redirect becomes a finding and is not followed.
func (e *examination) request(ctx context.Context, method, url, encoding string, maxBytes int) (*answer, error) {
	if e.requests++; e.requests > maxRequests {
		return nil, errTooMany
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", encoding)
	req.Header.Set("User-Agent", "patchsource-doctor")
	began := e.now()
	res, err := e.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := readBody(res.Body, maxBytes)
	if took := e.now().Sub(began); took > e.slowest {
		e.slowest, e.slowestURL = took, method+" "+url
	}
	a := &answer{
		url:    url,
		status: res.StatusCode,
		header: res.Header,
		body:   body,
		length: res.ContentLength,
		tls:    res.TLS,
	}
	if err == nil && a.redirected() {
		e.redirects++
		e.addf(CheckRedirect, Error, "%s %s is redirected to %s (status %d): Jamf Pro does not follow redirects; let "+
			"the server or its proxy answer directly, or type the address that it redirects to",
			method, url, quote(a.header.Get("Location")), a.status)
	}
	return a, err
}

// readBody reads at most maxBytes.
func readBody(r io.Reader, maxBytes int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, int64(maxBytes)+1))
	if len(body) > maxBytes {
		return nil, errTooLarge
	}
	return body, err
}

// redirected reports whether the answer is a redirect.
func (a *answer) redirected() bool {
	return a.status >= 300 && a.status < 400
}

// decode returns the body without its compression.
func (a *answer) decode(maxBytes int) ([]byte, error) {
	switch encoding := strings.ToLower(a.header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return a.body, nil
	case "gzip", "x-gzip":
		r, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			return nil, err
		}
		return readBody(r, maxBytes)
	default:
		return nil, fmt.Errorf("the Content-Encoding is %s, which was not asked for", quote(encoding))
	}
}

// describe returns an error of a request as text with a remedy.
func describe(err error) string {
	var dns *net.DNSError
	var network net.Error
	switch {
	case errors.Is(err, errTooLarge):
		return "the answer is larger than is read here: check what the server sends"
	case errors.Is(err, errTooMany):
		return "the check has sent as many requests as it may"
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("the host %s does not exist: check its spelling and the DNS of this network", dns.Name)
	case errors.Is(err, context.Canceled):
		return "the check was interrupted"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "no answer in time: check that the server runs and that no firewall is in between"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server ended the connection before the end of its answer: see its log"
	}
	return err.Error() + ": check that the server runs at this address, and see its log"
}

// quote returns a text that the server sent in quotes, shortened.
func quote(s string) string {
	const maxQuoted = 120
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// plural returns a number with a noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// addf is add with a format.
func (e *examination) addf(check string, s Severity, format string, args ...any) {
	e.add(check, s, fmt.Sprintf(format, args...))
}
