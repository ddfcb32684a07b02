package webui

import (
	"slices"
	"strings"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// A visitor is the person whom a request comes from, as the API knows them. The zero visitor has not signed in.
type visitor struct {
	wire.Identity
	SignedIn bool
	// session, if not nil, is the May of the Session.
	session func(action string, t Title) bool
}

// Administrator reports whether the visitor may do everything.
func (p visitor) Administrator() bool { return p.Kind == wire.Administrator }

// Editor reports whether the visitor may create and change every title, and administer nothing.
func (p visitor) Editor() bool { return p.Kind == wire.Editor }

// hasKind reports whether the kind of the visitor is one of the contract's.
func (p visitor) hasKind() bool {
	switch p.Kind {
	case wire.Administrator, wire.Editor, wire.Contributor, wire.TitleToken:
		return true
	}
	return false
}

// may reports whether the page offers the visitor an action. byKind is the answer for a visitor who has signed in,
// unless the Session decides.
func (p visitor) may(a string, t Title, byKind bool) bool {
	if p.SignedIn && p.session != nil {
		return p.session(a, t)
	}
	return p.SignedIn && byKind
}

// MayCreate reports whether the page offers the visitor to create titles. The API decides whether they may.
func (p visitor) MayCreate() bool { return p.may(actionCreate, Title{}, p.Kind != wire.TitleToken) }

// MayUseTokens reports whether the page offers the visitor to make and revoke tokens.
func (p visitor) MayUseTokens() bool { return p.may(actionTokens, Title{}, true) }

// MayAdminister reports whether the page offers the visitor what administrators do.
func (p visitor) MayAdminister() bool {
	return p.may(actionAdminister, Title{}, p.Administrator() || !p.hasKind())
}

// MaySetUp reports whether the visitor may use the setup.
func (p visitor) MaySetUp() bool { return p.may(actionAdminister, Title{}, p.Administrator()) }

// MaySeeSources reports whether the page offers the visitor the list of sources, which has those of the titles that
// they may change.
func (p visitor) MaySeeSources() bool {
	return p.SignedIn && (p.Kind == wire.TitleToken || p.MayCreate() || p.MayAdminister() ||
		p.may(actionChange, Title{}, true))
}

// MayChange reports whether the page offers the visitor to change a title. The API decides whether they may.
func (p visitor) MayChange(t Title) bool { return p.may(actionChange, t, p.reaches(t)) }

// reaches reports whether the kind of the visitor allows them to change a title.
func (p visitor) reaches(t Title) bool {
	switch p.Kind {
	case wire.Contributor:
		return p.Contributor != nil && *p.Contributor != "" && *p.Contributor == t.Contributor
	case wire.TitleToken:
		return slices.ContainsFunc(p.Titles, func(id string) bool { return strings.EqualFold(id, t.ID) })
	}
	return true
}

// Name returns how the page addresses the visitor.
func (p visitor) Name() string {
	switch {
	case p.Administrator():
		return "Administrator"
	case p.Editor():
		return "Editor"
	case p.Contributor != nil:
		return *p.Contributor
	case len(p.Titles) == 1:
		return p.Titles[0]
	case p.Titles != nil:
		return plural(len(p.Titles), "title", "titles")
	}
	return "Signed in"
}
