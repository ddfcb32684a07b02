package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode"

	"github.com/patchsource/patchsource/patch"
)

// reports contains the writers of each format.
var reports = map[string]func(io.Writer, []result) error{
	"text": reportText, "json": reportJSON, "sarif": reportSARIF, "github": reportGitHub,
}

// reportText writes a line for each finding, and a summary.
func reportText(w io.Writer, results []result) error {
	counts := map[string]int{}
	for _, r := range results {
		for _, f := range r.Findings {
			counts[f.Level]++
			_, err := fmt.Fprintf(w, "%s:%d: %s: %s: %s [%s]\n",
				clean(r.File), f.Line, f.Level, clean(cmp.Or(f.Path, "/")), clean(f.Message), f.Code)
			if err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%d files, %d errors, %d warnings, %d fixed\n",
		len(results), counts[levelError], counts[levelWarning], counts[levelFixed])
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

// reportJSON writes the results as JSON.
func reportJSON(w io.Writer, results []result) error {
	if results == nil {
		results = []result{}
	}
	return writeJSON(w, results)
}

// writeJSON writes indented JSON.
func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// reportGitHub writes workflow commands. GitHub Actions shows them at the lines of a pull request.
func reportGitHub(w io.Writer, results []result) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, r := range results {
		for _, f := range r.Findings {
			command := f.Level
			if f.Level == levelFixed {
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

// The members of SARIF 2.1.0 that a report has.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver struct {
				Name  string      `json:"name"`
				Rules []sarifRule `json:"rules"`
			} `json:"driver"`
		} `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
		Logical []sarifLogical `json:"logicalLocations"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

// reportSARIF writes a SARIF log for code scanning.
func reportSARIF(w io.Writer, results []result) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver.Name = "patchlint"
	run.Tool.Driver.Rules = []sarifRule{{codeInvalid, sarifText{"a patch source rejects the definition"}}}
	for _, r := range patch.Rules() {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{r.Code, sarifText{r.Summary}})
	}
	for _, r := range results {
		for _, f := range r.Findings {
			level := f.Level
			if level == levelFixed {
				level = "note"
			}
			var at sarifLocation
			at.Physical.Artifact.URI = (&url.URL{Path: r.File}).String()
			at.Physical.Region.StartLine = max(f.Line, 1)
			at.Logical = []sarifLogical{{cmp.Or(f.Path, "/")}}
			run.Results = append(run.Results, sarifResult{f.Code, level, sarifText{f.Message}, []sarifLocation{at}})
		}
	}
	return writeJSON(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}
