package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
)

// The levels of findings.
const (
	levelError   = "error"
	levelWarning = "warning"
	levelFixed   = "fixed"
)

// codeInvalid is the code of a definition that a patch source rejects.
const codeInvalid = "invalid"

// A finding is a message about a file.
type finding struct {
	Level   string `json:"level"`
	Code    string `json:"code"`
	Path    string `json:"path"`
	Line    int    `json:"line"` // counted from 1; 0 if it is not known
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// A result contains the findings about a file.
type result struct {
	File     string    `json:"file"`
	Findings []finding `json:"findings"`
}

// A linter checks files.
type linter struct {
	opts patch.LintOptions
	fix  bool
}

// check checks one file, and fixes it with --fix. The error is that of reading or writing the file.
func (l *linter) check(f file) (result, error) {
	r := result{File: f.name, Findings: []finding{}}
	data, err := f.read()
	if err != nil {
		return r, err
	}
	def, err := patch.Parse(data, nil)
	if err != nil {
		r.addInvalid(data, err)
		return r, nil
	}
	if l.fix && f.path != "" {
		before := patch.Lint(def, &l.opts) // with the paths before the fix
		fixed := patch.Fix(def, &l.opts)
		if len(fixed) > 0 {
			r.add(levelFixed, data, fixedAt(before, fixed))
			if data, err = write(f.path, def, data); err != nil {
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
	r.add(levelError, data, errs)
	r.add(levelWarning, data, warnings)
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
func (r *result) add(level string, data []byte, warnings []patch.Warning) {
	var pointers []string
	for _, w := range warnings {
		pointers = append(pointers, w.Path)
	}
	lines := linesOf(data, pointers)
	for _, w := range warnings {
		r.Findings = append(r.Findings, finding{
			Level:   level,
			Code:    w.Code,
			Path:    w.Path,
			Line:    lines[w.Path],
			Message: w.Message,
			Fix:     w.Fix,
		})
	}
}

// addInvalid adds the reasons why a definition is invalid.
func (r *result) addInvalid(data []byte, err error) {
	var invalid *patch.ValidationError
	var syntax *patch.SyntaxError
	switch {
	case errors.As(err, &invalid):
		var all []patch.Warning
		for _, f := range invalid.Failures {
			all = append(all, patch.Warning{Code: codeInvalid, Path: f.Path, Message: f.Message})
		}
		r.add(levelError, data, all)
	case errors.As(err, &syntax):
		r.Findings = append(r.Findings, finding{
			Level:   levelError,
			Code:    codeInvalid,
			Path:    syntax.Pointer,
			Line:    syntax.Line,
			Message: syntax.Error(),
		})
	default:
		r.Findings = append(r.Findings, finding{Level: levelError, Code: codeInvalid, Message: err.Error()})
	}
}

// linesOf returns the lines at which the values at JSON Pointers begin. For a missing value, it is the line of the
// value that would contain it. It reads the text once.
func linesOf(data []byte, pointers []string) map[string]int {
	lines := map[string]int{} // by the pointers and those of the values around them
	for _, p := range pointers {
		for i := len(p); i > 0; i = strings.LastIndexByte(p[:i], '/') {
			lines[p[:i]] = 0
		}
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(data))
	line, counted := 1, 0
	for len(lines) > 0 {
		kind := dec.PeekKind()
		if _, err := dec.ReadToken(); err != nil {
			break
		}
		if kind == '}' || kind == ']' {
			continue
		}
		here := string(dec.StackPointer())
		if known, wanted := lines[here]; wanted && known == 0 {
			at := int(dec.InputOffset())
			line += bytes.Count(data[counted:at], []byte("\n"))
			counted = at
			lines[here] = line
		}
	}
	lines[""] = 1
	for _, p := range pointers {
		around := p
		for lines[around] == 0 {
			around = around[:strings.LastIndexByte(around, '/')]
		}
		lines[p] = lines[around]
	}
	return lines
}

// write replaces a file atomically by a fixed definition, with the indentation and the line ends of the old text.
func write(path string, def *patch.Definition, old []byte) ([]byte, error) {
	if err := def.Validate(); err != nil {
		return nil, fmt.Errorf("%s: the fixed definition is invalid and was not written: %w", path, err)
	}
	data, err := def.MarshalJSON()
	if err != nil {
		return nil, err
	}
	if indent, ok := indentOf(old); ok {
		var b bytes.Buffer
		if err := json.Indent(&b, data, "", indent); err != nil {
			return nil, err
		}
		data = b.Bytes()
	}
	if bytes.HasSuffix(old, []byte("\n")) {
		data = append(data, '\n')
	}
	if bytes.Contains(old, []byte("\r\n")) {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	// Replace the file itself, not a link to it.
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".patchlint-*")
	if err != nil {
		return nil, err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(info.Mode().Perm()), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), os.Remove(temp.Name()))
	}
	return data, nil
}

// indentOf returns the indentation of a text, and false if it has one line.
func indentOf(data []byte) (string, bool) {
	_, rest, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return "", false
	}
	return string(rest[:len(rest)-len(bytes.TrimLeft(rest, " \t"))]), true
}
