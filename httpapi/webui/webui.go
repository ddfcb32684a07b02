// Package webui is the page that people see: the titles in a table, each title on a page
// of its own, how to publish, and, for who signs in with a token, what they may change.
//
// It is a handler that a server puts beside httpapi. What it shows of titles it asks a
// [Catalog] for; everything else goes through the API ([Options.API]), in the name of the
// visitor: the page decides nothing that the API decides, and what is wrong it says in
// the API's words. All of it is embedded: no page asks another host for anything, and
// each works without JavaScript. What strangers have written is escaped wherever it
// stands.
//
// Who signs in has their token in a cookie that scripts cannot read and that other sites
// cannot have sent (HttpOnly, SameSite=Strict). The API does not take that cookie, and
// the page takes no change from another origin.
package webui

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// ErrNotFound is a title that a [Catalog] does not have.
var ErrNotFound = errors.New("title not found")

// A Title is what is shown of a title beside its definition.
type Title struct {
	ID, Name, Publisher, Author, Version string
	// Contributor is the id of the contributor whose title it is, empty if it is nobody's.
	Contributor string
	// ETag is what If-Match takes for the title's definition.
	ETag string
	// Changed is when its definition last changed.
	Changed time.Time
	// Follows is the source that it is kept in step with, empty if none, and Trouble
	// what is wrong with that.
	Follows, Trouble string
}

// A Revision is a revision in the history of a title's definition.
type Revision struct {
	Number  uint64
	At      time.Time
	Version string
	Current bool
}

// A Catalog is what is shown. Its methods are called by many goroutines at once.
type Catalog interface {
	// Titles yields all titles.
	Titles() iter.Seq[Title]
	// Bytes returns how many bytes the definition of a title has, with its history; 0 if it is not there.
	Bytes(id string) int64
	// Title returns a title and its definition, or ErrNotFound.
	Title(ctx context.Context, id string) (Title, *patch.Definition, error)
	// History returns the revisions that are kept, with the newest first, or ErrNotFound.
	History(ctx context.Context, id string) ([]Revision, error)
}

// A Budget bounds what the pages of titles cost, for visitors who are neither administrators nor editors. An
// httpapi.Budget is one.
type Budget interface {
	// Enter waits for a turn to work on so many bytes for a request, and returns the request to go on with. leave ends
	// the turn. An error is answered by 503.
	Enter(r *http.Request, bytes int64) (within *http.Request, leave func(), err error)
	// EnterBody waits for room for a form of at most so many bytes, of a visitor who has signed in if member is true, and
	// gives it time to arrive.
	EnterBody(
		w http.ResponseWriter,
		r *http.Request,
		most int64,
		member bool,
	) (within *http.Request, leave func(), err error)
	// EnterAnswer waits for room for a page of so many bytes, which is in memory until it was read.
	EnterAnswer(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error)
}

// Options are options of [New]. Nil means the zero value.
type Options struct {
	// Budget bounds what visitors cost. If nil, nothing does.
	Budget Budget
	// Site is where the page is found from outside, such as
	// https://patches.example.com, with the prefix that it is mounted under. Empty: as
	// the visitor has found it, without a prefix. If it is https, the cookie is sent over
	// nothing else.
	Site string
	// API is the handler of the calls under /api/v1, as httpapi.New makes it. The page
	// calls it in this process, with the visitor's token as Authorization: Bearer. Nil:
	// the page can only be read, and nobody can sign in.
	API http.Handler
	// Publishing says that anybody may publish.
	Publishing bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Logger is told of what cannot be shown. Nil: silent.
	Logger *slog.Logger
}

//go:embed assets templates
var files embed.FS

// A handler serves the pages.
type handler struct {
	cat     Catalog
	api     http.Handler // nil: the page can only be read
	budget  Budget       // nil: there is none
	site    string
	base    string // the prefix of links
	secure  bool   // the cookie goes over TLS only
	publish bool
	now     func() time.Time
	log     *slog.Logger
	cross   *http.CrossOriginProtection
	mux     *http.ServeMux
	pages   map[string]*template.Template
	assets  map[string]asset
	styles  string // where they are
	script  string
	icon    string
}

// New returns a handler of the page: of every path for which [Serves] is true. It returns an error if Options.Site is not
// an absolute URL. The handler is safe for concurrent use.
func New(cat Catalog, opts *Options) (http.Handler, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	h := &handler{
		cat:     cat,
		api:     o.API,
		budget:  o.Budget,
		site:    strings.TrimRight(o.Site, "/"),
		publish: o.Publishing && o.API != nil,
		now:     o.Now,
		log:     o.Logger,
		cross:   http.NewCrossOriginProtection(),
		mux:     http.NewServeMux(),
		pages:   map[string]*template.Template{},
		assets:  map[string]asset{},
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
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
			return nil, fmt.Errorf("webui: Options.Site: %w", err)
		}
		h.base, h.secure = u.EscapedPath(), u.Scheme == "https"
	}
	h.styles = h.add("style.css", "text/css; charset=utf-8")
	h.script = h.add("page.js", "text/javascript; charset=utf-8")
	h.icon = h.add("icon.svg", "image/svg+xml")
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, name := range names {
		page := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if page != "layout" && page != "parts" {
			h.pages[page] = template.Must(
				template.New("layout.html").
					Funcs(functions).
					ParseFS(files, "templates/layout.html", "templates/parts.html", name),
			)
		}
	}
	h.routes()
	return h, nil
}

