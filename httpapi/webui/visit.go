package webui

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

const (
	// tokenCookie holds the bearer token of a visitor who has signed in.
	tokenCookie = "patchsource_token"
	// noticeCookie holds the notice that the next page shows.
	noticeCookie = "patchsource_said"
)

const (
	// maxAnonymousForm limits a form of a visitor who has not signed in: to the largest definition that the API accepts
	// from anonymous clients, and the rest of the form.
	maxAnonymousForm = 1<<20 + 64<<10
	// maxNotice limits a notice.
	maxNotice = 1000
)

// A visit is one request for a page.
type visit struct {
	h       *handler
	w       http.ResponseWriter
	r       *http.Request
	visitor visitor
	// api calls the API in the name of the visitor. It is nil if there is no API.
	api *client.Client
	// token is the bearer token of a visitor who has signed in with one.
	token string
	// unknown is the error of the API if it could not tell who the visitor is.
	unknown error
	// notice tells the visitor the result of the previous request.
	notice string
	// multipart says that the form was sent as forms with files are.
	multipart bool
	// leave, if not nil, ends the turn of the visit to work; leaveBody frees the room of its form.
	leave, leaveBody func()
}

// begin begins a visit: it asks the API who the visitor is.
func (h *handler) begin(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{h: h, w: w, r: r}
	if c, err := r.Cookie(noticeCookie); err == nil {
		if text, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil {
			v.notice = strings.ToValidUTF8(string(text), "")
		}
	}
	if h.api == nil {
		return v
	}
	v.api = v.anonymous()
	if h.session != nil {
		v.api = v.client("", true)
		v.identify()
		return v
	}
	if c, err := r.Cookie(tokenCookie); err == nil && c.Value != "" {
		v.token = c.Value
		v.api = v.client(v.token, false)
		v.identify()
	}
	return v
}

// identify asks the API who the visitor is. The page depends on the answer, so caches must not keep it.
func (v *visit) identify() {
	v.w.Header().Set("Cache-Control", "no-store")
	identity, err := v.api.Whoami(v.r.Context())
	switch {
	case err == nil:
		v.visitor = visitor{Identity: identity, SignedIn: true}
		if v.h.session != nil && v.h.session.May != nil {
			v.visitor.session = func(a string, t Title) bool { return v.h.session.May(v.r, a, t) }
		}
	case !errors.Is(err, client.ErrUnauthorized):
		v.unknown = err
	case v.h.session == nil:
		v.token, v.api = "", v.anonymous()
		v.forgetToken()
		v.notice = strings.TrimSpace(v.notice + " You are signed out because your token is no longer valid.")
	}
}

// anonymous returns a client of the API that acts for a visitor who has not signed in.
func (v *visit) anonymous() *client.Client { return v.client("", false) }

// end ends the visit.
func (v *visit) end() {
	v.rest()
	if v.leaveBody != nil {
		v.leaveBody()
	}
}

// rest ends the turn of the visit to work. Only sending the page is left to do, which may take long.
func (v *visit) rest() {
	if v.leave != nil {
		v.leave()
		v.leave = nil
	}
}

// trusted reports whether the visitor is not limited by the budget.
func (v *visit) trusted() bool {
	return v.h.budget == nil || v.visitor.Administrator() || v.visitor.Editor()
}

// admit limits the size of the visitor's form and waits for room for it. If there is none, it shows an error and
// returns false.
func (v *visit) admit(limit int64) bool {
	if !v.trusted() {
		if v.visitor.SignedIn {
			limit = min(limit, maxPublished)
		} else {
			limit = min(limit, maxAnonymousForm)
		}
		within, leave, err := v.h.budget.EnterBody(v.w, v.r, limit, v.visitor.SignedIn)
		if err != nil {
			v.busy()
			return false
		}
		v.r, v.leaveBody = within, leave
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, limit)
	return true
}

