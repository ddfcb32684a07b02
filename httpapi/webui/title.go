package webui

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// versionsShown is the number of versions of a title on one page.
const versionsShown = 100

// A titlePage is the page of a title.
type titlePage struct {
	Title
	Definition *patch.Definition
	Versions   []versionPart // those on this page
	From, To   int           // counted from 1
	Total      int
	Earlier    int // the version that the previous page begins with; 0: there is none
	Later      int // the same of the next page
	Scripts    []script
	Warnings   []patch.Warning // those of no version
	Revisions  []Revision
	Lines      []historyLine // the latest revisions, for visitors who may change the title
	Timeline   *timeline
	MayChange  bool
	// Watch is the release feed that the title follows. It is nil if there is none, or the visitor may not change the
	// title.
	Watch *watch
	// WatchError says why the feed cannot be shown.
	WatchError string
}

// A versionPart is a version and the warnings about it.
type versionPart struct {
	patch.Patch
	Warnings []patch.Warning
}

// A script is the script of an extension attribute.
type script struct{ Key, Name, Text string }

// title shows a title.
func (p titlePages) title() {
	t, def, ok := p.load()
	if !ok {
		return
	}
	revisions, err := p.h.catalog.History(p.r.Context(), t.ID)
	if !p.loaded(err) {
		return
	}
	page := titlePage{
		Title:      t,
		Definition: def,
		Revisions:  revisions,
		MayChange:  p.visitor.MayChange(t),
		Total:      len(def.Patches),
		Scripts:    scriptsOf(def),
	}
	from, _ := strconv.Atoi(p.r.URL.Query().Get("from")) // an invalid number is the first page
	p.addWatch(&page)
	p.addHistory(&page)
	page.Timeline = newTimeline(def)
	page.addVersions(from-1, patch.Lint(def, &patch.LintOptions{Now: p.h.now()}))
	p.show(http.StatusOK, "title", t.Name, page)
}

// addVersions adds the versions of the part that has the one at index from, and the warnings.
func (p *titlePage) addVersions(from int, warnings []patch.Warning) {
	from = min(max(from, 0), p.Total-1) / versionsShown * versionsShown
	p.From, p.To = from+1, min(from+versionsShown, p.Total)
	if from > 0 {
		p.Earlier = from - versionsShown + 1
	}
	if p.To < p.Total {
		p.Later = p.To + 1
	}
	for _, version := range p.Definition.Patches[from:p.To] {
		p.Versions = append(p.Versions, versionPart{Patch: version})
	}
	for _, w := range warnings {
		switch i, ok := patchIndex(w.Path, p.Total); {
		case !ok:
			p.Warnings = append(p.Warnings, w)
		case i >= from && i < p.To:
			p.Versions[i-from].Warnings = append(p.Versions[i-from].Warnings, w)
		}
	}
}

// scriptsOf returns the scripts of the extension attributes of a definition.
func scriptsOf(def *patch.Definition) (scripts []script) {
	for _, ea := range def.ExtensionAttributes {
		s := script{Key: ea.Key, Name: ea.DisplayName, Text: "(not text)"}
		if text, ok := scriptText(ea.Value); ok {
			s.Text = text
		}
		scripts = append(scripts, s)
	}
	return scripts
}

// patchIndex returns the index of the patch that a JSON Pointer into a definition leads to. n is the number of patches.
func patchIndex(path string, n int) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/patches/")
	if !ok {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(number)
	return i, err == nil && i >= 0 && i < n
}

// criteriaInWords returns criteria as the rows of a smart group read.
func criteriaInWords(criteria []patch.Criterion) []string {
	var all []string
	for i, c := range criteria {
		text := fmt.Sprintf("%s %s “%s”", c.Name, c.Operator, c.Value)
		if i > 0 {
			joined := "and "
			if c.And != nil && !*c.And {
				joined = "or "
			}
			text = joined + text
		}
		all = append(all, text)
	}
	return all
}

// A revisionPage shows the changes since a revision.
type revisionPage struct {
	Title
	Number    uint64
	Changes   []string
	MayChange bool
}

// revision shows the changes since a revision.
func (p titlePages) revision() {
	t, _, ok := p.load()
	if !ok {
		return
	}
	number, ok := p.revisionNumber()
	if !ok {
		return
	}
	changes, err := p.api.Changes(p.r.Context(), t.ID, number, 0)
	if err != nil {
		p.refused(err)
		return
	}
	p.show(http.StatusOK, "revision", t.Name+" as it was",
		revisionPage{Title: t, Number: number, Changes: changes, MayChange: p.visitor.MayChange(t)})
}

// revisionNumber returns the number of the revision in the path. If it cannot be one, it shows an error and returns
// false.
func (v *visit) revisionNumber() (uint64, bool) {
	number, err := strconv.ParseUint(v.r.PathValue("n"), 10, 64)
	if err != nil || v.api == nil {
		v.fail(http.StatusNotFound, "This revision does not exist, or is no longer kept.")
		return 0, false
	}
	return number, true
}
