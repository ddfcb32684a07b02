package webui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// A publishPage takes a definition from who has no account.
type publishPage struct {
	Open          bool // anybody may publish
	Author, Email string
	URL, Text     string
	Message       string
	failures
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
	p := publishPage{
		Open:     v.h.publish,
		Author:   v.value("author_name"),
		Email:    v.value("author_email"),
		URL:      v.value("definition_url"),
		failures: failures{},
	}
	var text []byte
	if len(files) > 0 {
		text = files[0].Text
	}
	a := v.postPublication(&p, files)
	if a.ok() {
		p.Published, p.PublishedMessage, p.PublishedWarnings = a.ID, sentence(a.Message), a.Warnings
		v.show(a.status, "published", "Published", p)
		return
	}
	p.Message = a.Message
	var own []patch.Failure
	for _, e := range a.Errors {
		if e.Path == "/author_name" || e.Path == "/author_email" || e.Path == "/definition_url" {
			p.failures[e.Path] = e.Message
		} else {
			own = append(own, e)
		}
	}
	p.Finding = find(text, "/definition", own, nil)
	p.Text = p.Finding.Text
	v.again(a, "publish", "Publish", p)
}

// postPublication has the API publish what the form has.
func (v *visit) postPublication(p *publishPage, files []file) *answer {
	body := map[string]any{"author_name": p.Author, "author_email": p.Email}
	wrong := &answer{status: http.StatusBadRequest}
	switch {
	case len(files) > 1:
		wrong.Message = "Nothing was published: give one definition, as a file or as text, and not both."
	case len(files) == 1 && p.URL != "":
		wrong.Message = "Nothing was published: give a definition, or the address of one, and not both."
	case len(files) == 0 && p.URL == "":
		wrong.Message = "Nothing was published: choose a file, paste a definition, or give the address of one."
	case len(files) == 0:
		body["definition_url"] = p.URL
		return v.askAsAnybody("/api/v1/title", body)
	default:
		err := patch.CheckSyntax(files[0].Text, nil)
		if err == nil {
			body["definition"] = json.RawMessage(files[0].Text)
			return v.askAsAnybody("/api/v1/title", body)
		}
		wrong.Message = "Nothing was published: this is no JSON."
		if errors.Is(err, patch.ErrTooLarge) {
			wrong.status, wrong.Message = http.StatusRequestEntityTooLarge, "Nothing was published: a definition may have 10 MiB."
		}
		for _, e := range syntaxOf(files[0].Text) {
			wrong.Errors = append(wrong.Errors, patch.Failure{Path: "/definition" + e.Path, Message: e.Message})
		}
	}
	return wrong
}

// A contributor is one in the list.
type contributor struct {
	ID     string `json:"id"`
	Name   string `json:"display_name"`
	Titles int    `json:"title_count"`
	URN    string `json:"urn"`
}

// Source is what Jamf Pro takes as the address of the contributor's feed: without the path of its
// list, which Jamf Pro adds.
func (c contributor) Source() string { return strings.TrimSuffix(c.URN, "/software") }

// A contributorsPage lists those who publish under their own name.
type contributorsPage struct {
	Contributors []contributor
	Name, Email  string
	Message      string
	failures
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
	p := contributorsPage{Name: v.value("name"), Email: v.value("email"), failures: failures{}}
	a := v.askJSON("POST", "/api/v1/contributors/register", map[string]string{"name": p.Name, "email": p.Email})
	if a.ok() {
		v.done(a, "/contributors")
		return
	}
	p.Message = a.Message
	for _, e := range a.Errors {
		p.failures[e.Path] = e.Message
	}
	v.retryAfter(a)
	v.showContributors(a.status, p)
}

// A lostPage asks for a contributor's new token.
type lostPage struct {
	Email, Message string
	failures
}

func (v *visit) lostForm() { v.show(http.StatusOK, "lost", "Lost your token?", lostPage{}) }

// lost has a new token mailed to a contributor. The API says the same whether or not the address
// is a contributor's.
func (v *visit) lost() {
	if !v.form() {
		return
	}
	p := lostPage{Email: v.value("email"), failures: failures{}}
	a := v.askAsAnybody("/api/v1/contributors/token", map[string]string{"email": p.Email})
	if a.ok() {
		v.done(a, "/contributors")
		return
	}
	p.Message = a.Message
	for _, e := range a.Errors {
		p.failures[e.Path] = e.Message
	}
	v.again(a, "lost", "Lost your token?", p)
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
	failures
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
	if !v.form() {
		return
	}
	t, _, ok := v.load()
	if !ok {
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
	p.failures = failures{}
	for _, e := range a.Errors {
		p.failures[e.Path] = e.Message
	}
	v.again(a, "token", "A new token for "+t.Name, p)
}

// showToken shows a token, this once.
func (v *visit) showToken(a *answer) {
	v.w.Header().Set("Cache-Control", "no-store")
	v.show(http.StatusOK, "made", "Your new token", a)
}