// enter waits for the visit's turn to process a title. If the turn does not come, it shows an error and returns false.
func (v *visit) enter(id string) bool {
	if v.trusted() || v.leave != nil {
		return true
	}
	within, leave, err := v.h.budget.Enter(v.r, v.h.catalog.Bytes(id))
	if err != nil {
		v.busy()
		return false
	}
	v.r, v.leave = within, leave
	return true
}

// setCookie sets a cookie of the page. maxAge is that of http.Cookie.
func (v *visit) setCookie(name, value string, maxAge int) {
	http.SetCookie(v.w, &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     v.h.base + "/",
		MaxAge:   maxAge,
		HttpOnly: true,
		Secure:   v.h.secure || v.r.TLS != nil,
		SameSite: http.SameSiteStrictMode,
	})
}

// keepToken keeps the token of a visitor who has signed in, until the browser is closed.
func (v *visit) keepToken(secret string) { v.setCookie(tokenCookie, secret, 0) }

// forgetToken signs the visitor out.
func (v *visit) forgetToken() { v.setCookie(tokenCookie, "", -1) }

// redirect leads to another page, which shows the notice.
func (v *visit) redirect(path, notice string) {
	if notice != "" {
		v.setCookie(noticeCookie, base64.RawURLEncoding.EncodeToString([]byte(shorten(notice, maxNotice))), 60)
	}
	v.w.Header().Set("Cache-Control", "no-store")
	v.w.Header().Set("Location", v.h.base+path)
	v.w.WriteHeader(http.StatusSeeOther)
}

// done leads to another page, which shows the message of a change, or shows the error of the change.
func (v *visit) done(err error, path, message string) {
	if err != nil {
		v.refused(err)
		return
	}
	v.redirect(path, sentence(message))
}

// signedIn reports whether the visitor has signed in. If not, it asks them to.
func (v *visit) signedIn() bool {
	switch {
	case v.visitor.SignedIn:
		return true
	case v.unknown != nil:
		v.refused(v.unknown)
	default:
		v.askToSignIn()
	}
	return false
}

// load returns the title in the path. If it cannot, it shows an error and returns false.
func (v *visit) load() (Title, *patch.Definition, bool) {
	if !v.enter(v.r.PathValue("id")) {
		return Title{}, nil, false
	}
	t, def, err := v.h.catalog.Title(v.r.Context(), v.r.PathValue("id"))
	return t, def, v.loaded(err)
}

// loaded reports whether a title was read. If not, it shows an error.
func (v *visit) loaded(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrNotFound):
		v.fail(http.StatusNotFound, "This title does not exist. It may have been deleted.")
	default:
		if !errors.Is(err, context.Canceled) {
			v.h.log.Error("reading a title for the page failed", "title", v.r.PathValue("id"), "error", err)
		}
		v.w.Header().Set("Retry-After", "5")
		v.fail(http.StatusServiceUnavailable, "This title cannot be read at the moment. Try again later.")
	}
	return false
}

// editable returns the title in the path if the visitor may change it. If not, it shows an error and returns false.
func (v *visit) editable() (Title, *patch.Definition, bool) {
	if !v.signedIn() {
		return Title{}, nil, false
	}
	t, def, ok := v.load()
	return t, def, ok && v.mayChange(t)
}

// changeable is editable without the definition.
func (v *visit) changeable() (Title, bool) {
	if !v.signedIn() {
		return Title{}, false
	}
	t, ok := v.h.catalog.Find(v.r.PathValue("id"))
	if !ok {
		return t, v.loaded(ErrNotFound)
	}
	return t, v.mayChange(t)
}

// mayChange reports whether the visitor may change a title. If not, it shows an error.
func (v *visit) mayChange(t Title) bool {
	if v.visitor.MayChange(t) {
		return true
	}
	message := "Your token does not allow you to change this title."
	if v.h.session != nil {
		message = "You are not allowed to change this title."
	}
	v.fail(http.StatusForbidden, message)
	return false
}
