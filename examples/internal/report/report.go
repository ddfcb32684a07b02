// Package report writes what a command found in files, in formats for people and for programs.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// The levels of findings. A program may have others, which are notes.
const (
	Error   = "error"
	Warning = "warning"
)

// A Finding is a message about a file.
type Finding struct {
	Level   string `json:"level"`
	Code    string `json:"code"`
	Path    string `json:"path"` // a JSON Pointer
	Line    int    `json:"line"` // counted from 1; 0 if it is not known
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
	// Version is the version that the finding is about, if it is about one.
	Version string `json:"version,omitempty"`
}

// A Result contains the findings about a file.
type Result struct {
	File     string    `json:"file"`
	Findings []Finding `json:"findings"`
}

// Failed reports whether a finding is an error.
func (r *Result) Failed() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Error })
}

// A Rule is a code of findings and what it means.
type Rule struct{ Code, Summary string }

// A Program is the program that writes a report.
type Program struct {
	Name  string
	Rules []Rule
	// Summary returns the last line of a text from the number of files and the numbers of findings by level.
	Summary func(files int, levels map[string]int) string
}

// Formats are the formats of Write: text, json, sarif for code scanning, and github for annotations in GitHub Actions.
const Formats = "text,json,sarif,github"

// Write writes results in one of Formats.
func (p *Program) Write(w io.Writer, format string, results []Result) error {
	switch format {
	case "json":
		if results == nil {
			results = []Result{}
		}
		return writeJSON(w, results)
	case "sarif":
		return p.writeSARIF(w, results)
	case "github":
		return writeGitHub(w, results)
	}
	return p.writeText(w, results)
}

// writeText writes a line for each finding, and a summary.
func (p *Program) writeText(w io.Writer, results []Result) error {
	levels := map[string]int{}
	for _, r := range results {
		for _, f := range r.Findings {
			levels[f.Level]++
			_, err := fmt.Fprintf(w, "%s:%d: %s: %s: %s [%s]\n",
				clean(r.File), f.Line, f.Level, clean(cmp.Or(f.Path, "/")), clean(f.Message), f.Code)
			if err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintln(w, p.Summary(len(results), levels))
	return err
}

// clean replaces control characters, including line feeds: a program that reads the report could take a line of its own
// for a command.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// writeJSON writes indented JSON.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeGitHub writes workflow commands. GitHub Actions shows them at the lines of a pull request.
func writeGitHub(w io.Writer, results []Result) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, r := range results {
		for _, f := range r.Findings {
			command := f.Level
			if command != Error && command != Warning {
				command = "notice"
			}
			_, err := fmt.Fprintf(w, "::%s file=%s,line=%d,title=%s::%s\n",
				command, property.Replace(r.File), max(f.Line, 1), property.Replace(f.Code),
				data.Replace(cmp.Or(f.Path, "/")+": "+f.Message))
			if err != nil {
				return err
			}
		}
	}
	return nil
}
