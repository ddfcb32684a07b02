// Package webui is the web page of a patch source. It shows the titles in a table, each title on a page of its own, and
// how to publish. Visitors who have signed in also see what they may change, the release feeds of their titles, and the
// versions that wait for a person.
//
// The page is a handler that a server puts beside httpapi. It reads titles from a [Catalog]; every change goes through
// the API ([Options.API]) in the name of the visitor. The page itself decides nothing that the API decides, and shows
// the API's errors as they are. All its files are embedded: no page loads anything from another host, and each works
// without JavaScript. Everything that authors have written is escaped.
//
// A program can have the page lead administrators through its configuration ([Options.Setup]).
//
// A visitor signs in with a bearer token, which is kept in a cookie that scripts cannot read and that other sites
// cannot send (HttpOnly, SameSite=Strict). The API does not accept that cookie, and the page accepts no change from
// another origin. A program that signs people in itself sets [Options.Session].
package webui

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// ErrNotFound means that a [Catalog] does not have a title.
var ErrNotFound = errors.New("title not found")

// A Title is what the page shows of a title beside its definition.
type Title struct {
	ID, Name, Publisher, Author, Version string
	// Contributor is the id of the contributor that the title belongs to. It is empty if it belongs to none.
	Contributor string
	// ETag is the ETag of the definition, for If-Match.
	ETag string
	// Changed is when the definition last changed.
	Changed time.Time
	// Follows is the upstream that the title follows. It is empty if the title follows none.
	Follows string
	// Trouble describes why the upstream cannot be followed. It is empty if it can.
	Trouble string
	// Watched says that new versions are found in the release feed of the vendor.
	Watched bool
	// Draft says that the title has a draft, which is shown to visitors who may change the title.
	Draft bool
	// Released is when the newest version was released. It is zero if that is not known.
	Released time.Time
	// Warnings is the number of warnings about the definition, and Stale says that the next version is overdue.
	Warnings int
	Stale    bool
}

// A Revision is a revision in the history of a title's definition.
type Revision struct {
	Number  uint64
	At      time.Time
	Version string
	Current bool
}

// PageOptions select a page of the titles.
type PageOptions struct {
	// Query is a part of the name, the id, the publisher, the author, a bundle ID or the name of an application,
	// without regard to case. If empty, all titles match.
	Query string
	// Publisher is the publisher, and Bundle a bundle ID, without regard to case. If empty, any match.
	Publisher, Bundle string
	// Source is "manual", "followed" (the title follows a definition elsewhere) or "watched" (it follows a release
	// feed). If empty, any match.
	Source string
	// State is "warnings", "stale" (the next version is overdue), "failing" (the source or the feed cannot be followed)
	// or "draft". If empty, any match.
	State string
	// Only, if not nil, reports whether a title may be on the page.
	Only func(Title) bool
	// Order is "name", "publisher", "author", "version", "changed" (the latest first) or "source" (the titles whose
	// upstream cannot be followed first, then the others that follow one). Titles that are equal are sorted by id.
	Order string
	// Reverse reverses the order, but not that of equal titles.
	Reverse bool
	// Number is the number of the page, from 0. If there are fewer pages, it means the last one.
	Number int
	// Size is the number of titles on a page.
	Size int
}

// A Page is a page of the titles.
type Page struct {
	Titles []Title
	// Number is the number of the page, from 0.
	Number int
	// Matches is the number of titles that the query matches, and Total that of all titles.
	Matches, Total int
}

// A Catalog has the titles that the page shows. It must be safe for concurrent use.
type Catalog interface {
	// Page returns a page of the titles.
	Page(o PageOptions) Page
	// Find returns a title without its definition. It returns false if there is none.
	Find(id string) (Title, bool)
	// Bytes returns the size of a title's definition and its history, or 0 if the title does not exist.
	Bytes(id string) int64
	// Title returns a title and its definition, or ErrNotFound.
	Title(ctx context.Context, id string) (Title, *patch.Definition, error)
	// History returns the revisions that are kept, with the newest first, or ErrNotFound.
	History(ctx context.Context, id string) ([]Revision, error)
}

// A FeedCounter is a [Catalog] whose titles can follow the release feeds of their vendors. The page has links to
// release feeds and proposals if its Catalog implements FeedCounter.
type FeedCounter interface {
	// FeedCounts returns counts for the navigation, of the titles for which may returns true.
	FeedCounts(may func(Title) bool) FeedCounts
}

// FeedCounts are what of the release feeds needs attention.
type FeedCounts struct {
	// Failing is the number of feeds that cannot be read.
	Failing int
	// Proposals is the number of proposals that wait for a person.
	Proposals int
}

// A Budget limits the work and the memory that visitors other than administrators and editors cause. An httpapi.Budget
// implements it.
type Budget interface {
	// Enter waits until a request may process the given number of bytes. It returns the request to continue with; leave
	// ends its turn. An error is answered with 503.
	Enter(r *http.Request, bytes int64) (within *http.Request, leave func(), err error)
	// EnterBody waits for room for the body of a request and sets a deadline for it to arrive. limit is the maximum
	// size of the body; member is true for a visitor who has signed in.
	EnterBody(w http.ResponseWriter, r *http.Request, limit int64, member bool) (
		within *http.Request, leave func(), err error,
	)
	// EnterAnswer waits for room for a page of the given size, which stays in memory until the visitor has received it.
	EnterAnswer(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error)
}

