package webui

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// jobPages are the pages about restores and imports that run in the background.
type jobPages struct{ *visit }

// jobRefresh is the number of seconds after which the page of a running job reloads itself.
const jobRefresh = 2

// A jobPage shows the progress of a job, or its outcome.
type jobPage struct {
	wire.Job
	complaint
	// Outcome is a sentence about the titles. It is empty while the job runs, and if it has no result.
	Outcome string
	// Results are those of an import.
	Results importResults
}

// Refresh returns the number of seconds after which the page is to be reloaded.
func (p jobPage) Refresh() int {
	if p.Running() {
		return jobRefresh
	}
	return 0
}

// Running reports whether the job has not ended.
func (p jobPage) Running() bool { return p.State == wire.JobRunning }

// Interrupted reports whether the job was interrupted.
func (p jobPage) Interrupted() bool { return p.State == wire.JobInterrupted }

// Label returns the kind of the job, for people.
func (p jobPage) Label() string { return jobLabel(p.Job) }

func jobLabel(j wire.Job) string {
	if j.Kind == wire.JobRestore {
		return "Restore"
	}
	return "Import"
}

// Progress says how many titles are processed.
func (p jobPage) Progress() string { return jobProgress(p.Job) }

func jobProgress(j wire.Job) string {
	switch {
	case j.Total > 0:
		return grouped(j.Done) + " of " + titleCount(j.Total)
	case j.Done > 0:
		return titleCount(j.Done)
	}
	return "No titles yet"
}

func titleCount(n int) string {
	if n == 1 {
		return "1 title"
	}
	return grouped(n) + " titles"
}

// grouped returns a number with commas between its thousands.
func grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// A jobLine is a job in the list.
type jobLine struct{ wire.Job }

// Label returns the kind of the job, for people.
func (l jobLine) Label() string { return jobLabel(l.Job) }

// Progress says how many titles are processed.
func (l jobLine) Progress() string { return jobProgress(l.Job) }

func (p jobPages) list() {
	if !p.signedIn() {
		return
	}
	all, err := p.api.Jobs(p.r.Context())
	if !p.offered(err) {
		return
	}
	var lines []jobLine
	for _, j := range all {
		lines = append(lines, jobLine{j})
	}
	p.show(http.StatusOK, "jobs", "Restores and imports", lines)
}

func (p jobPages) job() {
	if !p.signedIn() {
		return
	}
	j, err := p.api.Job(p.r.Context(), p.r.PathValue("id"))
	if err != nil {
		p.refused(err)
		return
	}
	page := jobPage{Job: j}
	if !page.Running() && !page.Interrupted() {
		outcome, err := client.OutcomeOf(j)
		if err != nil {
			page.complaint = p.refusalOf(err).complaint()
		} else {
			page.add(outcome)
		}
	}
	p.show(http.StatusOK, "job", page.Label(), page)
}

// add adds the outcome of a job that succeeded.
func (p *jobPage) add(o client.Outcome) {
	switch {
	case o.Summary != nil && p.Kind == wire.JobRestore:
		p.Outcome = restoredNotice(o.Summary.Counts["restored"], o.Summary.Counts["skipped"])
	case o.Summary != nil:
		p.Results = importResults{Counts: o.Summary.Counts, Cut: true}
		p.Results.Imported = o.Summary.Refused[:min(len(o.Summary.Refused), maxImported)]
	case p.Kind == wire.JobRestore:
		p.Outcome = restoredNotice(countRestored(o.Restored))
	default:
		p.Results.Counts = map[string]int{}
		for _, one := range o.Imported {
			p.Results.add(one)
		}
	}
}

// started leads to the page of a job. If the server has done the work already, it returns its outcome and true.
func (p backupPages) started(j wire.Job, err error, page backupPage) (client.Outcome, bool) {
	if err == nil && j.ID != "" {
		p.redirect("/jobs/"+url.PathEscape(j.ID), "")
		return client.Outcome{}, false
	}
	var outcome client.Outcome
	if err == nil {
		outcome, err = client.OutcomeOf(j)
	}
	if err != nil {
		p.showRefused(err, page)
		return client.Outcome{}, false
	}
	return outcome, true
}
