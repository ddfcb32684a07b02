package webui

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/httpapi/client"
)

// signInPages are the pages for signing in and out.
type signInPages struct{ *visit }

// A signInPage asks for a token.
type signInPage struct {
	Next    string // the page to continue with
	Message string
	// Resume is the path of a form that was sent without being signed in, and Form its fields, encoded, so that nothing
	// that was typed is lost. They are empty if there is none.
	Resume, Form string
	// Multipart says that the form is sent as forms with files are.
	Multipart bool
}

// A resumePage has the fields of a form that was sent without being signed in.
type resumePage struct {
	Path      string
	Multipart bool
	Fields    []resumeField
}

// A resumeField is a field of such a form.
type resumeField struct{ Name, Value string }

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
	page := signInPage{Next: "/"}
	if v.r.Method == http.MethodGet {
		page.Next = localPath(v.r.URL.RequestURI())
	} else if len(v.r.PostForm) > 0 {
		page.Resume, page.Form = localPath(v.r.URL.RequestURI()), v.r.PostForm.Encode()
		page.Multipart = v.multipart
	}
	message := "Sign in first: this page requires a token."
	if v.h.session != nil {
		message = "Sign in first."
	}
	if page.Resume != "" {
		message += " What you entered is kept."
	}
	page.Message = message
	v.show(http.StatusUnauthorized, "signin", "Sign in", page)
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
	if !p.readFormOf(maxEditorForm) {
		return
	}
	next, token := localPath(p.value("next")), p.value("token")
	identity, err := p.client(token, false).Whoami(p.r.Context())
	if err != nil {
		r := p.refusalOf(err)
		page := signInPage{Next: next, Message: r.Message, Resume: p.value("resume"), Form: p.value("form"),
			Multipart: p.value("multipart") != ""}
		if errors.Is(err, client.ErrUnauthorized) {
			page.Message = "This token is not valid here: it is unknown, expired or revoked, or was not copied " +
				"completely. A token begins with pst_."
		}
		p.retryAfter(r)
		p.show(r.Status, "signin", "Sign in", page)
		return
	}
	p.keepToken(token)
	if resumed := p.resumed(); resumed != nil {
		p.visitor = visitor{Identity: identity, SignedIn: true}
		p.show(http.StatusOK, "resume", "Continue", resumed)
		return
	}
	if next == "/" && len(identity.Titles) == 1 {
		next = "/titles/" + url.PathEscape(identity.Titles[0])
	}
	p.redirect(next, "You are signed in.")
}

// resumed returns the form that was sent before signing in, or nil if there is none.
func (p signInPages) resumed() *resumePage {
	form, err := url.ParseQuery(p.value("form"))
	if err != nil || len(form) == 0 || p.value("resume") == "" {
		return nil
	}
	page := &resumePage{Path: localPath(p.value("resume")), Multipart: p.value("multipart") != ""}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			page.Fields = append(page.Fields, resumeField{name, value})
		}
	}
	return page
}

func (p signInPages) signOut() {
	p.forgetToken()
	p.redirect("/", "You are signed out.")
}
