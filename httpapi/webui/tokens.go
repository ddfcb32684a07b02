package webui

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A token is one in the list.
type token struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Kind     string     `json:"kind"`
	Titles   []string   `json:"titles_in_scope"`
	MadeWith string     `json:"made_with"` // empty: none
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires"`
	LastUsed *time.Time `json:"last_used"`
}

// What a token that is made on the page is for.
const (
	forTitles        = "titles"        // the titles that the form names
	forAll           = "all"           // every title that its maker may change
	forAdministrator = "administrator" // everything
)

// defaultDays is how long a token lives unless the form says otherwise.
const defaultDays = "365"

// A tokensPage lists tokens and has the form that makes one.
type tokensPage struct {
	Tokens                  []token
	Name, For, Titles, Days string
	Never                   bool
	complaint
	failures // of fields
}

func (v *visit) tokens() {
	p := tokensPage{For: forTitles, Days: defaultDays}
	if v.who.MayCreate() {
		p.For = forAll
	}
	v.showTokens(http.StatusOK, p)
}

func (v *visit) showTokens(status int, p tokensPage) {
	if all, ok := v.listTokens(); ok {
		p.Tokens = all
		v.show(status, "tokens", "Tokens", p)
	}
}

// listTokens returns the tokens that the visitor may see; if it cannot, it says so.
func (v *visit) listTokens() ([]token, bool) {
	var list struct {
		Tokens []token `json:"tokens"`
	}
	ok := v.askFor("/api/v1/tokens", &list)
	return list.Tokens, ok
}

// makeToken makes the token that the form describes. A form that leaves out what the token is
// called, what it is for or how long it lives makes none.
func (v *visit) makeToken() {
	if !v.signedIn() || !v.form() {
		return
	}
	p := tokensPage{
		Name:     v.value("name"),
		For:      v.value("for"),
		Titles:   v.value("titles"),
		Days:     v.value("days"),
		Never:    v.value("never") != "",
		failures: failures{},
	}
	body := p.request()
	if len(p.failures) > 0 {
		p.Message = "No token was created: correct the marked fields."
		v.showTokens(http.StatusBadRequest, p)
		return
	}
	a := v.askJSON("POST", "/api/v1/tokens", body)
	if a.ok() {
		v.showToken(a)
		return
	}
	p.Message = a.Message
	for _, e := range a.Errors {
		switch e.Path {
		case "/name", "/titles_in_scope", "/expires_in_days":
			p.failures[e.Path] = e.Message
		default:
			p.Errors = append(p.Errors, e)
		}
	}
	v.retryAfter(a)
	v.showTokens(a.status, p)
}

// request returns the body that has the API make the token, and records what is wrong with the
// fields.
func (p *tokensPage) request() map[string]any {
	body := map[string]any{"name": p.Name}
	if p.Name == "" {
		p.failures["/name"] = "give it a name that says where it is used"
	}
	switch titles := split(p.Titles); {
	case p.For == forTitles && len(titles) == 0:
		p.failures["/titles_in_scope"] = "name at least one title, or choose another use"
	case p.For == forTitles:
		body["titles_in_scope"] = titles
	case p.For != forAll && p.For != forAdministrator:
		p.failures["/for"] = "choose what the token is for"
	case len(titles) > 0:
		p.failures["/titles_in_scope"] = "leave this empty, or choose “these titles”"
	case p.For == forAdministrator:
		body["administrator"] = true
	}
	switch days, err := strconv.Atoi(p.Days); {
	case p.Never:
		body["never_expires"] = true
	case err != nil || days < 1 || days > 365:
		p.failures["/expires_in_days"] = "must be a number from 1 to 365"
	default:
		body["expires_in_days"] = days
	}
	return body
}

// A revokePage asks whether a token is to be revoked.
type revokePage struct {
	token
	Own bool
	// Below are the tokens that end with it.
	Below []token
	// Last says that the API refuses to revoke the token, the last administrator's, unless its
	// id is typed.
	Last    bool
	Message string
	Errors  []patch.Failure
}

func (v *visit) revokeForm() { v.askToRevoke(http.StatusOK, revokePage{}) }

// askToRevoke shows the page that asks whether the token in the path is to be revoked.
func (v *visit) askToRevoke(status int, p revokePage) {
	all, ok := v.listTokens()
	if !ok {
		return
	}
	id := v.r.PathValue("id")
	i := slices.IndexFunc(all, func(t token) bool { return t.ID == id })
	if i < 0 {
		v.fail(http.StatusNotFound, "There is no such token. It may have been revoked.")
		return
	}
	p.token, p.Own, p.Below = all[i], id == v.who.ID, madeWith(all, id)
	v.show(status, "revoke", "Revoke a token", p)
}

// madeWith returns the tokens that were made with one, at any depth.
func madeWith(all []token, id string) (below []token) {
	maker := make(map[string]string, len(all))
	for _, t := range all {
		maker[t.ID] = t.MadeWith
	}
	for _, t := range all {
		for m := t.MadeWith; m != ""; m = maker[m] {
			if m == id {
				below = append(below, t)
				break
			}
		}
	}
	return below
}

// revoke revokes a token. The API answers 409 for the last administrator's token; then the page
// asks for its id.
func (v *visit) revoke() {
	if !v.signedIn() || !v.form() {
		return
	}
	id := v.r.PathValue("id")
	target := "/api/v1/tokens/" + url.PathEscape(id) + "/invalidate"
	if v.r.PostForm.Has("confirm") {
		if v.value("confirm") != id {
			v.askToRevoke(http.StatusBadRequest, revokePage{Last: true, Message: "This is not the id of the token, " +
				"so it was not revoked: type the id, or cancel."})
			return
		}
		target += "?confirm=last-administrator"
	}
	a := v.ask("POST", target, nil)
	switch {
	case a.status == http.StatusConflict:
		v.askToRevoke(a.status, revokePage{Last: true, Message: a.Message, Errors: a.Errors})
	case !a.ok():
		v.refused(a)
	case id == v.who.ID:
		v.setCookie(tokenCookie, "", -1)
		v.goTo("/", "Your token was revoked"+below(a)+", and you are signed out.")
	default:
		v.goTo("/tokens", "The token "+id+" was revoked"+below(a)+".")
	}
}

// below says how many tokens were revoked together with the one that they were made with.
func below(a *answer) string {
	switch n, _ := strconv.Atoi(a.header.Get("Revoked-Tokens")); {
	case n == 1:
		return ", with the one made with it"
	case n > 1:
		return fmt.Sprintf(", with the %d made with it", n)
	}
	return ""
}
