// Package webui is the page that a person sees first: the titles in a table, each title
// on a page of its own, and how to publish. It reads; what changes titles is the API's.
//
// It is a handler that a server puts beside httpapi, and asks a [Catalog] for what it
// shows. All of it is embedded: no page asks another host for anything, and each works
// without JavaScript. What strangers have written is escaped wherever it stands.
package webui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// ErrNotFound is a title that a [Catalog] does not have.
var ErrNotFound = errors.New("title not found")

// A Title is what the table shows of a title.
type Title struct {
	ID, Name, Publisher, Author, Version string
	// Changed is when its definition last changed.
	Changed time.Time
	// Follows is the source that it is kept in step with, empty if none, and Trouble
	// what is wrong with that.
	Follows, Trouble string
}

// An Edition is a title's definition as it was at one time.
type Edition struct {
	Number  uint64
	At      time.Time
	Version string
	Current bool
}

// A Catalog is what is shown. Its methods are called by many goroutines at once.
type Catalog interface {
	// Titles yields all titles.
	Titles() iter.Seq[Title]
	// Title returns a title and its definition, or ErrNotFound.
	Title(ctx context.Context, id string) (Title, *patch.Definition, error)
	// History returns the editions that there are, the newest first, or ErrNotFound.
	History(ctx context.Context, id string) ([]Edition, error)
}

// Options are options of [New]. Nil means the zero value.
type Options struct {
	// Site is where the server is found from outside, such as
	// https://patches.example.com. Empty: as the visitor has found it.
	Site string
	// Publishing says that anybody may publish.
	Publishing bool
	// Logger is told of what cannot be shown. Nil: silent.
	Logger *slog.Logger
}

//go:embed assets templates
var files embed.FS

// A handler serves the pages.
type handler struct {
	cat       Catalog
	site      string
	publish   bool
	log       *slog.Logger
	pages     map[string]*template.Template
	assets    map[string]asset
	stylesURL string
	scriptURL string
}

// An asset is a file that never changes under its name, which has its hash.
type asset struct {
	contentType string
	data        []byte
}

// New returns a handler of /, /titles/{id}, /publish and /ui/. It is safe for
// concurrent use.
func New(cat Catalog, opts *Options) http.Handler {
	h := &handler{cat: cat, pages: map[string]*template.Template{}, assets: map[string]asset{}}
	if opts != nil {
		h.site, h.publish, h.log = strings.TrimRight(opts.Site, "/"), opts.Publishing, opts.Logger
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.stylesURL = h.add("style.css", "text/css; charset=utf-8")
	h.scriptURL = h.add("page.js", "text/javascript; charset=utf-8")
	for _, page := range []string{"titles", "title", "publish", "error"} {
		h.pages[page] = template.Must(template.New("layout.html").Funcs(functions).ParseFS(files, "templates/layout.html", "templates/"+page+".html"))
	}
	return h
}

// Serves reports whether a path is one of the pages', so that a server knows where to
// send a request.
func Serves(path string) bool {
	return path == "/" || path == "/publish" || strings.HasPrefix(path, "/titles/") || strings.HasPrefix(path, "/ui/")
}

// add embeds a file under a name that has its hash.
func (h *handler) add(name, contentType string) (url string) {
	data, err := fs.ReadFile(files, "assets/"+name)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	url = "/ui/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	h.assets[url] = asset{contentType, data}
	return url
}

// policy lets a page load what is its own, and nothing be done with it elsewhere.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		h.fail(w, r, http.StatusMethodNotAllowed, "This page can only be read.")
		return
	}
	switch {
	case r.URL.Path == "/":
		h.titles(w, r)
	case r.URL.Path == "/publish":
		h.render(w, r, http.StatusOK, "publish", "Publish", struct{ Open bool }{h.publish})
	case strings.HasPrefix(r.URL.Path, "/titles/"):
		h.title(w, r)
	case h.assets[r.URL.Path].data != nil:
		a := h.assets[r.URL.Path]
		header.Set("Content-Type", a.contentType)
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
	default:
		h.fail(w, r, http.StatusNotFound, "There is no such page.")
	}
}

// A layout is what is around every page.
type layout struct {
	Title, Styles, Script, Site string
	Page                        any
}

func (h *handler) render(w http.ResponseWriter, r *http.Request, status int, page, title string, data any) {
	var b bytes.Buffer
	if err := h.pages[page].Execute(&b, layout{Title: title, Styles: h.stylesURL, Script: h.scriptURL, Site: h.address(r), Page: data}); err != nil {
		h.log.Error("a page cannot be shown", "page", page, "error", err)
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // an error is the visitor's who has gone
	}
}

func (h *handler) fail(w http.ResponseWriter, r *http.Request, status int, message string) {
	h.render(w, r, status, "error", http.StatusText(status), message)
}

// address is where the server is found.
func (h *handler) address(r *http.Request) string {
	if h.site != "" {
		return h.site
	}
	u := url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}
