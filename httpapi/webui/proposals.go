package webui

import (
	"net/http"
	"slices"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// proposalPages are the pages about versions that wait for a person.
type proposalPages struct{ *visit }

// A proposal is a set of versions that waits for a person, as the page shows it.
type proposal struct {
	wire.Proposal
	// Name is the name of the title.
	Name string
}

// A proposalsPage lists the proposals for the titles that the visitor may change.
type proposalsPage struct {
	Proposals []proposal // those on this page
	Matches   int
	pager
}

func (p proposalPages) list() {
	if !p.signedIn() {
		return
	}
	all, err := p.api.Proposals(p.r.Context())
	if !p.offered(err) {
		return
	}
	page := proposalsPage{Matches: len(all)}
	all, page.pager = part(all, p.r.URL.Query().Get("page"), p.h.base+"/proposals", map[string][]string{})
	for _, one := range all {
		page.Proposals = append(page.Proposals, p.named(one))
	}
	p.show(http.StatusOK, "proposals", "Proposals", page)
}

// named returns a proposal with the name of its title.
func (v *visit) named(one wire.Proposal) proposal {
	named := proposal{Proposal: one, Name: one.Title}
	if t, ok := v.h.catalog.Find(one.Title); ok {
		named.Name = t.Name
	}
	return named
}

func (p proposalPages) approve() {
	if !p.signedIn() {
		return
	}
	answer, err := p.api.Approve(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		p.decided(err)
		return
	}
	p.redirect(titlePath(answer.ID), sentence(answer.Message))
}

// decided shows the error of a decision.
func (p proposalPages) decided(err error) {
	r := p.refusalOf(err)
	if r.Status == http.StatusNotFound {
		r.Message = "This proposal does not exist. It may have been approved or rejected, or the title may have the " +
			"version already."
	}
	p.refused(r)
}

// rejectForm asks for confirmation before a proposal is rejected.
func (p proposalPages) rejectForm() {
	if !p.signedIn() {
		return
	}
	all, err := p.api.Proposals(p.r.Context())
	if !p.offered(err) {
		return
	}
	id := p.r.PathValue("id")
	i := slices.IndexFunc(all, func(one wire.Proposal) bool { return one.ID == id })
	if i < 0 {
		p.decided(&refusal{Status: http.StatusNotFound})
		return
	}
	p.show(http.StatusOK, "reject", "Reject "+all[i].Version, p.named(all[i]))
}

func (p proposalPages) reject() {
	if !p.signedIn() {
		return
	}
	answer, err := p.api.Reject(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		p.decided(err)
		return
	}
	p.redirect("/proposals", sentence(answer.Message))
}
