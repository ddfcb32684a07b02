package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// Media types of requests and answers.
const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeZip    = "application/zip"
	typeBinary = "application/octet-stream"
)

// maxPause bounds the time that a server can make a client wait.
const maxPause = 30 * time.Second

// A call is a request.
type call struct {
	method string
	path   []string // the segments, unescaped; an empty one is an error
	query  url.Values
	header http.Header
	body   []byte
	stream io.Reader // used in place of body; the call is not repeated, and does not close it
	// contentType is the media type of the body. If empty, it is typeJSON.
	contentType string
	// accept is the media type that the answer must have. If empty, it is typeJSON.
	accept string
	// instead is another media type that the answer may have. If empty, there is none.
	instead string
	// anonymous sends the call without the token.
	anonymous bool
}

// api returns the path of a call of the API.
func api(segments ...string) []string { return append([]string{"api", "v1"}, segments...) }

// escaped returns the path of a URL.
func escaped(segments []string) (string, error) {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		switch s {
		case "":
			return "", fmt.Errorf("%w: the id or version is empty", ErrInvalid)
		case ".", "..": // servers and proxies treat these as directories
			b.WriteString(strings.ReplaceAll(s, ".", "%2E"))
		default:
			b.WriteString(url.PathEscape(s))
		}
	}
	return b.String(), nil
}

// addressOf returns the address of a call as errors show it: without credentials and without the query.
func (c *Client) addressOf(q call) string {
	path, _ := escaped(q.path) // a call with an invalid path is not sent
	return c.shown + path
}

// send sends a request and returns the answer if it is a success. It repeats the request if that is safe.
func (c *Client) send(ctx context.Context, q call) (*http.Response, error) {
	pause := c.opts.Pause
	for try := 1; ; try++ {
		res, err := c.sendOnce(ctx, q)
		if err == nil || try == c.opts.MaxTries || !repeatable(q, err) {
			return res, err
		}
		wait := pause
		var answered *Error
		if errors.As(err, &answered) && answered.RetryAfter > 0 {
			if wait = answered.RetryAfter; wait > maxPause {
				return nil, err
			}
		}
		pause = min(2*pause, max(pause, maxPause))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// repeatable reports whether a request that failed can be sent again: it is a read, or it has changed nothing.
func repeatable(q call, err error) bool {
	if q.stream != nil || errors.Is(err, ErrUnexpectedAnswer) || errors.Is(err, ErrInvalid) {
		return false
	}
	var answered *Error
	if errors.As(err, &answered) {
		return answered.Status == http.StatusTooManyRequests ||
			q.method == http.MethodGet && answered.Status >= http.StatusInternalServerError
	}
	var network *net.OpError
	return q.method == http.MethodGet || errors.As(err, &network) && network.Op == "dial"
}

func (c *Client) sendOnce(ctx context.Context, q call) (*http.Response, error) {
	r, err := c.request(ctx, q)
	if err != nil {
		return nil, err
	}
	res, err := c.opts.HTTP.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	if res.StatusCode < 200 || res.StatusCode >= 300 {
		defer res.Body.Close()
		return nil, readError(res)
	}
	if res.StatusCode == http.StatusNoContent {
		return res, nil
	}
	want := cmp.Or(q.accept, typeJSON)
	got, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if got != want && (got == "" || got != q.instead) {
		_ = res.Body.Close()
		return nil, fmt.Errorf("%w: %s answered with the content type %q in place of %s; is it a patch source?",
			ErrUnexpectedAnswer, c.addressOf(q), res.Header.Get("Content-Type"), want)
	}
	return res, nil
}

// request makes the HTTP request of a call.
func (c *Client) request(ctx context.Context, q call) (*http.Request, error) {
	path, err := escaped(q.path)
	if err != nil {
		return nil, err
	}
	address := c.base + path
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	body := q.stream
	if _, ok := body.(io.Closer); ok { // transports close the bodies of requests
		body = struct{ io.Reader }{body}
	}
	if body == nil && q.body != nil {
		body = bytes.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, address, body)
	if err != nil {
		return nil, err
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", c.opts.UserAgent)
	if body != nil {
		r.Header.Set("Content-Type", cmp.Or(q.contentType, typeJSON))
	}
	if c.opts.Token != "" && !q.anonymous {
		r.Header.Set("Authorization", "Bearer "+c.opts.Token)
	}
	return r, nil
}

// do sends a request and decodes its answer into a value. If into is nil, the answer is discarded.
func (c *Client) do(ctx context.Context, q call, into any) error {
	_, err := c.doHeader(ctx, q, into)
	return err
}

// doHeader is do and returns the header of the answer, too.
func (c *Client) doHeader(ctx context.Context, q call, into any) (http.Header, error) {
	res, err := c.send(ctx, q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if into == nil {
		return res.Header, nil
	}
	data, err := c.readBody(res)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return nil, fmt.Errorf("%w: decoding the answer of %s: %w", ErrUnexpectedAnswer, c.addressOf(q), err)
	}
	return res.Header, nil
}

// readBody reads the body of an answer.
func (c *Client) readBody(res *http.Response) ([]byte, error) {
	body := io.Reader(res.Body)
	if limit := c.opts.MaxAnswerBytes; limit > 0 {
		body = io.LimitReader(body, limit+1)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if limit := c.opts.MaxAnswerBytes; limit > 0 && int64(len(data)) > limit {
		return nil, errTooLong(limit)
	}
	return data, nil
}

// errTooLong returns the error for an answer with more than limit bytes.
func errTooLong(limit int64) error {
	return fmt.Errorf("%w: it has more than %d bytes", ErrUnexpectedAnswer, limit)
}

// get reads the answer to a GET.
func (c *Client) get(ctx context.Context, path []string, query url.Values, into any) error {
	return c.do(ctx, call{method: http.MethodGet, path: path, query: query}, into)
}

// post posts a value as JSON and returns the answer. If v is nil, the request has no body.
func (c *Client) post(ctx context.Context, path []string, v any) (a wire.Answer, err error) {
	q := call{method: http.MethodPost, path: path}
	if v != nil {
		if q.body, err = encode(v); err != nil {
			return a, err
		}
	}
	return a, c.do(ctx, q, &a)
}

// encode returns the JSON of the body of a request.
func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return data, nil
}
