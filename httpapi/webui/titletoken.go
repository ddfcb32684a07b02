package webui

import (
	"net/http"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// titleTokenPages are the pages that renew the token of a title.
type titleTokenPages struct{ *visit }

// A titleTokenPage has the forms for a new token of a title.
type titleTokenPage struct {
	Title
	MayExchange bool
	Message     string
	fieldErrors
}

func (p titleTokenPages) form() {
	t, _, ok := p.load()
	if !ok {
		return
	}
	page := p.page(t)
	if !page.MayExchange && !p.h.publishing {
		p.fail(http.StatusNotFound, "This server does not mail tokens.")
		return
	}
	p.show(http.StatusOK, "token", "A new token for "+t.Name, page)
}

func (p titleTokenPages) page(t Title) titleTokenPage {
	return titleTokenPage{
		Title:       t,
		MayExchange: p.h.session == nil && p.visitor.Kind == wire.TitleToken && p.visitor.MayChange(t),
		fieldErrors: fieldErrors{},
	}
}

// renew has a new token mailed to a title's author, or exchanges the visitor's token.
func (p titleTokenPages) renew() {
	if !p.readForm() {
		return
	}
	t, _, ok := p.load()
	if !ok {
		return
	}
	if p.value("exchange") != "" {
		p.exchange(t)
		return
	}
	page := p.page(t)
	answer, err := p.anonymous().MailTitleToken(p.r.Context(), t.ID, p.value("author_email"))
	if err == nil {
		p.redirect(titleURL(t), answer.Message)
		return
	}
	r := p.refusalOf(err)
	page.Message = r.Message
	page.take(r.Errors)
	p.again(r, "token", "A new token for "+t.Name, page)
}

// exchange exchanges the visitor's token. The visitor stays signed in with the new one.
func (p titleTokenPages) exchange(t Title) {
	made, err := p.api.ExchangeToken(p.r.Context(), t.ID)
	if err != nil {
		p.refused(err)
		return
	}
	if p.h.session == nil {
		p.keepToken(made.Secret)
	}
	p.showSecret(madePage{ID: made.ID, Secret: made.Secret, Message: made.Message})
}

// A madePage has the secret of a new token.
type madePage struct{ ID, Secret, Message string }

// showSecret shows the secret of a new token, which no other page shows.
func (v *visit) showSecret(page madePage) {
	v.w.Header().Set("Cache-Control", "no-store")
	v.show(http.StatusOK, "made", "Your new token", page)
}
