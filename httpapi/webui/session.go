package webui

import (
	"net/http"
	"net/url"
	"strings"
)

// maxForm bounds the body of a form without files.
const maxForm = 1 << 20

// form reads a form without files; if it cannot, it says so.
func (v *visit) form() bool {
	if !v.admit(maxForm) {
		return false
	}
	if err := v.r.ParseForm(); err != nil {
		v.fail(http.StatusBadRequest, "The form cannot be read. Open the page again, and try once more.")
		return false
	}
	return true
}

// value returns a field of a form without the blanks around it.
func (v *visit) value(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// A signInPage asks for a token.
type signInPage struct {
	Next    string
	Message string
}

func (v *visit) signInForm() {
	v.show(http.StatusOK, "signin", "Sign in", signInPage{Next: v.next(v.r.URL.Query().Get("next"))})
}

// signInAgain asks who is not signed in, or not any more, for a token.
func (v *visit) signInAgain() {
	next := "/"
	if v.r.Method == http.MethodGet {
		next = v.r.URL.RequestURI()
	}
	v.show(
		http.StatusUnauthorized,
		"signin",
		"Sign in",
		signInPage{Next: v.next(next), Message: "Sign in first: this is for those who have a token for it."},
	)
}

// next returns where to go after signing in: a page of this site.
func (v *visit) next(where string) string {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(u.Path, "//") ||
		strings.Contains(where, `\`) {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

func (v *visit) signIn() {
	if !v.form() {
		return
	}
	next := v.next(v.value("next"))
	v.who = visitor{Token: v.value("token")}
	a := v.ask("GET", "/api/v1/token", nil)
	if !a.ok() || !a.into(&v.who) {
		v.who = visitor{}
		page := signInPage{Next: next, Message: a.Message}
		if a.status == http.StatusUnauthorized {
			page.Message = "This token opens nothing here: it is unknown, has ended, or was not copied whole. It begins with pst_."
		}
		v.retryAfter(a)
		v.show(a.status, "signin", "Sign in", page)
		return
	}
	v.setCookie(tokenCookie, v.who.Token, 0)
	if next == "/" && len(v.who.Titles) == 1 {
		next = "/titles/" + url.PathEscape(v.who.Titles[0])
	}
	v.goTo(next, "You are signed in.")
}

func (v *visit) signOut() {
	v.setCookie(tokenCookie, "", -1)
	v.goTo("/", "You are signed out.")
}
