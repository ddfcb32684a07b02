package webui

import (
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
)

const (
	// maxImported limits the number of results of an import that are shown.
	maxImported = 1000
	// maxNamed limits the number of titles in each list of what a restore would do.
	maxNamed = 20
)

// backupPages are the pages for backup, restore and import.
type backupPages struct{ *visit }

// A backupPage has the forms for backups, and the results of an import.
type backupPage struct {
	complaint
	Results importResults
	Replace bool // as in the form
}

// importResults are the results of an import.
type importResults struct {
	Imported []wire.Imported
	Counts   map[string]int // nil if there was no import
	DryRun   bool
	Cut      bool // there are more results than are shown
}

func (p backupPages) forms() {
	if p.signedIn() {
		p.show(http.StatusOK, "backup", "Backup", backupPage{})
	}
}

// full streams a full backup. It is the only call whose answer goes to the visitor as the API sends it, because it must
// not be kept in memory.
func (p backupPages) full() {
	if !p.signedIn() {
		return
	}
	if !p.visitor.MayAdminister() {
		p.fail(http.StatusForbidden, "This is for administrators.")
		return
	}
	p.passOn(p.w, p.r.Method, "/api/v1/backup?full=1")
}

// restore restores a backup. A restore that deletes titles takes two steps: if the field confirm, the number of titles
// that it deletes, is empty, the page shows what the restore would do.
func (p backupPages) restore() {
	if !p.signedIn() {
		return
	}
	file, ok := p.stream()
	if !ok {
		return
	}
	opts := &client.RestoreOptions{Mode: client.RestoreMode(p.r.URL.Query().Get("mode"))}
	if confirm := p.value("confirm"); confirm != "" {
		opts.Confirm = confirm + p.value("digest")
	} else if opts.Mode == client.RestoreReplace {
		plan, err := p.api.PlanRestore(p.r.Context(), file, opts)
		p.showPlan(plan, err)
		return
	}
	if !p.inBackground() {
		restored, err := p.api.Restore(p.r.Context(), file, opts)
		p.showRestored(restored, err)
		return
	}
	job, err := p.api.StartRestore(p.r.Context(), file, opts)
	if outcome, ok := p.started(job, err, backupPage{}); ok {
		p.showRestored(outcome.Restored, nil)
	}
}

// inBackground reports whether the form says that its work is a job.
func (p backupPages) inBackground() bool { return p.value("background") != "" }

// showRefused shows the forms again, with the error of the API.
func (p backupPages) showRefused(err error, page backupPage) {
	r := p.refusalOf(err)
	page.complaint = r.complaint()
	p.again(r, "backup", "Backup", page)
}

// showRestored shows the result of a restore.
func (p backupPages) showRestored(restored []wire.Restored, err error) {
	if err != nil {
		p.showRefused(err, backupPage{})
		return
	}
	p.redirect("/", restoredNotice(countRestored(restored)))
}

// countRestored returns the number of titles that were restored, and that of the others.
func countRestored(all []wire.Restored) (restored, skipped int) {
	for _, title := range all {
		if title.Skipped != "" {
			skipped++
		}
	}
	return len(all) - skipped, skipped
}

// restoredNotice returns the result of a restore in words.
func restoredNotice(restored, skipped int) string {
	notice := plural(restored, "title was restored.", "titles were restored.")
	if skipped > 0 {
		notice += " " + plural(skipped, "title that follows a source was", "titles that follow a source were") +
			" not changed."
	}
	return notice
}

// A planPage shows what a restore would do, and asks for confirmation.
type planPage struct {
	Delete int // the number of titles that it deletes
	// Digest is the part of the confirmation after that number. It identifies the titles.
	Digest string
	Parts  []planPart
}

// A planPart is what a restore would do to some titles.
type planPart struct {
	Label string
	Count int
	Named []string
	More  int // titles that are not named
}

// showPlan shows what a restore would do.
func (p backupPages) showPlan(plan wire.RestorePlan, err error) {
	if err != nil {
		p.showRefused(err, backupPage{})
		return
	}
	var page planPage
	add := func(label, name string, ids []string) int {
		n := max(plan.Counts[name], len(ids)) // the lists may be cut
		named := ids[:min(len(ids), maxNamed)]
		page.Parts = append(page.Parts, planPart{Label: label, Count: n, Named: named, More: n - len(named)})
		return n
	}
	page.Delete = add("Deleted, with their history", "delete", plan.Delete)
	if i := strings.Index(plan.Confirm, "-"); i >= 0 {
		page.Digest = plan.Confirm[i:]
	}
	add("Replaced", "replace", plan.Replace)
	add("Created", "create", plan.Create)
	add("Unchanged", "unchanged", plan.Unchanged)
	add("Skipped because they follow a source", "skip", plan.Skip)
	p.show(http.StatusOK, "plan", "Restore", page)
}

// importTitles imports titles. Those that exist are replaced if the form says so.
func (p backupPages) importTitles() {
	if !p.signedIn() {
		return
	}
	file, ok := p.stream()
	if !ok {
		return
	}
	page := backupPage{Replace: p.value("replace") != ""}
	opts := &client.ImportOptions{DryRun: p.r.URL.Query().Get("dry_run") != "", Replace: page.Replace}
	results := importResults{DryRun: opts.DryRun, Counts: map[string]int{}}
	if p.inBackground() && !opts.DryRun {
		job, err := p.api.StartImport(p.r.Context(), file, opts)
		outcome, ok := p.started(job, err, page)
		if !ok {
			return
		}
		for _, imported := range outcome.Imported {
			results.add(imported)
		}
		page.Results = results
		p.show(http.StatusOK, "backup", "Backup", page)
		return
	}
	for imported, err := range p.api.Import(p.r.Context(), file, opts) {
		switch {
		case err != nil && len(results.Counts) == 0:
			p.showRefused(err, page)
			return
		case err != nil: // the rest of the answer is missing
			results.Cut = true
		default:
			results.add(imported)
		}
	}
	page.Results = results
	p.show(http.StatusOK, "backup", "Backup", page)
}

// add adds the result for one title.
func (p *importResults) add(imported wire.Imported) {
	p.Counts[imported.Result]++
	if len(p.Imported) < maxImported {
		p.Imported = append(p.Imported, imported)
	} else {
		p.Cut = true
	}
}
