// Package client is a client of a patch source: of the feed that Jamf Pro reads, and
// of the calls by which titles are managed. It needs no other package of this project
// but patch.
//
//	c, err := client.New("https://patches.example.com", &client.Options{Token: token})
//	_, err = c.AddVersions(ctx, "Composer", []patch.Patch{version}, nil)
//
// What failed and is safe to repeat is tried again a few times: reads, what was
// refused because there was too much (429), and what never reached the server.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

var (
	// ErrInvalid is a request that was refused for what is in it (400).
	ErrInvalid = errors.New("the server refused the request")
	// ErrUnauthorized is a token that is missing or not known (401).
	ErrUnauthorized = errors.New("the token is missing, or good no more")
	// ErrForbidden is a token that does not allow this, or something that nobody may
	// do, such as changing a title that follows a source (403).
	ErrForbidden = errors.New("this is not allowed")
	// ErrNotFound is a title, version, token or webhook that is not there (404).
	ErrNotFound = errors.New("it is not there")
	// ErrConflict is a title or version that is there already, or has another id
	// (409).
	ErrConflict = errors.New("it is there already")
	// ErrPrecondition is a title that has changed since it was read (412).
	ErrPrecondition = errors.New("the title has changed")
	// ErrTooLarge is a body that is larger than the server takes (413).
	ErrTooLarge = errors.New("it is too large")
	// ErrLimited is too many requests (429).
	ErrLimited = errors.New("too many requests")
	// ErrUnavailable is a server that fails, or whose storage does (5xx).
	ErrUnavailable = errors.New("the server is unavailable")
)

// kinds are the errors by status.
var kinds = map[int]error{
	400: ErrInvalid,
	401: ErrUnauthorized,
	403: ErrForbidden,
	404: ErrNotFound,
	409: ErrConflict,
	412: ErrPrecondition,
	413: ErrTooLarge,
	415: ErrInvalid,
	429: ErrLimited,
}

// An Error is what a server answered that was no success. It is one of the errors of
// this package, as errors.Is sees it.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code names the kind of the error, such as "database_conflict".
	Code string
	// Message says what went wrong, and how to mend it.
	Message string
	// Failures are what is wrong with what was sent, each with its place in it.
	Failures []patch.Failure
	// RetryAfter is how long the server asks to wait. 0: it does not say.
	RetryAfter time.Duration
}

// Error says what went wrong.
func (e *Error) Error() string {
	s := cmp.Or(e.Message, http.StatusText(e.Status))
	for i, f := range e.Failures {
		if i == 20 {
			s += fmt.Sprintf("\n  and %d more", len(e.Failures)-i)
			break
		}
		s += "\n  " + f.Path + ": " + f.Message
	}
	return fmt.Sprintf("the server answered %d: %s", e.Status, s)
}

// Is makes an Error one of this package's.
func (e *Error) Is(target error) bool {
	if e.Status >= 500 {
		return target == ErrUnavailable
	}
	return target == kinds[e.Status]
}

// Options are options of [New]. Nil means the zero value.
type Options struct {
	// Token is sent with every request, if it is not empty.
	Token string
	// HTTP is what requests are made with. Nil: one with a timeout of a minute for
	// the answer to begin, that follows no redirects.
	HTTP *http.Client
	// Tries is how often what is safe to repeat is tried. 0: 3.
	Tries int
	// Pause is how long to wait before the second try, unless the server says; it
	// doubles with each. 0: half a second.
	Pause time.Duration
	// UserAgent says who asks. Empty: this package.
	UserAgent string
}

// maxAnswer bounds an answer that is read into memory.
const maxAnswer = 256 << 20

// longestPause bounds how long a server can have a client wait.
const longestPause = 30 * time.Second

// A Client calls one server. It is safe for concurrent use.
type Client struct {
	base string
	opts Options
}

// New returns a Client of the server at an address, such as
// https://patches.example.com. The error is about the address.
func New(address string, opts *Options) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address such as https://patches.example.com", address)
	}
	c := &Client{base: strings.TrimRight(address, "/")}
	if opts != nil {
		c.opts = *opts
	}
	if c.opts.HTTP == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.ResponseHeaderTimeout = time.Minute
		// A patch source never redirects; whoever does may not have the token.
		c.opts.HTTP = &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	c.opts.Tries = cmp.Or(c.opts.Tries, 3)
	c.opts.Pause = cmp.Or(c.opts.Pause, 500*time.Millisecond)
	c.opts.UserAgent = cmp.Or(c.opts.UserAgent, "patchsource-client")
	return c, nil
}

// A call is a request.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	body         []byte
	stream       io.Reader // in the place of body; not tried twice
	contentType  string
}

// path joins segments, escaped.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		if s == "." || s == ".." { // which would be taken for folders
			s = strings.ReplaceAll(s, ".", "%2E")
			b.WriteString(s)
			continue
		}
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// send sends a request, again if that is safe, and returns the answer if it is a
// success.
func (c *Client) send(ctx context.Context, q call) (*http.Response, error) {
	pause := c.opts.Pause
	for try := 1; ; try++ {
		res, err := c.once(ctx, q)
		if err == nil || try >= c.opts.Tries || !repeatable(q, err) {
			return res, err
		}
		wait := pause
		var answered *Error
		if errors.As(err, &answered) && answered.RetryAfter > 0 {
			if wait = answered.RetryAfter; wait > longestPause {
				return nil, err
			}
		}
		pause *= 2
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// repeatable reports whether a request that failed can be sent again: it changes
// nothing, or has changed nothing.
func repeatable(q call, err error) bool {
	if q.stream != nil {
		return false
	}
	var answered *Error
	if errors.As(err, &answered) {
		return answered.Status == http.StatusTooManyRequests || q.method == http.MethodGet && answered.Status >= 500
	}
	var dial *net.OpError
	return q.method == http.MethodGet || errors.As(err, &dial) && dial.Op == "dial"
}

func (c *Client) once(ctx context.Context, q call) (*http.Response, error) {
	body := q.stream
	if body == nil && q.body != nil {
		body = bytes.NewReader(q.body)
	}
	address := c.base + q.path
	if len(q.query) > 0 {
		address += "?" + q.query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, q.method, address, body)
	if err != nil {
		return nil, err
	}
	for k, v := range q.header {
		r.Header[k] = v
	}
	r.Header.Set("User-Agent", c.opts.UserAgent)
	if body != nil {
		r.Header.Set("Content-Type", cmp.Or(q.contentType, "application/json"))
	}
	if c.opts.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.opts.Token)
	}
	res, err := c.opts.HTTP.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, readError(res)
}

// readError reads what went wrong.
func readError(res *http.Response) error {
	e := &Error{Status: res.StatusCode}
	if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(min(n, 1<<30)) * time.Second
	}
	data, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // what there is of it says more than nothing
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return e
	}
	_ = json.Unmarshal(members["message"], &e.Message)
	_ = json.Unmarshal(members["errors"], &e.Failures)
	for code := range members {
		if code != "message" && code != "error" && code != "errors" {
			e.Code = code
		}
	}
	return e
}

// do sends a request and reads its answer into a value, which may be nil.
func (c *Client) do(ctx context.Context, q call, into any) error {
	res, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("the answer cannot be read to its end: %w", err)
	case len(data) > maxAnswer:
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("the answer of %s is not what was expected; is it a patch source? %w", c.base+q.path, err)
	}
	return nil
}

// encode makes a body of a value.
func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return data, nil
}
