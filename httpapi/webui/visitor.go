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
	// mayChange, if not nil, is that of the Session.
	mayChange func(Title) bool
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

// MayCreate reports whether the page offers the visitor to create titles. The API decides whether they may.
func (p visitor) MayCreate() bool {
	switch {
	case !p.SignedIn:
		return false
	case p.mayChange != nil:
		return p.mayChange(Title{})
	}
	return p.Kind != wire.TitleToken
}

// MayChange reports whether the page offers the visitor to change a title. The API decides whether they may.
func (p visitor) MayChange(t Title) bool {
	switch {
	case !p.SignedIn:
		return false
	case p.mayChange != nil:
		return p.mayChange(t)
	case p.Kind == wire.Contributor:
		return p.Contributor != nil && *p.Contributor != "" && *p.Contributor == t.Contributor
	case p.Kind == wire.TitleToken:
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
