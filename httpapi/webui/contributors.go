package webui

import (
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// contributorPages are the pages about contributors.
type contributorPages struct{ *visit }

// A contributor is a contributor in the list.
type contributor struct{ wire.ContributorListing }

// Source returns the path of the contributor's feed as Jamf Pro takes it: without that of the list, which Jamf Pro
// adds.
func (c contributor) Source() string { return strings.TrimSuffix(c.URN, "/software") }

// A contributorsPage lists the contributors, and has the form to become one.
type contributorsPage struct {
	Contributors []contributor
	Name, Email  string
	Message      string
	fieldErrors
}

func (p contributorPages) list() { p.showList(http.StatusOK, contributorsPage{}) }

func (p contributorPages) showList(status int, page contributorsPage) {
	all, err := p.api.Contributors(p.r.Context())
	if err != nil {
		r := p.refusalOf(err)
		if r.Status == http.StatusNotFound {
			r.Message = "This server does not support contributors."
		}
		p.refused(r)
		return
	}
	for _, c := range all {
		page.Contributors = append(page.Contributors, contributor{c})
	}
	p.show(status, "contributors", "Contributors", page)
}

// register registers a contributor.
func (p contributorPages) register() {
	if !p.readForm() {
		return
	}
	page := contributorsPage{Name: p.value("name"), Email: p.value("email"), fieldErrors: fieldErrors{}}
	answer, err := p.api.RegisterContributor(p.r.Context(), page.Name, page.Email)
	if err == nil {
		p.redirect("/contributors", sentence(answer.Message))
		return
	}
	r := p.refusalOf(err)
	page.Message = r.Message
	page.take(r.Errors)
	p.retryAfter(r)
	p.showList(r.Status, page)
}

// A lostPage has the form for a contributor who lost the token.
type lostPage struct {
	Email, Message string
	fieldErrors
}

func (p contributorPages) lostForm() { p.show(http.StatusOK, "lost", "Lost your token?", lostPage{}) }

// lost has a new token mailed to a contributor. The answer of the API is the same whether or not the address is a
// contributor's.
func (p contributorPages) lost() {
	if !p.readForm() {
		return
	}
	page := lostPage{Email: p.value("email"), fieldErrors: fieldErrors{}}
	answer, err := p.anonymous().MailContributorToken(p.r.Context(), page.Email)
	if err == nil {
		p.redirect("/contributors", sentence(answer.Message))
		return
	}
	r := p.refusalOf(err)
	page.Message = r.Message
	page.take(r.Errors)
	p.again(r, "lost", "Lost your token?", page)
}

// verify is the page of the link in the mail to a new contributor.
func (p contributorPages) verify() {
	q := p.r.URL.Query()
	answer, err := p.api.VerifyContributor(p.r.Context(), q.Get("id"), q.Get("code"))
	p.w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		p.refused(err)
		return
	}
	p.show(http.StatusOK, "said", "Welcome", answer.Message)
}
