// Package client calls the API of a patch source: the feed that Jamf Pro reads, and the calls that manage titles,
// tokens, webhooks, followed sources and release feeds. The bodies of requests and answers are declared in package
// wire.
//
//	c, err := client.New("https://patches.example.com", &client.Options{Token: token})
//	_, err = c.AddVersions(ctx, "Composer", []patch.Patch{version}, nil)
//
// A request that failed is repeated with exponential backoff if that is safe: a read, a request that was rejected
// because there were too many (429), and one that never reached the server. [IsTransient] tells callers whether it is
// worth trying a failed call again later.
//
// An error of the server is an [*Error]; errors.Is compares it to the errors of this package. An answer that is not
// what was asked for, such as an HTML page in place of a backup, is [ErrUnexpectedAnswer].
package client

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Defaults of [Options].
const (
	defaultMaxTries       = 3
	defaultPause          = 500 * time.Millisecond
	defaultMaxAnswerBytes = 256 << 20
	defaultUserAgent      = "patchsource-client"
)

// Options are options of [New]. A nil *Options is the zero value.
type Options struct {
	// Token is the bearer token that requests are sent with. New removes white space around it, such as the line break
	// at the end of a file. If empty, requests are sent without a token.
	Token string
	// HTTP makes the requests. Its Transport may call a handler in the same process. If nil, a client is used that
	// follows no redirects and waits a minute for an answer to begin. A program that has replaced http.DefaultTransport
	// by another type than *http.Transport sets that time itself.
	HTTP *http.Client
	// MaxTries limits how often a request is tried, if it is safe to repeat. The default is 3; 1 means that no request
	// is repeated, and a negative number that there is no limit but the context.
	MaxTries int
	// Pause is the time before the second try, unless the server names one. It doubles with each try. The default is
	// 500 ms.
	Pause time.Duration
	// MaxAnswerBytes limits the size of an answer that is read into memory, and of each result of an import. The
	// default is 256 MiB; a negative number means that there is no limit.
	MaxAnswerBytes int64
	// UserAgent is the User-Agent of requests. The default names this package.
	UserAgent string
}

// A Client calls one server. It is safe for concurrent use.
type Client struct {
	base  string // without a slash at the end
	shown string // base without credentials, for errors
	opts  Options
}

// New returns a client of the server at address, such as https://patches.example.com. It returns an error if address is
// not an absolute URL with the scheme http or https, or has a query or a fragment, or if Options.Token has characters
// that no token has.
func New(address string, opts *Options) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" ||
		strings.ContainsAny(address, "?#") { // a path after these would not be one
		return nil, fmt.Errorf("%q is not an address: use one such as https://patches.example.com", address)
	}
	c := &Client{base: strings.TrimRight(address, "/")}
	u.User = nil
	c.shown = strings.TrimRight(u.String(), "/")
	if opts != nil {
		c.opts = *opts
	}
	c.opts.Token = strings.TrimSpace(c.opts.Token)
	if strings.ContainsFunc(c.opts.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("Options.Token is not a token: it has characters other than printable ASCII")
	}
	if c.opts.HTTP == nil {
		transport := http.DefaultTransport
		if standard, ok := transport.(*http.Transport); ok { // the program may have replaced it
			standard = standard.Clone()
			standard.ResponseHeaderTimeout = time.Minute
			transport = standard
		}
		c.opts.HTTP = &http.Client{
			Transport: transport,
			// A patch source never redirects. A server that does must not get the token.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	c.opts.MaxTries = cmp.Or(c.opts.MaxTries, defaultMaxTries)
	c.opts.Pause = cmp.Or(c.opts.Pause, defaultPause)
	c.opts.MaxAnswerBytes = cmp.Or(c.opts.MaxAnswerBytes, defaultMaxAnswerBytes)
	c.opts.UserAgent = cmp.Or(c.opts.UserAgent, defaultUserAgent)
	return c, nil
}
