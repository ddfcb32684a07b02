package webui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

const (
	// tokenCookie has the token of who has signed in.
	tokenCookie = "patchsource_token"
	// saidCookie has what the next page is to say of what was just done.
	saidCookie = "patchsource_said"
)

// A visit is one request for a page.
type visit struct {
	h   *handler
	w   http.ResponseWriter
	r   *http.Request
	who visitor
	// unsure is what the API has said when it could not tell who it is.
	unsure *answer
	// said is what was done by the request before.
	said string
	// leave, if not nil, ends the turn to work that the visit has, and leaveBody gives back the room of its form.
	leave, leaveBody func()
}

// end ends the visit.
func (v *visit) end() {
	v.rest()
	if v.leaveBody != nil {
		v.leaveBody()
	}
}

// rest ends the turn to work: what is left is to send the page, which may take long.
func (v *visit) rest() {
	if v.leave != nil {
		v.leave()
		v.leave = nil
	}
}

// trusted reports whether what the visitor costs is not counted.
func (v *visit) trusted() bool { return v.h.budget == nil || v.who.Administrator() || v.who.Editor() }

// admit bounds the form of a visitor and waits for room for it. If there is none, it says so.
func (v *visit) admit(most int64) bool {
	if !v.trusted() {
		if v.who.SignedIn() {
			most = min(most, maxPublished)
		} else {
			most = min(most, maxStranger)
		}
		within, leave, err := v.h.budget.EnterBody(v.w, v.r, most, v.who.SignedIn())
		if err != nil {
			v.busy()
			return false
		}
		v.r, v.leaveBody = within, leave
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, most)
	return true
}

// maxStranger bounds a form of a visitor who has not signed in: a definition, as the API takes it, and what is around it.
const maxStranger = 1<<20 + 64<<10

func (v *visit) busy() {
	v.w.Header().Set("Retry-After", "5")
	v.fail(http.StatusServiceUnavailable, "The server is busy with others. Try again in a few seconds.")
}

// enter waits for the visit's turn to have a title worked on. If the turn does not come, it says so.
func (v *visit) enter(id string) bool {
	if v.trusted() || v.leave != nil {
		return true
	}
	within, leave, err := v.h.budget.Enter(v.r, v.h.cat.Bytes(id))
	if err != nil {
		v.busy()
		return false
	}
	v.r, v.leave = within, leave
	return true
}

// A visitor is who has signed in, as the API knows them. The zero visitor has not.
type visitor struct {
	Token       string   `json:"-"`
	ID          string   `json:"id"`
	Kind        string   `json:"kind"` // administrator, editor, contributor or title
	Titles      []string `json:"titles_in_scope"`
	Contributor string   `json:"contributor"`
}

// SignedIn reports whether they have a token that is good for something.
func (p visitor) SignedIn() bool { return p.Token != "" }

// Administrator reports whether they may do everything.
func (p visitor) Administrator() bool { return p.Kind == "administrator" }

// Editor reports whether they may create and change every title, and administer nothing.
func (p visitor) Editor() bool { return p.Kind == "editor" }

// MayCreate reports whether they may create titles.
func (p visitor) MayCreate() bool { return p.Administrator() || p.Editor() || p.Kind == "contributor" }

// MayChange reports whether they may change a title: what they are offered. The API
// decides.
func (p visitor) MayChange(t Title) bool {
	switch p.Kind {
	case "administrator", "editor":
		return true
	case "contributor":
		return p.Contributor != "" && p.Contributor == t.Contributor
	}
	return slices.ContainsFunc(p.Titles, func(id string) bool { return strings.EqualFold(id, t.ID) })
}

// visit begins a visit: it finds out who it is.
func (h *handler) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{h: h, w: w, r: r}
	if c, err := r.Cookie(saidCookie); err == nil {
		if text, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil {
			v.said = strings.ToValidUTF8(string(text), "")
		}
	}
	c, err := r.Cookie(tokenCookie)
	if err != nil || c.Value == "" || h.api == nil {
		return v
	}
	// Not for caches, also if it opens nothing: it says so.
	w.Header().Set("Cache-Control", "no-store")
	v.who.Token = c.Value
	switch a := v.ask("GET", "/api/v1/token", nil); {
	case a.ok() && a.into(&v.who):
	case a.status == http.StatusUnauthorized:
		v.who = visitor{}
		v.setCookie(tokenCookie, "", -1)
		v.said = strings.TrimSpace(v.said + " You are signed out: the token has ended.")
	default:
		v.who, v.unsure = visitor{}, a
	}
	return v
}

// setCookie sets a cookie of the page's; maxAge as in http.Cookie.
func (v *visit) setCookie(name, value string, maxAge int) {
	http.SetCookie(
		v.w,
		&http.Cookie{
			Name:     name,
			Value:    value,
			Path:     v.h.base + "/",
			MaxAge:   maxAge,
			HttpOnly: true,
			Secure:   v.h.secure || v.r.TLS != nil,
			SameSite: http.SameSiteStrictMode,
		},
	)
}

// goTo leads to another page, which says what was done.
func (v *visit) goTo(path, said string) {
	if said != "" {
		v.setCookie(saidCookie, base64.RawURLEncoding.EncodeToString([]byte(shorten(said, 1000))), 60)
	}
	v.w.Header().Set("Cache-Control", "no-store")
	v.w.Header().Set("Location", v.h.base+path)
	v.w.WriteHeader(http.StatusSeeOther)
}

