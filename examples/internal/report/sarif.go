package report

import (
	"cmp"
	"io"
	"net/url"
)

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

// writeSARIF writes a SARIF log for code scanning.
func (p *Program) writeSARIF(w io.Writer, results []Result) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver.Name = p.Name
	for _, r := range p.Rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{r.Code, sarifText{r.Summary}})
	}
	for _, r := range results {
		for _, f := range r.Findings {
			level := f.Level
			if level != Error && level != Warning {
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
