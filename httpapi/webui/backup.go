package webui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

const (
	// maxImported is how many lines of an import are shown.
	maxImported = 1000
	// maxNamed is how many titles of each kind a restore names before it is made.
	maxNamed = 20
	// maxField bounds a field in front of a file that is passed on to the API.
	maxField = 4 << 10
)

// A backupPage makes backups, and takes them.
type backupPage struct {
	complaint
	Imported []imported
	Counts   map[string]int
	DryRun   bool
	Cut      bool // there are more than are shown
	Replace  bool // as the form had it
}

// An imported is a line of the answer to an import.
type imported struct {
	Item     string          `json:"item"`
	ID       string          `json:"id"`
	Result   string          `json:"result"`
	Message  string          `json:"message"`
	Errors   []patch.Failure `json:"errors"`
	Warnings []patch.Warning `json:"warnings"`
}

func (v *visit) backup() {
	if v.signedIn() {
		v.show(http.StatusOK, "backup", "Backup", backupPage{})
	}
}

// fullBackup streams a full backup.
func (v *visit) fullBackup() {
	if !v.signedIn() {
		return
	}
	if !v.who.Administrator() {
		v.fail(http.StatusForbidden, "This is for administrators.")
		return
	}
	v.h.api.ServeHTTP(v.w, v.request(v.r.Method, "/api/v1/backup?full=1", http.NoBody))
}

// file returns the file of a form as a stream, to be passed on without being kept. Fields in
// front of it are in the request's PostForm. If there is no file, it says so.
func (v *visit) file() (io.Reader, bool) {
	v.r.PostForm = url.Values{}
	form, err := v.r.MultipartReader()
	for n := 0; err == nil && n < maxFiles; n++ {
		part, partErr := form.NextPart()
		switch {
		case partErr != nil:
			err = partErr
		case part.FormName() == "file" && part.FileName() != "":
			return part, true
		case part.FormName() != "file":
			var value []byte
			value, err = io.ReadAll(io.LimitReader(part, maxField))
			v.r.PostForm.Add(part.FormName(), string(value))
		}
	}
	if err == io.EOF {
		v.fail(http.StatusBadRequest, "No file was chosen, so nothing was changed.")
	} else {
		v.fail(http.StatusBadRequest, "The form cannot be read. Open the page again, and try once more.")
	}
	return nil, false
}

// withQuery returns a target with the parameters that are set, if any are.
func withQuery(path string, query url.Values) string {
	return (&url.URL{Path: path, RawQuery: query.Encode()}).String()
}

// restore restores a backup. A restore that deletes titles takes two steps: without the number
// of titles that it deletes, in the field confirm, the page shows what the restore would do.
func (v *visit) restore() {
	if !v.signedIn() {
		return
	}
	file, ok := v.file()
	if !ok {
		return
	}
	mode, confirm := v.r.URL.Query().Get("mode"), v.value("confirm")
	query := url.Values{}
	if mode != "" {
		query.Set("mode", mode)
	}
	if confirm != "" {
		query.Set("confirm", confirm+v.value("digest"))
	}
	plan := mode == "replace" && confirm == ""
	if plan {
		query.Set("dry_run", "1")
	}
	a := v.askStream("POST", withQuery("/api/v1/restore", query), file, "Content-Type", "application/zip")
	if plan {
		v.showPlan(a)
	} else {
		v.showRestored(a)
	}
}

// showRestored says what a restore has done.
func (v *visit) showRestored(a *answer) {
	var restored []struct {
		Skipped string `json:"skipped"`
	}
	if !a.ok() || !a.into(&restored) {
		v.again(a, "backup", "Backup", backupPage{complaint: complaint{a.Message, a.Errors}})
		return
	}
	skipped := 0
	for _, one := range restored {
		if one.Skipped != "" {
			skipped++
		}
	}
	said := fmt.Sprintf("%d titles were restored.", len(restored)-skipped)
	if skipped > 0 {
		said += fmt.Sprintf(" %d that follow a source were left as they are.", skipped)
	}
	v.goTo("/", said)
}

// A planPage says what a restore would do, and asks whether it is to be made.
type planPage struct {
	Delete int    // how many titles it deletes
	Digest string // what follows that number in the confirmation: of which titles they are
	Parts  []planPart
}

// A planPart is what a restore would do to some titles.
type planPart struct {
	What  string
	Count int
	Named []string
	More  int // titles that are not named
}

// showPlan shows what a restore would do.
func (v *visit) showPlan(a *answer) {
	var plan struct {
		Create    []string       `json:"create"`
		Replace   []string       `json:"replace"`
		Unchanged []string       `json:"unchanged"`
		Delete    []string       `json:"delete"`
		Skip      []string       `json:"skip"`
		Counts    map[string]int `json:"counts"`
		Confirm   string         `json:"confirm"`
	}
	if !a.ok() || !a.into(&plan) {
		v.again(a, "backup", "Backup", backupPage{complaint: complaint{a.Message, a.Errors}})
		return
	}
	var p planPage
	add := func(what, name string, ids []string) int {
		n := max(plan.Counts[name], len(ids)) // the lists are cut
		named := ids[:min(len(ids), maxNamed)]
		p.Parts = append(p.Parts, planPart{What: what, Count: n, Named: named, More: n - len(named)})
		return n
	}
	p.Delete = add("Deleted, with their history", "delete", plan.Delete)
	if i := strings.Index(plan.Confirm, "-"); i >= 0 {
		p.Digest = plan.Confirm[i:]
	}
	add("Replaced", "replace", plan.Replace)
	add("Created", "create", plan.Create)
	add("Unchanged", "unchanged", plan.Unchanged)
	add("Left alone, because they follow a source", "skip", plan.Skip)
	v.show(http.StatusOK, "plan", "Restore", p)
}

// importTitles takes many titles. Those that exist are replaced if the form says so.
func (v *visit) importTitles() {
	if !v.signedIn() {
		return
	}
	file, ok := v.file()
	if !ok {
		return
	}
	p := backupPage{
		DryRun:  v.r.URL.Query().Get("dry_run") != "",
		Replace: v.value("replace") != "",
		Counts:  map[string]int{},
	}
	query := url.Values{}
	if p.DryRun {
		query.Set("dry_run", "1")
	}
	if p.Replace {
		query.Set("replace", "1")
	}
	a := v.askStream("POST", withQuery("/api/v1/titles/import", query), file, "Content-Type",
		"application/octet-stream")
	if !a.ok() {
		p.complaint = complaint{a.Message, a.Errors}
		v.again(a, "backup", "Backup", p)
		return
	}
	p.Cut = len(a.body) >= maxAnswer
	for l := range bytes.Lines(a.body) {
		var one imported
		if json.Unmarshal(l, &one) != nil {
			continue
		}
		p.Counts[one.Result]++
		if len(p.Imported) < maxImported {
			p.Imported = append(p.Imported, one)
		} else {
			p.Cut = true
		}
	}
	v.show(http.StatusOK, "backup", "Backup", p)
}
