package webui

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// tokenPages are the pages about tokens.
type tokenPages struct{ *visit }

// The scopes of a token that the form offers.
const (
	forTitles        = "titles"        // the titles that the form names
	forAll           = "all"           // every title that the visitor may change
	forAdministrator = "administrator" // everything
)

const (
	// defaultDays is the lifetime of a token in days unless the form has another.
	defaultDays = "365"
	// maxDays limits the lifetime of a token in days.
	maxDays = 365
)

// A tokensPage lists the tokens, and has the form to create one.
type tokensPage struct {
	Tokens                  []wire.Token
	Name, For, Titles, Days string
	Never                   bool
	complaint
	fieldErrors
}

func (p tokenPages) list() {
	page := tokensPage{For: forTitles, Days: defaultDays}
	if p.visitor.MayCreate() {
		page.For = forAll
	}
	p.showList(http.StatusOK, page)
}

func (p tokenPages) showList(status int, page tokensPage) {
	if all, ok := p.tokens(); ok {
		page.Tokens = all
		p.show(status, "tokens", "Tokens", page)
	}
}

// tokens returns the tokens that the visitor may see. If it cannot, it shows an error and returns false.
func (p tokenPages) tokens() ([]wire.Token, bool) {
	if !p.signedIn() {
		return nil, false
	}
	all, err := p.api.Tokens(p.r.Context())
	return all, p.offered(err)
}

// offered reports whether a call of the API has succeeded that a server may not offer. If not, it shows an error.
func (v *visit) offered(err error) bool {
	if err == nil {
		return true
	}
	r := v.refusalOf(err)
	if r.Status == http.StatusNotFound {
		r.Message = "This server does not support this."
	}
	v.refused(r)
	return false
}

// create makes the token that the form describes. A form without a name, a scope or a lifetime makes none.
func (p tokenPages) create() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	page := tokensPage{
		Name:        p.value("name"),
		For:         p.value("for"),
		Titles:      p.value("titles"),
		Days:        p.value("days"),
		Never:       p.value("never") != "",
		fieldErrors: fieldErrors{},
	}
	request := page.request()
	if len(page.fieldErrors) > 0 {
		page.Message = "No token was created: correct the marked fields."
		p.showList(http.StatusBadRequest, page)
		return
	}
	made, err := p.api.MakeToken(p.r.Context(), request)
	if err == nil {
		p.showSecret(madePage{ID: made.ID, Secret: made.Secret, Message: made.Message})
		return
	}
	r := p.refusalOf(err)
	page.Message = r.Message
	page.Errors = page.take(r.Errors, "/name", "/titles_in_scope", "/expires_in_days")
	p.retryAfter(r)
	p.showList(r.Status, page)
}

// request returns the request for the token, and records the errors of the fields.
func (p *tokensPage) request() wire.TokenRequest {
	request := wire.TokenRequest{Name: p.Name}
	if p.Name == "" {
		p.fieldErrors["/name"] = "enter a name that says where the token is used"
	}
	switch titles := splitList(p.Titles); {
	case p.For == forTitles && len(titles) == 0:
		p.fieldErrors["/titles_in_scope"] = "enter at least one title, or choose another scope"
	case p.For == forTitles:
		request.Titles = titles
	case p.For != forAll && p.For != forAdministrator:
		p.fieldErrors["/for"] = "choose a scope"
	case len(titles) > 0:
		p.fieldErrors["/titles_in_scope"] = "leave this empty, or choose “These titles”"
	case p.For == forAdministrator:
		request.Administrator = true
	}
	switch days, err := strconv.Atoi(p.Days); {
	case p.Never:
		request.NeverExpires = true
	case err != nil || days < 1 || days > maxDays:
		p.fieldErrors["/expires_in_days"] = "must be a number from 1 to 365"
	default:
		request.Days = &days
	}
	return request
}

// A revokePage asks for the confirmation that a token is to be revoked.
type revokePage struct {
	wire.Token
	Own bool
	// Below are the tokens that were made with it, and end with it.
	Below []wire.Token
	// Last says that the token is the last administrator's, which the API revokes only if it is confirmed: its id has
	// to be typed.
	Last bool
	complaint
}

func (p tokenPages) revokeForm() { p.askToConfirm(http.StatusOK, revokePage{}) }

// askToConfirm shows the page that asks for confirmation before the token in the path is revoked.
func (p tokenPages) askToConfirm(status int, page revokePage) {
	all, ok := p.tokens()
	if !ok {
		return
	}
	id := p.r.PathValue("id")
	i := slices.IndexFunc(all, func(t wire.Token) bool { return t.ID == id })
	if i < 0 {
		p.fail(http.StatusNotFound, "This token does not exist. It may have been revoked.")
		return
	}
	page.Token, page.Own, page.Below = all[i], id == p.visitor.ID, madeWith(all, id)
	p.show(status, "revoke", "Revoke a token", page)
}

// madeWith returns the tokens that were made with the one with an id, directly or through others.
func madeWith(all []wire.Token, id string) (below []wire.Token) {
	makers := make(map[string]*string, len(all))
	for _, t := range all {
		makers[t.ID] = t.MadeWith
	}
	for _, t := range all {
		for maker := t.MadeWith; maker != nil; maker = makers[*maker] {
			if *maker == id {
				below = append(below, t)
				break
			}
		}
	}
	return below
}

// revoke revokes a token. If it is the last administrator's, the API answers 409, and the page asks for its id.
func (p tokenPages) revoke() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	id := p.r.PathValue("id")
	var opts client.RevokeOptions
	if p.r.PostForm.Has("confirm") {
		if p.value("confirm") != id {
			p.askToConfirm(http.StatusBadRequest, revokePage{Last: true, complaint: complaint{
				Message: "This is not the id of the token, so it was not revoked: type the id, or cancel.",
			}})
			return
		}
		opts.LastAdministrator = true
	}
	below, err := p.api.RevokeToken(p.r.Context(), id, &opts)
	switch {
	case err != nil && p.statusOf(err) == http.StatusConflict:
		r := p.refusalOf(err)
		p.askToConfirm(r.Status, revokePage{Last: true, complaint: r.complaint()})
	case err != nil:
		p.refused(err)
	case id == p.visitor.ID:
		p.forgetToken()
		p.redirect("/", "Your token was revoked"+withBelow(below)+", and you are signed out.")
	default:
		p.redirect("/tokens", "The token "+id+" was revoked"+withBelow(below)+".")
	}
}

// withBelow says how many tokens were revoked together with the one that they were made with.
func withBelow(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", together with the token that was made with it"
	}
	return ", together with the " + strconv.Itoa(n) + " tokens that were made with it"
}