// routes says which page is where. Everything that changes something is a POST.
func (h *handler) routes() {
	on := func(pattern string, f func(*visit)) {
		h.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v := h.visit(w, r)
			defer v.end()
			f(v)
		})
	}
	on("GET /{$}", (*visit).titles)
	on("GET /titles/{id}", (*visit).title)
	on("GET /titles/{id}/history/{n}", (*visit).edition)
	on("GET /publish", (*visit).publishForm)
	h.mux.HandleFunc("GET /ui/{file}", h.asset)
	on("/", (*visit).nothing)
	if h.api == nil {
		return
	}
	on("POST /publish", (*visit).publish)
	on("GET /contributors", (*visit).contributors)
	on("POST /contributors", (*visit).register)
	on("GET /contributors/token", (*visit).lostForm)
	on("POST /contributors/token", (*visit).lost)
	on("GET "+verifyPath, (*visit).verify)

	on("GET /signin", (*visit).signInForm)
	on("POST /signin", (*visit).signIn)
	on("POST /signout", (*visit).signOut)

	on("GET /upload", (*visit).uploadForm)
	on("POST /upload", (*visit).upload)
	on("GET /titles/{id}/edit", (*visit).editForm)
	on("POST /titles/{id}/edit", (*visit).edit)
	on("GET /titles/{id}/version", (*visit).versionForm)
	on("POST /titles/{id}/version", (*visit).addVersion)
	on("GET /titles/{id}/remove", (*visit).removeForm)
	on("POST /titles/{id}/remove", (*visit).remove)
	on("GET /titles/{id}/delete", (*visit).deleteForm)
	on("POST /titles/{id}/delete", (*visit).delete)
	on("POST /titles/{id}/history/{n}/restore", (*visit).undo)
	on("POST /titles/{id}/sync", (*visit).syncTitle)
	on("GET /titles/{id}/token", (*visit).tokenForm)
	on("POST /titles/{id}/token", (*visit).newToken)

	on("GET /tokens", (*visit).tokens)
	on("POST /tokens", (*visit).makeToken)
	on("GET /tokens/{id}/invalidate", (*visit).revokeForm)
	on("POST /tokens/{id}/invalidate", (*visit).revoke)
	on("GET /sources", (*visit).sources)
	on("POST /sources", (*visit).follow)
	on("POST /sources/now", (*visit).syncSource)
	on("GET /webhooks", (*visit).webhooks)
	on("POST /webhooks", (*visit).addWebhook)
	on("POST /webhooks/{id}/test", (*visit).testWebhook)
	on("GET /webhooks/{id}/delete", (*visit).deleteWebhookForm)
	on("POST /webhooks/{id}/delete", (*visit).deleteWebhook)
	on("GET /backup", (*visit).backup)
	on("GET /backup/full", (*visit).fullBackup)
	on("POST /backup/restore", (*visit).restore)
	on("POST /backup/import", (*visit).importTitles)
}

// verifyPath is where the link in the mail to a new contributor leads. It is the API's;
// browsers get a page.
const verifyPath = "/api/v1/contributors/verify"

// roots are the first segments of the paths of the page.
var roots = map[string]bool{
	"titles":       true,
	"publish":      true,
	"contributors": true,
	"ui":           true,
	"signin":       true,
	"signout":      true,
	"upload":       true,
	"tokens":       true,
	"sources":      true,
	"webhooks":     true,
	"backup":       true,
}

// Serves reports whether a request is for the page, so that a server knows where to send
// it. The root is the page's unless the client asks for JSON and not for HTML.
func Serves(r *http.Request) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	accept := r.Header.Get("Accept")
	switch {
	case r.URL.Path == "/":
		return strings.Contains(accept, "text/html") || !strings.Contains(accept, "json")
	case r.URL.Path == verifyPath:
		return r.Method == http.MethodGet && strings.Contains(accept, "text/html")
	}
	return roots[first]
}

// policy lets a page load what is its own, and nothing be done with it elsewhere.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	// Not no-referrer: with that, browsers say of no form where it comes from.
	header.Set("Referrer-Policy", "same-origin")
	if h.secure || r.TLS != nil { // elsewhere browsers complain of it
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	if err := h.cross.Check(r); err != nil {
		h.visit(w, r).
			fail(http.StatusForbidden, "This came from another site, so nothing was changed. Open the page here, and try again.")
		return
	}
	if p := r.URL.Path; p != "/" && path.Clean(p) != p {
		h.visit(w, r).notFound() // where the mux would lead elsewhere
		return
	}
	h.mux.ServeHTTP(w, r)
}

// nothing answers for what there is not.
func (v *visit) nothing() {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := *v.r
		other.Method = method
		if _, pattern := v.h.mux.Handler(&other); pattern != "/" {
			allow = append(allow, method)
			if method == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
	}
	if len(allow) > 0 {
		v.w.Header().Set("Allow", strings.Join(allow, ", "))
		v.fail(
			http.StatusMethodNotAllowed,
			"This is not how this page is asked for: "+strings.Join(allow, " or ")+" is.",
		)
		return
	}
	v.notFound()
}

func (v *visit) notFound() { v.fail(http.StatusNotFound, "There is no such page.") }
