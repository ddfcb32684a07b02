package webui

import (
	"time"

	"github.com/patchsource/patchsource/httpapi/wire"
)

const (
	// maxHistoryLines limits the number of revisions whose changes are shown on the page of a title, and maxLineChanges
	// that of the changes of each.
	maxHistoryLines = 10
	maxLineChanges  = 5
)

// A historyLine is a revision and what it changed.
type historyLine struct {
	Number  uint64
	At      time.Time
	Version string
	Current bool
	By      string   // the token; empty: not known
	Changes []string // the first of them; empty: it is the first revision that is kept
	More    int      // how many changes are not shown
}

// addHistory adds the latest revisions with their changes for a visitor who may change the title. Others see the list
// of the revisions.
func (p titlePages) addHistory(page *titlePage) {
	if !page.MayChange || p.api == nil || len(page.Revisions) < 2 {
		return
	}
	revisions, err := p.api.History(p.r.Context(), page.ID)
	if err != nil {
		return // the list of the revisions is shown instead
	}
	for i, r := range revisions[:min(len(revisions), maxHistoryLines)] {
		line := historyLine{Number: r.Number, Version: r.Version, Current: r.Current, By: maker(r)}
		if r.At != nil {
			line.At = *r.At
		}
		if i+1 < len(revisions) {
			changes, err := p.api.Changes(p.r.Context(), page.ID, revisions[i+1].Number, r.Number)
			if err != nil {
				page.Lines = nil
				return
			}
			line.Changes = changes[:min(len(changes), maxLineChanges)]
			line.More = len(changes) - len(line.Changes)
		}
		page.Lines = append(page.Lines, line)
	}
}

// maker returns what a revision was made with, in words.
func maker(r wire.Revision) string {
	switch {
	case r.TokenName != "":
		return "token " + r.TokenName
	case r.Token != nil:
		return "token " + *r.Token
	}
	return ""
}
