package webui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/httpapi/client"
)

// signInPages are the pages for signing in and out.
type signInPages struct{ *visit }

// A signInPage asks for a token.
type signInPage struct {
	Next    string // the page to continue with
	Message string
}

func (p signInPages) form() {
	p.show(http.StatusOK, "signin", "Sign in", signInPage{Next: localPath(p.r.URL.Query().Get("next"))})
}

// elsewhere leads to the page for signing in of a program with its own sessions.
func (p signInPages) elsewhere() {
	p.w.Header().Set("Location", p.h.session.SignInURL)
	p.w.WriteHeader(http.StatusSeeOther)
}

// askToSignIn asks a visitor who is not, or no longer, signed in to sign in.
func (v *visit) askToSignIn() {
	next := "/"
	if v.r.Method == http.MethodGet {
		next = v.r.URL.RequestURI()
	}
	message := "Sign in first: this page requires a token."
	if v.h.session != nil {
		message = "Sign in first."
	}
	v.show(http.StatusUnauthorized, "signin", "Sign in", signInPage{Next: localPath(next), Message: message})
}

// localPath returns a path of this site with its query, or / if where is not one.
func localPath(where string) string {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(u.Path, "//") || strings.Contains(where, `\`) {
		return "/"
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

func (p signInPages) signIn() {
	if !p.readForm() {
		return
	}
	next, token := localPath(p.value("next")), p.value("token")
	identity, err := p.client(token, false).Whoami(p.r.Context())
	if err != nil {
		r := p.refusalOf(err)
		page := signInPage{Next: next, Message: r.Message}
		if errors.Is(err, client.ErrUnauthorized) {
			page.Message = "This token is not valid here: it is unknown, expired or revoked, or was not copied " +
				"completely. A token begins with pst_."
		}
		p.retryAfter(r)
		p.show(r.Status, "signin", "Sign in", page)
		return
	}
	p.keepToken(token)
	if next == "/" && len(identity.Titles) == 1 {
		next = "/titles/" + url.PathEscape(identity.Titles[0])
	}
	p.redirect(next, "You are signed in.")
}

func (p signInPages) signOut() {
	p.forgetToken()
	p.redirect("/", "You are signed out.")
}