// Options are options of [New]. A nil *Options is the zero value.
type Options struct {
	// API is the handler of the calls under /api/v1, as httpapi.New returns it. The page calls it in this process. If
	// nil, titles can only be read, and visitors cannot sign in.
	API http.Handler
	// Session says that the program that embeds the page signs people in itself. If nil, visitors sign in with a bearer
	// token.
	Session *Session
	// Site is the URL of the page, such as https://patches.example.com, with the prefix that it is mounted under. If
	// empty, links begin with the host that the visitor asked for, without a prefix. If its scheme is https, cookies
	// are sent over TLS only.
	Site string
	// SignInHint is shown below the form that asks for a token. It says where visitors find theirs. If empty, nothing
	// is shown.
	SignInHint string
	// Publishing allows visitors without an account to publish titles.
	Publishing bool
	// NoWebhooks says that the server has no webhooks: no page leads to them.
	NoWebhooks bool
	// Setup is the page /setup for administrators. It requires API. If nil, there is none.
	Setup *Setup
	// Budget limits the work and the memory that visitors cause. If nil, they are not limited.
	Budget Budget
	// Help returns the path of the documentation about a page, below that of the site and without a slash at the
	// beginning, such as "docs/server#tokens". The page has the name of a file in the folder templates, without the
	// extension, such as "tokens". If Help is nil or returns the empty string, the page has no link to documentation
	// about itself.
	Help func(page string) (path string)
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
	// Logger receives the errors of pages that cannot be shown. If nil, they are not logged.
	Logger *slog.Logger
}

// A Session describes the sessions of a program that embeds the page. The page then does not ask visitors for a token.
// It forwards the Cookie and Authorization headers of each request to the API, whose Authenticator identifies the
// visitor, and asks GET /api/v1/token for the result. The page and the API reject changes from other origins, as for
// cookies of their own.
type Session struct {
	// SignInURL is the address of the program's own page for signing in. If empty, the page has no link to sign in.
	SignInURL string
	// SignOutURL is the address that ends the session. If empty, the page has no link to sign out.
	SignOutURL string
	// May reports whether the page offers an action to the visitor of a request: "create", "change", "tokens" or
	// "administer", as package auth names them. The zero Title means no particular title. It affects links and forms
	// only; the API's Authorizer decides whether an action is allowed. If nil, the kind of the visitor's principal
	// decides, and a visitor whose principal has none of the kinds of package auth is offered everything. Package
	// httpapi/server has another default: it asks the Authorizer of the server.
	May func(r *http.Request, action string, t Title) bool
}

// The actions that a Session decides about. They are those of package auth.
const (
	actionCreate     = "create"     // create a title; without a title
	actionChange     = "change"     // change a title; without a title: every title
	actionTokens     = "tokens"     // list, create and revoke tokens; without a title
	actionAdminister = "administer" // manage webhooks and mirrors, restore, import; without a title
)

//go:embed assets templates
var files embed.FS

// A handler serves the pages.
type handler struct {
	catalog    Catalog
	api        http.Handler // nil: the page can only be read
	session    *Session     // nil: visitors sign in with tokens
	budget     Budget       // nil: there is none
	site       string       // without a slash at the end; empty: as the visitor asked for it
	base       string       // the prefix of links
	secure     bool         // cookies are sent over TLS only
	publishing bool
	signInHint string
	help       func(page string) string
	noWebhooks bool
	setup      *Setup // nil: there is no such page
	checks     setupResults
	now        func() time.Time
	log        *slog.Logger

	cross  *http.CrossOriginProtection
	mux    *http.ServeMux
	pages  map[string]*template.Template
	assets assets
}

// New returns the handler of every path for which [Serves] is true. It returns an error if Options.Site is not an
// absolute URL, or if a step of Options.Setup is not complete. The handler is safe for concurrent use.
func New(catalog Catalog, opts *Options) (http.Handler, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	h := &handler{
		catalog:    catalog,
		api:        o.API,
		session:    o.Session,
		budget:     o.Budget,
		site:       strings.TrimRight(o.Site, "/"),
		publishing: o.Publishing && o.API != nil,
		signInHint: o.SignInHint,
		noWebhooks: o.NoWebhooks,
		help:       o.Help,
		now:        o.Now,
		log:        o.Logger,
		cross:      http.NewCrossOriginProtection(),
		mux:        http.NewServeMux(),
	}
	if catalog == nil {
		return nil, errors.New("webui: the catalog is nil")
	}
	if o.Setup != nil && o.API != nil {
		if err := o.Setup.check(); err != nil {
			return nil, err
		}
		h.setup = o.Setup
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.help == nil {
		h.help = func(string) string { return "" }
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.site != "" {
		u, err := url.Parse(h.site)
		if err == nil {
			err = h.cross.AddTrustedOrigin(u.Scheme + "://" + u.Host)
		}
		if err != nil {
			return nil, fmt.Errorf("webui: Options.Site %q is not a URL such as https://patches.example.com: %w",
				o.Site, err)
		}
		h.base, h.secure = u.EscapedPath(), u.Scheme == "https"
	}
	var err error
	if h.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if h.pages, err = loadPages(); err != nil {
		return nil, err
	}
	h.routes()
	return h, nil
}
