package server

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/releases"
)

// A Config describes a patch source. Only Store is required; the zero value of every other field is safe.
type Config struct {
	// Store keeps everything. The caller closes it after [Server.Close].
	Store store.Store
	// Secret is the secret from which the keys for the secrets of webhooks and for the addresses of authors are
	// derived; see auth.LoadSecret. If it is the zero Secret, there are no webhooks and no community.
	// Servers over one store need the same Secret: Open keeps a value derived from it in the store, and returns
	// auth.ErrSecret if another server uses another one. The value is not part of a full backup.
	Secret auth.Secret
	// Site is the URL at which clients reach the server, such as https://patches.example.com, with the prefix that
	// it is mounted under. If empty, links in answers begin with the host that the client asked for, without a prefix.
	Site string
	// FallbackSite takes the place of an empty Site in mails and events, which answer no request. If both are empty,
	// mails and events have no links to the server.
	FallbackSite string

	// Authenticate returns the person who makes a request, for example by the session of the program that embeds the
	// server. It is called for requests without a valid bearer token of the server. If nil, only these tokens are
	// accepted.
	Authenticate httpapi.Authenticator
	// Authorize decides what a person may do. If nil, it is auth.Authorize, which decides by the kind of the principal.
	Authorize httpapi.Authorizer
	// Session makes the page use the sessions that Authenticate accepts, in place of asking for a token. It requires
	// Authenticate. If its May is nil, the page offers what Authorize allows: unlike in package webui by itself, the
	// kind of a person does not decide.
	Session *webui.Session
	// SignInHint is shown on the page below the form that asks for a token, and says where people find theirs. If
	// empty, nothing is shown.
	SignInHint string

	// Setup is the page that leads an administrator through the configuration of the server. If nil, there is none.
	Setup *webui.Setup

	// Mailer sends authors their tokens. If it is set, anyone can publish titles and register as a contributor, and a
	// Secret is required. If nil, there is no community. The caller closes it after [Server.Close].
	Mailer mail.Mailer
	// MailTemplates are the sources of the mails. The zero Templates are the default mails.
	MailTemplates community.Templates

	// Couriers receive a notice of every change of a title, besides Webhooks. Each notice is delivered at least once,
	// also after a crash; Catalog.Subscribe is lighter and promises less.
	Couriers []catalog.Courier
	// Lease is the time after which another server over the same store takes work over from one that has died: the
	// delivery of notices and of webhooks, the synchronization with upstreams, and the end of a restore. Servers over
	// one store need the same Lease. A longer one costs less where requests are paid for: each of the three leases is
	// renewed every sixth of it. The default is 30 s.
	Lease time.Duration
	// Lint configures the lint of definitions. If nil, every rule warns.
	Lint *patch.LintOptions

	// Mirrors are whole sources that are followed, besides the titles that follow an upstream of their own.
	Mirrors []patchsync.Mirror
	// Recipes are the paths of folders of recipes, *.json, of which each creates a title that follows its release feed.
	Recipes []string
	// FeedTokens are tokens for the hosts of release feeds, such as for GitHub's API, which answers more requests with
	// one. They are used for feeds that an administrator chose, and never shown or logged.
	FeedTokens []patchsync.FeedToken
	// FeedKinds are kinds of release feeds besides those of package sync/releases, by their names. Feeds of these kinds
	// are for tokens that may create and change every title.
	FeedKinds map[string]releases.Kind
	// SyncInterval is the time between two requests for the same upstream. The default is 30 minutes.
	SyncInterval time.Duration
	// AllowPrivateNetworks allows upstreams and webhooks in private networks and on this machine. Anyone who may
	// publish by URL can then reach these networks.
	AllowPrivateNetworks bool
	// Signer signs the definitions of the feed; an *envelope.Signer is one. If nil, they are served unsigned.
	Signer feed.Signer

	// TrustedProxies are the networks, such as 10.0.0.0/8, of the reverse proxies in front of the server, whose
	// X-Forwarded-For header names the client. If empty, the client address is that of the connection.
	TrustedProxies []string
	// RootFeed serves the feed at the root as well as at /jamf/v1, for sources that were added to Jamf Pro without a
	// path.
	RootFeed bool
	// NoTitleEditor switches off the REST API of Jamf's Title Editor, which is served at /v2; see package titleeditor.
	NoTitleEditor bool
	// Docs serves /docs and everything below it, apart from the API reference at /docs/api and the files that this one
	// loads. If it has a method Help(page string) (path string), pages link to the documentation about them; see
	// webui.Options. If nil, /docs leads to the API reference.
	Docs http.Handler
	// AccessLog writes a line to Logger for each request, except those for /healthz, /readyz and /metrics.
	AccessLog bool
	// TolerateFaults lets /readyz answer 200 even if some records cannot be read; see store.Faults.
	TolerateFaults bool
	// UploadDir is the folder for the temporary files of uploads. It must exist. Open removes files that an earlier
	// process left in it. If empty, it is os.TempDir().
	UploadDir string
	// Limits bound what clients can ask for.
	Limits Limits

	// Registerer registers the metrics of the server, so that they are collected with those of the program. If nil, the
	// server answers /metrics with them, and with the metrics of the Go runtime and of the process.
	Registerer prometheus.Registerer
	// Gauges are values that are exported beside the metrics of the server.
	Gauges []metrics.Gauge
	// Logger receives changes, failures and the causes of internal errors. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// Limits bound what clients can ask for. In each of them, 0 means the default and a negative number means no limit.
// Each server counts by itself: n servers over one store answer up to n times as many Requests and Lints, and send up
// to n times as many Mails. A mailbox can exceed Titles by those that servers create for it at the same moment.
type Limits struct {
	// Requests is the number of requests per hour that a client address can make without a token, of those that send
	// mail or create something, and by itself that of its failed logins to Title Editor's API. The default is 60.
	Requests int
	// Lints is the number of definitions per hour that a client address can have checked without a token. The default
	// is 600.
	Lints int
	// Mails is the number of mails per hour that are sent to one mailbox. The default is
	// community.DefaultMailsPerHour.
	Mails int
	// Titles is the number of titles that one mailbox or contributor can have. The default is
	// community.DefaultMaxTitles.
	Titles int
	// BodyBytes bounds the body of a request. The default is 10 MiB.
	BodyBytes int
	// ArchiveBytes bounds the body of a restore or an import. The default is 512 MiB.
	ArchiveBytes int64
	// AccountBytes bounds the definitions of all titles of one mailbox or contributor, in bytes. The default is
	// 256 MiB.
	AccountBytes int64
	// CacheBytes bounds the memory for definitions. The default is 256 MiB.
	CacheBytes int64
}
