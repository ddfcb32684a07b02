package webui

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch"
)

// functions are what the templates call.
var functions = template.FuncMap{
	"utc":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"moment":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"day":     func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"release": release,
	"words":   words,
	"join":    strings.Join,
	"list":    func(values ...any) []any { return values },
}

// release is a release date as people read it: the day, if it is a time.
func release(s string) string {
	if t, err := patch.ParseTime(s); err == nil {
		return t.Format("2006-01-02")
	}
	return s
}

// versionsShown is how many versions of a title are shown at once.
const versionsShown = 100

// A titlePage is a title's own page.
type titlePage struct {
	Title
	Definition *patch.Definition
	Versions   []versionPart // of this part of the page
	From, To   int           // counted from 1
	Total      int
	Earlier    int // from which version the part before begins; 0: there is none
	Later      int
	Scripts    []script
	Warnings   []patch.Warning // of no version
	Editions   []Revision
	MayChange  bool
}

// A versionPart is a version with what lint says of it.
type versionPart struct {
	patch.Patch
	Warnings []patch.Warning
}

// A script is an extension attribute as people read it.
type script struct{ Key, Name, Text string }

// title shows a title.
func (v *visit) title() {
	t, def, ok := v.load()
	if !ok {
		return
	}
	editions, err := v.h.cat.History(v.r.Context(), t.ID)
	if !v.loaded(err) {
		return
	}
	p := titlePage{
		Title:      t,
		Definition: def,
		Editions:   editions,
		MayChange:  v.who.MayChange(t),
		Total:      len(def.Patches),
	}
	from, _ := strconv.Atoi(v.r.URL.Query().Get("from")) // what is no number is the first
	from = min(max(from-1, 0), p.Total-1) / versionsShown * versionsShown
	p.From, p.To = from+1, min(from+versionsShown, p.Total)
	if from > 0 {
		p.Earlier = from - versionsShown + 1
	}
	if p.To < p.Total {
		p.Later = p.To + 1
	}
	for _, one := range def.Patches[from:p.To] {
		p.Versions = append(p.Versions, versionPart{Patch: one})
	}
	for _, w := range patch.Lint(def, &patch.LintOptions{Now: v.h.now()}) {
		switch i, ok := patchOf(w.Path, p.Total); {
		case !ok:
			p.Warnings = append(p.Warnings, w)
		case i >= from && i < p.To:
			p.Versions[i-from].Warnings = append(p.Versions[i-from].Warnings, w)
		}
	}
	for _, ea := range def.ExtensionAttributes {
		s := script{Key: ea.Key, Name: ea.DisplayName, Text: "(not text)"}
		if data, err := base64.StdEncoding.DecodeString(ea.Value); err == nil && utf8.Valid(data) {
			s.Text = string(data)
		}
		p.Scripts = append(p.Scripts, s)
	}
	v.show(http.StatusOK, "title", t.Name, p)
}

// patchOf returns the index of the version that a path is in.
func patchOf(path string, n int) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/patches/")
	if !ok {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(number)
	return i, err == nil && i >= 0 && i < n
}

// words says criteria as a smart group's rows are read.
func words(criteria []patch.Criterion) []string {
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

// An editionPage shows what has changed since an edition.
type editionPage struct {
	Title
	Number    string
	Changes   []string
	MayChange bool
}

// edition shows what has changed since an edition.
func (v *visit) edition() {
	t, _, ok := v.load()
	if !ok {
		return
	}
	n := v.r.PathValue("n")
	if v.h.api == nil {
		v.notFound()
		return
	}
	a := v.ask("GET", titlePath(t.ID, "/history/"+url.PathEscape(n)+"/diff"), nil)
	p := editionPage{Title: t, Number: n, MayChange: v.who.MayChange(t)}
	var diff struct {
		Changes []string `json:"changes"`
	}
	if !a.ok() || !a.into(&diff) {
		v.refused(a)
		return
	}
	p.Changes = diff.Changes
	v.show(http.StatusOK, "edition", t.Name+" as it was", p)
}