// sentence ends a message with a full stop.
func sentence(message string) string {
	if message == "" || strings.HasSuffix(message, ".") {
		return message
	}
	return message + "."
}

// shorten bounds a text.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// A layout is what is around every page.
type layout struct {
	Title, Styles, Script, Icon, Site, Base, Path, Said string
	Who                                                 visitor
	CanSignIn, Publishing                               bool
	Jamf                                                jamf
	Page                                                any
}

// show shows a page.
func (v *visit) show(status int, page, title string, data any) {
	var b bytes.Buffer
	h := v.h
	l := layout{
		Title:      title,
		Styles:     h.base + h.styles,
		Script:     h.base + h.script,
		Icon:       h.base + h.icon,
		Site:       v.address(),
		Base:       h.base,
		Path:       v.r.URL.Path,
		Said:       v.said,
		Who:        v.who,
		CanSignIn:  h.api != nil,
		Publishing: h.publish,
		Jamf:       v.jamf(),
		Page:       data,
	}
	if err := h.pages[page].Execute(&b, l); err != nil {
		h.log.Error("a page cannot be shown", "page", page, "error", err)
		http.Error(v.w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	header := v.w.Header()
	if _, err := v.r.Cookie(saidCookie); err == nil {
		v.setCookie(saidCookie, "", -1) // it is said once
		header.Set("Cache-Control", "no-store")
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Add("Vary", "Cookie")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-cache")
	}
	v.rest()
	if !v.trusted() {
		leave, err := h.budget.EnterAnswer(v.w, v.r, b.Len())
		if err != nil {
			header.Set("Retry-After", "5")
			http.Error(
				v.w,
				"The server is busy with others. Try again in a few seconds.",
				http.StatusServiceUnavailable,
			)
			return
		}
		defer leave()
	}
	header.Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(b.Bytes()) // an error is the visitor's who has gone
	}
}

// A complaint is what a page says of something that was refused.
type complaint struct {
	Message string
	Errors  []patch.Failure
}

func (v *visit) fail(status int, message string) {
	v.refused(&answer{Message: message, status: status, header: v.w.Header()})
}

// refused says what the API has said against something.
func (v *visit) refused(a *answer) {
	title := "This did not work"
	switch a.status {
	case http.StatusNotFound:
		title = "Not found"
	case http.StatusServiceUnavailable:
		title = "Not available at the moment"
	}
	v.again(a, "error", title, complaint{Message: a.Message, Errors: a.Errors})
}

// again shows a form once more, with what the API has said against it; or asks for a
// token, if it is that which has ended.
func (v *visit) again(a *answer, page, title string, data any) {
	if a.status == http.StatusUnauthorized {
		v.signInAgain()
		return
	}
	v.retryAfter(a)
	v.show(a.status, page, title, data)
}

// retryAfter says when to try again, as the API has.
func (v *visit) retryAfter(a *answer) {
	if after := a.header.Get("Retry-After"); after != "" {
		v.w.Header().Set("Retry-After", after)
	}
}

// signedIn reports whether the visitor has signed in; if not, they are asked to.
func (v *visit) signedIn() bool {
	switch {
	case v.who.SignedIn():
		return true
	case v.unsure != nil:
		v.refused(v.unsure)
	default:
		v.signInAgain()
	}
	return false
}

// address is where the page is found.
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

// A jamf is what an administrator of Jamf Pro types to add the source.
type jamf struct {
	Server, Port string
	SSL          bool
}

// jamf returns what to type into Jamf Pro.
func (v *visit) jamf() jamf {
	u, err := url.Parse(v.address())
	if err != nil {
		return jamf{Server: v.r.Host + "/jamf/v1"}
	}
	j := jamf{Server: u.Hostname() + u.EscapedPath() + "/jamf/v1", Port: u.Port(), SSL: u.Scheme == "https"}
	if strings.Contains(u.Hostname(), ":") { // an address of IPv6
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

// load returns the title in the path; if it cannot, it says so.
func (v *visit) load() (Title, *patch.Definition, bool) {
	if !v.enter(v.r.PathValue("id")) {
		return Title{}, nil, false
	}
	t, def, err := v.h.cat.Title(v.r.Context(), v.r.PathValue("id"))
	return t, def, v.loaded(err)
}

// loaded says what is wrong with reading a title, if something is.
func (v *visit) loaded(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrNotFound):
		v.fail(http.StatusNotFound, "There is no such title. It may have been deleted.")
	default:
		if !errors.Is(err, context.Canceled) {
			v.h.log.Error("a title cannot be shown", "title", v.r.PathValue("id"), "error", err)
		}
		v.w.Header().Set("Retry-After", "5")
		v.fail(http.StatusServiceUnavailable, "The title cannot be read at the moment. Try again in a while.")
	}
	return false
}

// An asset is a file that never changes under its name, which has its hash.
type asset struct {
	contentType string
	data        []byte
}

// add embeds a file under a name that has its hash.
func (h *handler) add(name, contentType string) (where string) {
	data, err := fs.ReadFile(files, "assets/"+name)
	if err != nil {
		panic(err) // it is embedded
	}
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	named := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	h.assets[named] = asset{contentType, data}
	return "/ui/" + named
}

// asset serves a file. It is the same for everybody: nobody is asked who they are.
func (h *handler) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := h.assets[r.PathValue("file")]
	if !ok {
		h.visit(w, r).notFound()
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.data))
}
