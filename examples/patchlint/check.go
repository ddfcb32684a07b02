package main

import (
	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
)

// levelFixed is the level of a warning that --fix has fixed.
const levelFixed = "fixed"

// A linter checks files.
type linter struct {
	opts patch.LintOptions
	fix  bool
}

// check checks one file, and fixes it with --fix. The error is that of reading or writing the file.
func (l *linter) check(f file) (report.Result, error) {
	r := report.Result{File: f.name, Findings: []report.Finding{}}
	data, err := f.read()
	if err != nil {
		return r, err
	}
	def, err := patch.Parse(data, nil)
	if err != nil {
		r.AddInvalid(data, err)
		return r, nil
	}
	if l.fix && f.path != "" {
		before := patch.Lint(def, &l.opts) // with the paths before the fix
		fixed := patch.Fix(def, &l.opts)
		if len(fixed) > 0 {
			add(&r, levelFixed, data, fixedAt(before, fixed))
			if data, err = report.WriteDefinition(f.path, def, data); err != nil {
				return r, err
			}
		}
	}
	var warnings, errs []patch.Warning
	for _, w := range patch.Lint(def, &l.opts) {
		if w.Error {
			errs = append(errs, w)
		} else {
			warnings = append(warnings, w)
		}
	}
	add(&r, report.Error, data, errs)
	add(&r, report.Warning, data, warnings)
	return r, nil
}

// fixedAt returns the fixed warnings with their paths in the file before the fix, because patch.Fix numbers patches
// after it has sorted them. A warning that appeared only after other fixes is about the file as a whole.
func fixedAt(before, fixed []patch.Warning) (all []patch.Warning) {
	codes := map[string]bool{}
	for _, w := range fixed {
		codes[w.Code] = true
	}
	seen := map[string]bool{}
	for _, w := range before {
		if codes[w.Code] && w.Fix != "" {
			all = append(all, w)
			seen[w.Code] = true
		}
	}
	for _, w := range fixed {
		if !seen[w.Code] {
			w.Path = ""
			all = append(all, w)
		}
	}
	return all
}

// add adds findings with their lines in data.
func add(r *report.Result, level string, data []byte, warnings []patch.Warning) {
	var pointers []string
	for _, w := range warnings {
		pointers = append(pointers, w.Path)
	}
	lines := report.LinesOf(data, pointers)
	for _, w := range warnings {
		r.Add(report.Finding{
			Level:   level,
			Code:    w.Code,
			Path:    w.Path,
			Line:    lines[w.Path],
			Message: w.Message,
			Fix:     w.Fix,
		})
	}
}
