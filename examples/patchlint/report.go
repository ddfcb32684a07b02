package main

import (
	"fmt"

	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
)

// program returns the program for reports.
func program() *report.Program {
	p := &report.Program{
		Name:  "patchlint",
		Rules: []report.Rule{{Code: report.Invalid, Summary: "a patch source rejects the definition"}},
		Summary: func(files int, levels map[string]int) string {
			return fmt.Sprintf("%d files, %d errors, %d warnings, %d fixed",
				files, levels[report.Error], levels[report.Warning], levels[levelFixed])
		},
	}
	for _, r := range patch.Rules() {
		p.Rules = append(p.Rules, report.Rule{Code: r.Code, Summary: r.Summary})
	}
	return p
}
