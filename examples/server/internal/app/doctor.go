package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/examples/server/internal/doctor"
)

// The exit codes of patchsource doctor.
const (
	doctorSound       = 0 // no errors, but perhaps warnings
	doctorErrors      = 1
	doctorUnreachable = 2 // also for invalid arguments
)

// doctorFlags are the flags of patchsource doctor.
type doctorFlags struct {
	URL     string `arg:"" name:"url"`
	All     bool
	JSON    bool          `name:"json"`
	CA      string        `name:"ca" placeholder:"FILE"`
	Timeout time.Duration `default:"5m" placeholder:"DURATION"`
}

// doctorProgram describes patchsource doctor.
var doctorProgram = cli.Program{
	Name: "patchsource doctor",
	Description: "Check a running patch source the way Jamf Pro reads it.\n\n" +
		"The command reads the feed at URL and reports what Jamf Pro would complain about, and how to mend it. It " +
		"changes nothing, and it works with every patch source. Run it from the network of Jamf Pro.\n\n" +
		"Exit codes: 0 without errors, 1 with errors, 2 if the source cannot be reached or the arguments are " +
		"invalid.",
	Help: map[string]string{
		"url": "Address of the source, as for Jamf Pro: patches.example.com/jamf/v1, or a URL with https:// or " +
			"http://. Without these, HTTPS is tried first. Without a path, /jamf/v1 is tried too.",
		"all":  "Read every definition. Without it, at most 50 are read, spread over the list.",
		"json": "Write the report as JSON.",
		"ca": "File with the certificates (PEM) of authorities that are trusted besides those of the system, for " +
			"servers with certificates of a private authority, and for self-signed ones.",
		"timeout": "Time for the whole check (default: ${default}).",
	},
}

// runDoctor runs patchsource doctor.
func runDoctor(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := &doctorFlags{}
	if code, done := cli.ParseCommand(f, doctorProgram, args, stdout, stderr, doctorUnreachable); done {
		return code
	}
	fail := func(err error) int {
		fmt.Fprintf(stderr, "patchsource doctor: %v\n", err)
		return doctorUnreachable
	}
	if f.Timeout <= 0 {
		return fail(fmt.Errorf("--timeout %s: it must be more than nothing, such as 5m", f.Timeout))
	}
	roots, err := cli.ReadRoots(f.CA)
	if err != nil {
		return fail(err)
	}
	report, err := doctor.Examine(ctx, f.URL, &doctor.Options{Roots: roots, All: f.All, Timeout: f.Timeout})
	if err != nil {
		return fail(err)
	}
	if f.JSON {
		err = writeReportJSON(stdout, report)
	} else {
		err = writeReport(stdout, report)
	}
	if err != nil {
		return fail(err)
	}
	switch {
	case !report.Reached:
		return doctorUnreachable
	case report.Count(doctor.Error) > 0:
		return doctorErrors
	}
	return doctorSound
}

// writeReport writes a report for people: a line for each finding, and a summary.
func writeReport(w io.Writer, r *doctor.Report) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(w, "%-8s %-14s %s\n", f.Severity, f.Check, f.Message); err != nil {
			return err
		}
	}
	verdict := "Jamf Pro can use this source"
	switch {
	case !r.Reached:
		verdict = "the source cannot be reached"
	case r.Count(doctor.Error) > 0:
		verdict = "Jamf Pro cannot use this source, or a part of it, until the errors are mended"
	}
	_, err := fmt.Fprintf(w, "\n%s: %s (errors: %d, warnings: %d; titles: %d, definitions read: %d)\n",
		r.URL, verdict, r.Count(doctor.Error), r.Count(doctor.Warning), r.Titles, r.Examined)
	return err
}

// writeReportJSON writes a report for programs.
func writeReportJSON(w io.Writer, r *doctor.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		*doctor.Report
		Errors   int `json:"errors"`
		Warnings int `json:"warnings"`
	}{r, r.Count(doctor.Error), r.Count(doctor.Warning)})
}
