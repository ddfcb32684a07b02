package webui

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// loadPages parses the templates. Their names are those of the files without the extension.
func loadPages() (map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		page := strings.TrimSuffix(strings.TrimPrefix(name, "templates/"), ".html")
		if page == "layout" || page == "parts" || page == "feedparts" {
			continue
		}
		pages[page], err = template.New("layout.html").Funcs(functions).
			ParseFS(files, "templates/layout.html", "templates/parts.html", "templates/feedparts.html", name)
		if err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// functions are the functions of the templates.
var functions = template.FuncMap{
	"utc":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"moment":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"day":      func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"release":  releaseDay,
	"instant":  instant,
	"fitting":  func(name string) string { return strings.Join(patch.CriterionOperators(name), "|") },
	"words":    criteriaInWords,
	"join":     strings.Join,
	"plural":   plural,
	"sentence": func(s string) string { return sentence(capital(s)) },
	"list":     func(values ...any) []any { return values },
}

// releaseDay returns the day of a release date, or the text itself if it is not a time.
func releaseDay(s string) string {
	if t, err := patch.ParseTime(s); err == nil {
		return t.Format("2006-01-02")
	}
	return s
}

// instant returns the time of a release date, or nil if it is not a time.
func instant(s string) *time.Time {
	t, err := patch.ParseTime(s)
	if err != nil {
		return nil
	}
	return &t
}

// plural returns a number and the form of a noun for it.
func plural(n int, one, many string) string {
	if n == 1 {
		return strconv.Itoa(n) + " " + one
	}
	return strconv.Itoa(n) + " " + many
}

// sentence ends a message with a full stop.
func sentence(message string) string {
	if message == "" || strings.HasSuffix(message, ".") {
		return message
	}
	return message + "."
}

// shorten cuts a text to at most limit bytes and an ellipsis.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// A layout is the data of every page. Page is that of the page itself.
type layout struct {
	Title, Styles, Script, Icon, Site, Base, Path, Notice, SignInHint string

	Visitor    visitor
	Publishing bool
	// CanSignIn says that the page can be used signed in. SignIn and SignOut are where: SignIn is a link, SignOut the
	// action of a form, or a link if OwnSession is true. They are empty if there is no such place.
	CanSignIn, OwnSession bool
	SignIn, SignOut       string
	// Setup says that there is a page that leads through the configuration.
	Setup bool
	// Webhooks says that the server has webhooks.
	Webhooks bool
	fresh    func() bool
	// Feeds counts what needs attention. It is nil if the page does not offer release feeds to the visitor.
	Feeds *FeedCounts
	Jamf  jamf
	// Help is the path of the documentation about the page. It is empty if there is none.
	Help string
	// Refresh is the number of seconds after which the page reloads itself. It is 0 for nearly every page.
	Refresh int
	Page    any
}

func (v *visit) layout(page, title string, data any) layout {
	h := v.h
	l := layout{
		Title:      title,
		Styles:     h.base + h.assets.styles,
		Script:     h.base + h.assets.script,
		Icon:       h.base + h.assets.icon,
		Site:       v.address(),
		Base:       h.base,
		Path:       v.r.URL.Path,
		Notice:     v.notice,
		Visitor:    v.visitor,
		CanSignIn:  h.api != nil,
		Publishing: h.publishing,
		SignInHint: h.signInHint,
		Setup:      h.setup != nil,
		Webhooks:   !h.noWebhooks,
		fresh:      h.fresh,
		Jamf:       v.jamf(),
		Help:       h.help(page),
		Page:       data,
	}
	if changing, ok := data.(interface{ Refresh() int }); ok {
		l.Refresh = changing.Refresh()
	}
	if counter, ok := h.catalog.(FeedCounter); ok && v.visitor.MaySeeSources() {
		counts := counter.FeedCounts(v.visitor.MayChange)
		l.Feeds = &counts
	}
	switch {
	case h.api == nil:
	case h.session != nil:
		l.OwnSession, l.SignIn, l.SignOut = true, h.session.SignInURL, h.session.SignOutURL
	default:
		l.SignIn, l.SignOut = h.base+"/signin", h.base+"/signout"
	}
	return l
}

// Fresh reports whether no administrator has signed in to the server yet, as far as the setup can tell.
func (l layout) Fresh() bool { return l.fresh() }

// show shows a page.
func (v *visit) show(status int, page, title string, data any) {
	var b bytes.Buffer
	if err := v.h.pages[page].Execute(&b, v.layout(page, title, data)); err != nil {
		v.h.log.Error("rendering a page failed", "page", page, "error", err)
		http.Error(v.w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	header := v.w.Header()
	if _, err := v.r.Cookie(noticeCookie); err == nil {
		v.setCookie(noticeCookie, "", -1) // it is shown once
		header.Set("Cache-Control", "no-store")
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Add("Vary", "Cookie")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-cache")
	}
	v.rest()
	if !v.trusted() {
		leave, err := v.h.budget.EnterAnswer(v.w, v.r, b.Len())
		if err != nil {
			header.Set("Retry-After", "5")
			http.Error(v.w, "The server is busy. Try again in a few seconds.",
				http.StatusServiceUnavailable)
			return
		}
		defer leave()
	}
	header.Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(b.Bytes()) // an error means that the visitor has gone
	}
}

// address returns the URL of the page, without a slash at the end.
func (v *visit) address() string {
	if v.h.site != "" {
		return v.h.site
	}
	u := url.URL{Scheme: "http", Host: v.r.Host}
	if v.r.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// A jamf is what an administrator of Jamf Pro enters to add the source.
type jamf struct {
	Server, Port string
	SSL          bool
}

// jamf returns what to enter in Jamf Pro.
func (v *visit) jamf() jamf {
	u, err := url.Parse(v.address())
	if err != nil {
		return jamf{Server: v.r.Host + "/jamf/v1"}
	}
	j := jamf{Server: u.Hostname() + u.EscapedPath() + "/jamf/v1", Port: u.Port(), SSL: u.Scheme == "https"}
	if strings.Contains(u.Hostname(), ":") { // an IPv6 address
		j.Server = "[" + u.Hostname() + "]" + u.EscapedPath() + "/jamf/v1"
	}
	if j.Port == "" {
		j.Port = "80"
		if j.SSL {
			j.Port = "443"
		}
	}
	return j
}
