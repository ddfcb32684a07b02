package report

import (
	"bytes"
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
)

// Invalid is the code of a file that is not valid.
const Invalid = "invalid"

// AddInvalid adds the reasons of an error of package patch or recipe about the text of a file.
func (r *Result) AddInvalid(data []byte, err error) {
	var invalid *patch.ValidationError
	var syntax *patch.SyntaxError
	switch {
	case errors.As(err, &invalid):
		var pointers []string
		for _, f := range invalid.Failures {
			pointers = append(pointers, f.Path)
		}
		lines := LinesOf(data, pointers)
		for _, f := range invalid.Failures {
			r.Add(Finding{Level: Error, Code: Invalid, Path: f.Path, Line: lines[f.Path], Message: f.Message})
		}
	case errors.As(err, &syntax):
		r.Add(Finding{
			Level:   Error,
			Code:    Invalid,
			Path:    syntax.Pointer,
			Line:    syntax.Line,
			Message: syntax.Error(),
		})
	default:
		r.Add(Finding{Level: Error, Code: Invalid, Message: err.Error()})
	}
}

// Add adds a finding.
func (r *Result) Add(f Finding) { r.Findings = append(r.Findings, f) }

// LinesOf returns the lines at which the values at JSON Pointers begin. For a missing value, it is the line of the
// value that would contain it. It reads the text once.
func LinesOf(data []byte, pointers []string) map[string]int {
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
