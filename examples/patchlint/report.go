package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode"

	"github.com/patchsource/patchsource/patch"
)

// reports are the forms of the report by name.
var reports = map[string]func(io.Writer, []result) error{
	"text": reportText, "json": reportJSON, "sarif": reportSARIF, "github": reportGitHub,
}

func reportText(w io.Writer, results []result) error {
	counts := map[string]int{}
	for _, r := range results {
		for _, f := range r.Findings {
			counts[f.Level]++
			if _, err := fmt.Fprintf(w, "%s:%d: %s: %s: %s [%s]\n", clean(r.File), f.Line, f.Level, clean(or(f.Path, "/")), clean(f.Message), f.Code); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(
		w,
		"%d files, %d errors, %d warnings, %d fixed\n",
		len(results),
		counts[levelError],
		counts[levelWarning],
		counts[levelFixed],
	)
	return err
}

// clean makes one line of somebody's words: a line of its own could be taken for a
// command by what reads the report.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func reportJSON(w io.Writer, results []result) error {
	if results == nil {
		results = []result{}
	}
	return writeJSON(w, results)
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// reportGitHub writes workflow commands, which GitHub Actions shows beside the
// lines of a pull request.
func reportGitHub(w io.Writer, results []result) error {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, r := range results {
		for _, f := range r.Findings {
			command := f.Level
			if f.Level == levelFixed {
				command = "notice"
			}
			if _, err := fmt.Fprintf(w, "::%s file=%s,line=%d,title=%s::%s\n", command, property.Replace(r.File), max(f.Line, 1), property.Replace(f.Code), data.Replace(or(f.Path, "/")+": "+f.Message)); err != nil {
				return err
			}
		}
	}
	return nil
}

// The part of SARIF 2.1.0 that is used.
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

func reportSARIF(w io.Writer, results []result) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver.Name = "patchlint"
	run.Tool.Driver.Rules = []sarifRule{{codeInvalid, sarifText{"a patch source refuses the definition"}}}
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
			at.Logical = []sarifLogical{{or(f.Path, "/")}}
			run.Results = append(run.Results, sarifResult{f.Code, level, sarifText{f.Message}, []sarifLocation{at}})
		}
	}
	return writeJSON(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}
