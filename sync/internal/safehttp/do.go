package safehttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
)

// maxDiscardBytes bounds the part of an ignored body that is read so that the connection can be reused.
const maxDiscardBytes = 4096

// A Request is a request that [Client.Do] sends.
type Request struct {
	Method string // empty: GET
	URL    string
	// Header has the headers. Without a User-Agent, it is that of Options. A Referer is not sent after a redirect.
	Header http.Header
	Body   []byte
	// Authorization, if not empty, is the value of the Authorization header. It is sent to the origin of URL only, and
	// only over https unless private networks are permitted.
	Authorization string
	// IgnoreBody discards the body of the answer.
	IgnoreBody bool
	// KeepRedirects returns a redirect instead of following it, as Options.KeepRedirects does for all requests.
	KeepRedirects bool
	// MaxBytes bounds the body if it is smaller than Options.MaxBytes. If 0, it is that.
	MaxBytes int64
}

// A Response is the answer to a [Request].
type Response struct {
	Status int
	Header http.Header
	// Body is the body, decompressed.
	Body []byte
}

// Do waits until the limits permit a request, sends it, and reads the whole answer. An answer with any status is not
// an error.
//
// The error is [ErrRefused], [ErrTooLarge], [ErrTimeout], that of ctx, or another error of the network.
func (c *Client) Do(ctx context.Context, q Request) (*Response, error) {
	u, err := c.Check(q.URL)
	if err != nil {
		return nil, err
	}
	if err := c.checkAuthorization(u.Scheme, q.Authorization); err != nil {
		return nil, err
	}
	leave, err := c.limits.enter(ctx, strings.ToLower(u.Host))
	if err != nil {
		return nil, err
	}
	defer leave()
	limited := ctx
	if c.timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	res, err := c.send(limited, q)
	switch {
	case err == nil:
		return res, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, fmt.Errorf("%w: more than %v", ErrTimeout, c.timeout)
	}
	return nil, c.publicError(err)
}

// checkAuthorization reports why the value of an Authorization header must not be sent.
func (c *Client) checkAuthorization(scheme, value string) error {
	switch {
	case value == "":
		return nil
	case scheme != "https" && !c.private:
		return fmt.Errorf("%w: credentials are sent over https only: use an https:// address", ErrRefused)
	case strings.ContainsFunc(value, unicode.IsControl):
		return errors.New("the credentials are not a valid Authorization header: they must be one line of text")
	}
	return nil
}

// send sends a request and reads the answer.
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
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", c.userAgent)
	}
	r.Header.Set("Accept-Encoding", "gzip")
	client := c.http
	if q.KeepRedirects {
		client = c.keeping
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := &Response{Status: res.StatusCode, Header: res.Header}
	if q.IgnoreBody || q.Method == http.MethodHead {
		_, _ = io.CopyN(io.Discard, res.Body, maxDiscardBytes)
		return out, nil
	}
	maxBytes := c.maxBytes
	if q.MaxBytes > 0 {
		maxBytes = min(maxBytes, q.MaxBytes)
	}
	out.Body, err = read(res, maxBytes)
	return out, err
}

// read reads and decompresses a body of at most maxBytes, both compressed and decompressed.
func read(res *http.Response, maxBytes int64) ([]byte, error) {
	if res.ContentLength > maxBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, and the limit is %d", ErrTooLarge, res.ContentLength, maxBytes)
	}
	counted := &countingReader{r: io.LimitReader(res.Body, maxBytes+1)}
	var body io.Reader = counted
	switch coding := strings.ToLower(strings.TrimSpace(res.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(counted)
		if errors.Is(err, io.EOF) && counted.n == 0 {
			return nil, nil // there is no body, such as with status 304
		}
		if err != nil {
			return nil, fmt.Errorf("the compressed answer cannot be read: %w", err)
		}
		body = io.LimitReader(z, maxBytes+1)
	default:
		return nil, fmt.Errorf("the answer has the encoding %q, which was not requested", coding)
	}
	data, err := io.ReadAll(body)
	if int64(len(data)) > maxBytes || counted.n > maxBytes {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, maxBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("the answer cannot be read to its end: %w", err)
	}
	return data, nil
}

// A countingReader counts the bytes that are read from r.
type countingReader struct {
	r io.Reader
	n int64
}

// Read implements [io.Reader].
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
