package webui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// A publishPage takes a definition from who has no account.
type publishPage struct {
	Open              bool // anybody may publish
	Author, Email     string
	URL, Text         string
	Message           string
	Failures          map[string]string // by path
	Finding           finding
	Published         string // the id of what was published
	PublishedMessage  string
	PublishedWarnings []patch.Warning
}

func (v *visit) publishForm() {
	v.show(http.StatusOK, "publish", "Publish", publishPage{Open: v.h.publish})
}

// publish publishes a definition, or the address of one.
func (v *visit) publish() {
	files, ok := v.uploaded(maxPublished)
	if !ok {
		return
	}
	p := publishPage{Open: v.h.publish, Author: v.value("author_name"), Email: v.value("author_email"), URL: v.value("definition_url"), Failures: map[string]string{}}
	body := map[string]any{"author_name": p.Author, "author_email": p.Email}
	var text []byte
	switch {
	case len(files) > 1:
		p.Message = "Nothing was published: one definition is taken at a time."
	case len(files) == 1 && p.URL != "":
		p.Message = "Nothing was published: give a definition, or the address of one, and not both."
	case len(files) == 0 && p.URL == "":
		p.Message = "Nothing was published: choose a file, paste a definition, or give the address of one."
	case len(files) == 1:
		text = files[0].Text
		if wrong := syntaxOf(text); wrong != nil {
			p.Message = "Nothing was published: this is no JSON."
			p.Finding = find(text, "", wrong, nil)
		}
		body["definition"] = json.RawMessage(strings.TrimPrefix(string(text), "\ufeff"))
	default:
		body["definition_url"] = p.URL
	}
	status := http.StatusBadRequest
	if p.Message == "" {
		a := v.askAsAnybody("/api/v1/title", body)
		status = a.status
		if a.ok() {
			p.Published, p.PublishedMessage, p.PublishedWarnings = a.ID, a.Message+".", a.Warnings
			v.show(status, "published", "Published", p)
			return
		}
		p.Message = a.Message
		var own []patch.Failure
		for _, e := range a.Errors {
			if e.Path == "/author_name" || e.Path == "/author_email" || e.Path == "/definition_url" {
				p.Failures[e.Path] = e.Message
			} else {
				own = append(own, e)
			}
		}
		if text != nil {
			p.Finding = find(text, "/definition", own, nil)
		} else {
			for _, e := range own {
				p.Finding.Notes = append(p.Finding.Notes, note{Path: e.Path, Message: e.Message})
			}
		}
	}
	if text != nil && len(text) <= maxText {
		p.Text = string(readable(text))
	}
	v.show(status, "publish", "Publish", p)
}

// A contributor is one in the list.
type contributor struct {
	ID     string `json:"id"`
	Name   string `json:"display_name"`
	Titles int    `json:"title_count"`
	URN    string `json:"urn"`
}

// A contributorsPage lists those who publish under their own name.
type contributorsPage struct {
	Contributors []contributor
	Name, Email  string
	Message      string
	Failures     map[string]string
}

func (v *visit) contributors() { v.showContributors(http.StatusOK, contributorsPage{}) }

func (v *visit) showContributors(status int, p contributorsPage) {
	a := v.ask("GET", "/api/v1/contributors", nil)
	if !a.ok() || !a.into(&p.Contributors) {
		if a.status == http.StatusNotFound {
			a.Message = "This server has no contributors: it was started without them."
		}
		v.refused(a)
		return
	}
	v.show(status, "contributors", "Contributors", p)
}

// register makes somebody a contributor.
func (v *visit) register() {
	if !v.form() {
		return
	}
	p := contributorsPage{Name: v.value("name"), Email: v.value("email"), Failures: map[string]string{}}
	a := v.askJSON("POST", "/api/v1/contributors/register", map[string]string{"name": p.Name, "email": p.Email})
	if a.ok() {
		v.done(a, "/contributors")
		return
	}
	p.Message = a.Message
	for _, e := range a.Errors {
		p.Failures[e.Path] = e.Message
	}
	v.showContributors(a.status, p)
}

// verify is where the link in the mail to a contributor leads.
func (v *visit) verify() {
	a := v.ask("GET", v.r.URL.RequestURI(), nil)
	v.w.Header().Set("Cache-Control", "no-store")
	if !a.ok() {
		v.refused(a)
		return
	}
	v.show(a.status, "said", "Welcome", a.Message)
}

// A tokenPage asks for a title's new token.
type tokenPage struct {
	Title
	MayExchange bool
	Message     string
	Failure     string
}

func (v *visit) tokenForm() {
	if t, _, ok := v.load(); ok {
		v.show(http.StatusOK, "token", "A new token for "+t.Name, v.newTokenPage(t))
	}
}

func (v *visit) newTokenPage(t Title) tokenPage {
	return tokenPage{Title: t, MayExchange: v.who.Kind == "title" && v.who.MayChange(t)}
}

// newToken mails a new token to a title's author, or exchanges the visitor's.
func (v *visit) newToken() {
	t, _, ok := v.load()
	if !ok || !v.form() {
		return
	}
	target := "/api/v1/title/" + url.PathEscape(t.ID) + "/token"
	if v.value("exchange") != "" {
		a := v.ask("POST", target, nil)
		if !a.ok() {
			v.refused(a)
			return
		}
		v.setCookie(tokenCookie, a.Token, 0)
		v.who.Token = a.Token
		v.showToken(a)
		return
	}
	p := v.newTokenPage(t)
	a := v.askAsAnybody(target, map[string]string{"author_email": v.value("author_email")})
	if a.ok() {
		v.goTo(titleURL(t), a.Message)
		return
	}
	p.Message = a.Message
	for _, e := range a.Errors {
		p.Failure = e.Message
	}
	v.show(a.status, "token", "A new token for "+t.Name, p)
}

// showToken shows a token, this once.
func (v *visit) showToken(a *answer) {
	v.w.Header().Set("Cache-Control", "no-store")
	v.show(http.StatusOK, "made", "Your new token", a)
}
