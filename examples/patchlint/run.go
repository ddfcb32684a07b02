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
	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
)

const description = "Check patch definitions for Jamf Pro.\n\nEach PATH is a file, a folder (all *.json files in it) " +
	"or a zip. An error is something that a patch source rejects. A warning is something that Jamf Pro accepts but " +
	"that probably has an unintended effect.\n\nWith --computers, the definitions are not checked but evaluated: for " +
	"each computer, the program writes whether Jamf Pro would report the title as installed, in which version, " +
	"whether the computer can run the newest one, and why. The file is JSON as POST /api/v1/evaluate accepts it " +
	"({\"computers\": [...]} or the array alone), or CSV of an inventory export: the columns Computer Name, " +
	"Operating System Version, Application Title, Application Bundle ID and Application Version, one row for each " +
	"computer and application, and further columns for extension attributes (by key or display name) and other " +
	"criteria (by name)." +
	"\n\nExit codes: 0 without errors (with --strict, also without warnings), 1 with errors, 2 for invalid arguments " +
	"and files that cannot be read. With --computers: 0 if everything was evaluated, " +
	"whatever the results, otherwise 2."

type flags struct {
	Paths  []string `arg:"" optional:"" name:"path"`
	Format string   `short:"f" default:"text" enum:"text,json,sarif,github" placeholder:"text|json|sarif|github"`
	Off    []string `placeholder:"CODE"`
	Error  []string `placeholder:"CODE"`
	Strict bool
	Fix    bool
	Rules  bool

	Computers string `placeholder:"FILE"`
}

// help describes the arguments and the flags, by name.
var help = map[string]string{
	"path": "Files, folders and zips.",
	"format": "Format of the report: text, json, sarif for code scanning, or github for annotations in GitHub " +
		"Actions (default: ${default}).",
	"off":    "Disable a rule. May be repeated.",
	"error":  "Treat the warnings of a rule as errors. May be repeated.",
	"strict": "Treat all warnings as errors.",
	"fix":    "Fix the files where possible, and report the rest. Zips are not changed.",
	"rules":  "List the rules and exit.",
	"computers": "Evaluate the definitions for the computers in a JSON or CSV file. The report is text or json; " +
		"--off, --error, --strict and --fix do not apply.",
}

// run runs the program and returns its exit code. terminal reports whether stderr is a terminal, which shows the
// progress.
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
		fmt.Fprintf(stderr, "patchlint: no *.json file in %s\n", strings.Join(f.Paths, ", "))
		return 2
	}
	if f.Computers != "" {
		return evaluate(f, files, stdout, stderr)
	}
	l := &linter{opts: patch.LintOptions{Now: now, Off: f.Off, Errors: f.Error}, fix: f.Fix}
	if f.Strict {
		l.opts.Errors = codes()
	}
	results, code := l.checkAll(files, stderr, terminal)
	if err := program().Write(stdout, f.Format, results); err != nil {
		fmt.Fprintf(stderr, "patchlint: %v\n", err)
		return 2
	}
	return code
}

// checkAll checks files and returns the results and the exit code. It logs files that cannot be read.
func (l *linter) checkAll(files []file, stderr io.Writer, terminal bool) (results []report.Result, code int) {
	progress := progressbar.NewOptions(len(files),
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionSetVisibility(terminal),
		progressbar.OptionSetDescription("checking"),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	for _, file := range files {
		r, err := l.check(file)
		_ = progress.Add(1) // the progress is only for display
		if err != nil {
			_ = progress.Clear()
			fmt.Fprintf(stderr, "patchlint: %v\n", err)
			code = 2
			continue
		}
		if code == 0 && r.Failed() {
			code = 1
		}
		results = append(results, r)
	}
	_ = progress.Finish()
	return results, code
}

// parseFlags parses the arguments. The error is cli.ErrAnswered after --help and --rules.
func parseFlags(args []string, stdout io.Writer) (*flags, error) {
	f := &flags{}
	program := cli.Program{Name: "patchlint", Description: description, Help: help}
	if err := cli.Parse(f, program, args, stdout); err != nil {
		return nil, err
	}
	if f.Rules {
		for _, r := range patch.Rules() {
			fix := ""
			if r.Fixable {
				fix = " (fixed by --fix)"
			}
			fmt.Fprintf(stdout, "%-20s %s%s\n", r.Code, r.Summary, fix)
		}
		return nil, cli.ErrAnswered
	}
	if len(f.Paths) == 0 {
		return nil, errors.New("name files, folders or zips to check")
	}
	for _, code := range slices.Concat(f.Off, f.Error) {
		if !slices.Contains(codes(), code) {
			return nil, fmt.Errorf("there is no rule %q: the rules are %s", code, strings.Join(codes(), ", "))
		}
	}
	return f, nil
}

// codes returns the codes of all rules.
func codes() (all []string) {
	for _, r := range patch.Rules() {
		all = append(all, r.Code)
	}
	return all
}
