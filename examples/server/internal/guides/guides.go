// Package guides serves the documentation of the reference server: its manual and the other guides, the recipes, and
// the files to which the guides link, as pages that need no other host.
//
// The guides are about this server and its flags, which a program that embeds package httpapi/server replaces by its
// own, so this package is internal. Such a program can set server.Config.Docs to a handler of its own.
package guides

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/munnerz/goautoneg"
)

//go:embed assets templates
var files embed.FS

// Options are options of [New]. A nil *Options is the zero value.
type Options struct {
	// Site is the URL of the server, such as https://patches.example.com, with the prefix that it is mounted under.
	// Commands on pages contain it. If empty, it is the host that the visitor asked for.
	Site string
	// Logger receives the errors of pages that cannot be shown. If nil, they are not logged.
	Logger *slog.Logger
}

// A Handler serves /docs and everything below it, apart from the API reference. It works under a prefix, with
// http.StripPrefix. It is safe for concurrent use.
type Handler struct {
	site   string
	log    *slog.Logger
	pages  map[string]*template.Template
	assets map[string]file
	load   func() (*library, error) // reads and renders the guides at the first request
}

// A file is served as it is.
type file struct {
	contentType string
	data        []byte
}

// New returns the handler of the documentation. source has the guides and the recipes, as examples.Files returns them.
func New(source fs.FS, opts *Options) (*Handler, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	h := &Handler{
		site:   strings.TrimRight(o.Site, "/"),
		log:    o.Logger,
		pages:  map[string]*template.Template{},
		assets: map[string]file{},
		load:   sync.OnceValues(func() (*library, error) { return load(source) }),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	for _, name := range []string{"start", "guide", "recipe", "search", "missing"} {
		page, err := template.ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		h.pages[name] = page
	}
	for name, contentType := range map[string]string{
		"guides.css": "text/css; charset=utf-8",
		"guides.js":  "text/javascript; charset=utf-8",
		"icon.svg":   "image/svg+xml",
	} {
		data, err := fs.ReadFile(files, "assets/"+name)
		if err != nil {
			return nil, err
		}
		h.assets[name] = file{contentType, data}
	}
	return h, nil
}

// policy is the Content-Security-Policy: pages load their own files only, and are in no frame.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers would send forms with the origin null
	lib, err := h.load()
	if err != nil {
		h.log.Error("reading the documentation failed", "error", err)
		http.Error(w, "The documentation cannot be shown.", http.StatusInternalServerError)
		return
	}
	v := &visit{h, lib, w, r}
	below, ok := strings.CutPrefix(r.URL.Path, "/docs")
	serve := v.find(below)
	switch {
	case !ok || serve == nil:
		v.missing()
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "This page supports the methods GET and HEAD only.", http.StatusMethodNotAllowed)
	default:
		serve()
	}
}

// A visit is a request.
type visit struct {
	h   *Handler
	lib *library
	w   http.ResponseWriter
	r   *http.Request
}

// find returns the function that serves a path below /docs, or nil if nothing is there.
func (v *visit) find(below string) func() {
	switch {
	case below == "":
		return v.start
	case below == "/search":
		return v.search
	case !strings.HasPrefix(below, "/"):
		return nil
	case strings.HasSuffix(below, "/"):
		bare := strings.TrimSuffix(below, "/")
		if strings.HasSuffix(bare, "/") || v.find(bare) == nil {
			return nil
		}
		return func() { v.redirect("../" + path.Base("/docs"+bare)) }
	}
	name := below[1:]
	if f, ok := v.h.assets[name]; ok {
		return func() { v.send(f.contentType, f.data) }
	}
	bare, markdown := strings.CutSuffix(name, ".md")
	if g := v.lib.guides[bare]; g != nil {
		return func() { v.guide(g, markdown) }
	}
	if id, ok := strings.CutPrefix(name, "recipes/"); ok {
		if r := v.lib.recipes[id]; r != nil {
			return func() { v.recipe(r) }
		}
	}
	if data, ok := v.lib.files[name]; ok {
		return func() { v.send(contentType(name), data) }
	}
	return nil
}

// contentType returns the type of a file to which a guide links. Browsers show all of them.
func contentType(name string) string {
	if strings.HasSuffix(name, ".json") {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// redirect redirects to a relative address.
func (v *visit) redirect(to string) {
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusMovedPermanently)
}

// guide serves a guide as a page or, if asked for, as its Markdown.
func (v *visit) guide(g *guide, markdown bool) {
	const html, plain = "text/html", "text/markdown"
	if !markdown {
		v.w.Header().Add("Vary", "Accept")
		markdown = goautoneg.Negotiate(v.r.Header.Get("Accept"), []string{html, plain}) == plain
	}
	if markdown {
		v.send(plain+"; charset=utf-8", g.Source)
		return
	}
	v.show(http.StatusOK, "guide", page{Title: g.Title, Current: g.Name, Data: v.guidePage(g)})
}

// send sends bytes, or tells the client that it has them already.
func (v *visit) send(contentType string, data []byte) {
	sum := sha256.Sum256(data)
	header := v.w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-cache")
	header.Set("ETag", `W/"`+hex.EncodeToString(sum[:12])+`"`)
	http.ServeContent(v.w, v.r, "", time.Time{}, bytes.NewReader(data))
}

// show shows a page.
func (v *visit) show(status int, name string, p page) {
	v.complete(&p)
	var b bytes.Buffer
	if err := v.h.pages[name].ExecuteTemplate(&b, "layout.html", p); err != nil {
		v.h.log.Error("rendering a page failed", "page", name, "error", err)
		http.Error(v.w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	const html = "text/html; charset=utf-8"
	if status == http.StatusOK {
		v.send(html, b.Bytes())
		return
	}
	v.w.Header().Set("Content-Type", html)
	v.w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(b.Bytes()) // the visitor is gone
	}
}
