package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/patch"
)

const description = `Check patch definitions for Jamf Pro.

Each PATH is a file, a folder (every *.json in it) or a zip. An error is what a patch source refuses; a warning is what Jamf Pro takes and probably does something unexpected with.

Exit codes: 0 no errors (and, with --strict, no warnings), 1 errors, 2 arguments that are wrong or files that cannot be read.`

type flags struct {
	Paths  []string `arg:"" optional:"" name:"path" help:"Files, folders and zips."`
	Format string   `short:"f" default:"text" enum:"text,json,sarif,github" placeholder:"text|json|sarif|github" help:"Form of the report: text for people, json, sarif for code scanning, github for annotations in a GitHub Actions run (default: ${default})."`
	Off    []string `placeholder:"CODE" help:"Leave a rule out. May be given several times."`
	Error  []string `placeholder:"CODE" help:"Make a rule's warnings errors. May be given several times."`
	Strict bool     `help:"Make every warning an error."`
	Fix    bool     `help:"Mend in the files what can be mended, and report the rest. Zips are not changed."`
	Rules  bool     `help:"List the rules and exit."`
}

// run is the program and returns its exit code. terminal says whether somebody
// watches stderr.
func run(args []string, stdout, stderr io.Writer, terminal bool, now time.Time) int {
	f, err := parseFlags(args, stdout)
	if errors.Is(err, cli.ErrAnswered) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "patchlint: %v\nTry --help.\n", err)
		return 2
	}
	files, err := find(f.Paths)
	if err != nil {
		fmt.Fprintf(stderr, "patchlint: %v\n", err)
		return 2
	}
	if len(files) == 0 {
		fmt.Fprintf(stderr, "patchlint: there is no *.json in %s\n", strings.Join(f.Paths, ", "))
		return 2
	}
	l := &linter{opts: patch.LintOptions{Now: now, Off: f.Off, Errors: f.Error}, fix: f.Fix}
	if f.Strict {
		l.opts.Errors = codes()
	}
	progress := progressbar.NewOptions(
		len(files),
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionSetVisibility(terminal),
		progressbar.OptionSetDescription(
			"checking",
		),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	var results []result
	code := 0
	for _, file := range files {
		r, err := l.check(file)
		_ = progress.Add(1) // it is only shown
		if err != nil {
			_ = progress.Clear()
			fmt.Fprintf(stderr, "patchlint: %v\n", err)
			code = 2
			continue
		}
		if code == 0 && slices.ContainsFunc(r.Findings, func(f finding) bool { return f.Level == levelError }) {
			code = 1
		}
		results = append(results, r)
	}
	_ = progress.Finish()
	if err := reports[f.Format](stdout, results); err != nil {
		fmt.Fprintf(stderr, "patchlint: %v\n", err)
		return 2
	}
	return code
}

func parseFlags(args []string, stdout io.Writer) (*flags, error) {
	f := &flags{}
	if err := cli.Parse(f, cli.Program{Name: "patchlint", Description: description}, args, stdout); err != nil {
		return nil, err
	}
	if f.Rules {
		for _, r := range patch.Rules() {
			fix := ""
			if r.Fixable {
				fix = " (--fix mends it)"
			}
			fmt.Fprintf(stdout, "%-20s %s%s\n", r.Code, r.Summary, fix)
		}
		return nil, cli.ErrAnswered
	}
	if len(f.Paths) == 0 {
		return nil, errors.New("give it files, folders or zips to check")
	}
	for _, code := range slices.Concat(f.Off, f.Error) {
		if !slices.Contains(codes(), code) {
			return nil, fmt.Errorf("there is no rule %q: there are %s", code, strings.Join(codes(), ", "))
		}
	}
	return f, nil
}

func codes() (all []string) {
	for _, r := range patch.Rules() {
		all = append(all, r.Code)
	}
	return all
}
