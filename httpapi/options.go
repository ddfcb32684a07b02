package httpapi

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/survey"
	"github.com/patchsource/patchsource/store"
)

const (
	defaultRateLimit       = 60
	defaultLintLimit       = 600
	defaultMaxArchiveBytes = 512 << 20
)

// Options are options of [New]. Nil means the zero value. A limit of 0 is the default, and a negative one is no limit.
type Options struct {
	// Authenticate returns the principal of a request. If nil, the bearer tokens issued by Tokens are accepted.
	Authenticate Authenticator
	// Authorize decides what a principal may do. If nil, auth.Authorize does.
	Authorize Authorizer
	// Tokens makes and revokes tokens. If nil, there are no calls about tokens, and if Authenticate is nil too, nothing
	// can be changed.
	Tokens *auth.Service
	// Community publishes titles of authors without an account, and registers contributors. If nil, only clients with
	// a token create titles, and there are no contributors.
	Community Community
	// Sync keeps titles in step with upstreams; the caller runs it. If nil, titles that follow an upstream stay as they
	// are, and no other title can follow one.
	Sync Sync
	// Watches makes titles follow release feeds; the caller runs it. If nil, there are no calls about release feeds and
	// recipes.
	Watches Watches
	// Webhooks delivers changes; the caller runs it, and has made it a courier of the catalog. If nil, there are no
	// webhooks.
	Webhooks Webhooks
	// Survey has facts about the titles by which lists are filtered, such as their warnings; the caller runs it. If
	// nil, no title has warnings or is overdue, as far as lists tell.
	Survey *survey.Survey
	// Audit is the audit log of changes; the caller runs it. If nil, there is none.
	Audit *audit.Log
	// Jobs runs restores and imports in the background for clients that prefer it. If nil, these calls are answered
	// when the work is done, whatever the client prefers, and there are no calls about jobs.
	Jobs Jobs
	// Store is the store of all records, for full backups. If nil, there are none.
	Store store.Store
	// Signer signs the definitions of the feed, which are then served in CMS envelopes, as those of Jamf's own feed
	// are. If nil, they are served as JSON.
	Signer feed.Signer

	// Site is the URL at which clients reach the handler, such as https://patches.example.com, with the prefix that it
	// is mounted under, for links. If empty, links begin with the host that the client asked for, without a prefix.
	Site string
	// TrustedProxies are the networks, such as 10.0.0.0/8, of the reverse proxies in front of the server, whose
	// X-Forwarded-For header names the client. If empty, the client address is that of the connection.
	TrustedProxies []string
	// RootFeed serves the feed at the root as well (/software, /patch/{id}), as Stupid Simple Patch Server did, for
	// sources that were added to Jamf Pro without a path.
	RootFeed bool
	// WebPage says that the page of package httpapi/webui is served beside the handler: links for people lead there. If
	// false, they lead to definitions.
	WebPage bool
	// TolerateFaults lets /readyz answer with status 200 even if some records cannot be read; see [store.Faults].
	TolerateFaults bool
	// NotFound, if not nil, may answer a request for a path that no call has, such as a browser's, and reports whether
	// it did. Other requests are answered with status 404 and JSON.
	NotFound func(w http.ResponseWriter, r *http.Request) bool

	// RateLimit bounds the requests per hour of a client address that send mail, or create something without a token.
	// It is that of one server: n servers over one store answer up to n times as many, as with every limit here. The
	// default is 60.
	RateLimit int
	// LintLimit bounds the definitions per hour that a client address has checked without a token. The default is 600.
	LintLimit int
	// MaxBodyBytes bounds the body of a request. The default is 10 MiB.
	MaxBodyBytes int
	// MaxArchiveBytes bounds the body of a restore or an import. The default is 512 MiB.
	MaxArchiveBytes int64
	// Budget bounds the memory and the work that clients cost together. If nil, the handler has one of its own.
	Budget *Budget
	// UploadDir is the folder of the temporary files that restores and imports are kept in. If empty, it is
	// os.TempDir().
	UploadDir string

	// Listed, if not nil, is called after each request for the feed that was answered with a list of titles. It must be
	// fast.
	Listed func(r *http.Request)
	// Logger receives changes, and the causes of internal errors. If nil, nothing is logged.
	Logger *slog.Logger
	// Observe, if not nil, is called with the outcome of each request: its route, which is one of a bounded number
	// (such as /jamf/v1/patch/{id}), its method, the status, the bytes of the body, and the time that it took. Package
	// httpapi/metrics has one.
	Observe func(route, method string, status int, bytes int64, took time.Duration)
	// FullBackup, if not nil, is called after each full backup that was sent as a whole.
	FullBackup func()
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// withDefaults returns opts with all defaults, and the parsed Site, which is nil if there is none.
func (opts *Options) withDefaults() (o Options, site *url.URL, err error) {
	if opts != nil {
		o = *opts
	}
	if site, err = parseSite(o.Site); err != nil {
		return o, nil, err
	}
	o.Site = strings.TrimRight(o.Site, "/")
	o.RateLimit = cmp.Or(o.RateLimit, defaultRateLimit)
	o.LintLimit = cmp.Or(o.LintLimit, defaultLintLimit)
	o.MaxBodyBytes = cmp.Or(o.MaxBodyBytes, patch.DefaultMaxBytes)
	o.MaxArchiveBytes = cmp.Or(o.MaxArchiveBytes, defaultMaxArchiveBytes)
	if o.MaxBodyBytes < 0 {
		o.MaxBodyBytes = math.MaxInt - formOverhead
	}
	if o.MaxArchiveBytes < 0 {
		o.MaxArchiveBytes = math.MaxInt64 - formOverhead
	}
	o.Logger = trace.Logger(o.Logger)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, site, nil
}

// parseSite parses the beginning of links. It returns nil if there is none.
func parseSite(site string) (*url.URL, error) {
	if site == "" {
		return nil, nil
	}
	u, err := url.Parse(site)
	if err != nil {
		return nil, fmt.Errorf("httpapi: Site: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("httpapi: Site %q must be a URL such as https://patches.example.com", u.Redacted())
	}
	return u, nil
}
