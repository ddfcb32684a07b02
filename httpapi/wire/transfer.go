package wire

import "github.com/patchsource/patchsource/patch"

// A Restored is one title of a restore. The answer to a restore is an array of them.
type Restored struct {
	ID string `json:"id"`
	// Skipped says why the title was left unchanged. It is absent if the title was restored.
	Skipped string `json:"skipped,omitempty"`
}

// A RestorePlan is the body that answers a restore with dry_run: what the restore would do.
type RestorePlan struct {
	// Each list has the ids of at most 1,000 titles.
	Create    []string `json:"create"`
	Replace   []string `json:"replace"`
	Unchanged []string `json:"unchanged"`
	Delete    []string `json:"delete"`
	// Skip has the titles that are left unchanged because they follow an upstream.
	Skip []string `json:"skip"`
	// Counts has the number of titles of each list, under the list's name.
	Counts map[string]int `json:"counts"`
	// Confirm is the value that the restore has to be confirmed with. It is absent if the restore deletes nothing.
	Confirm string `json:"confirm,omitempty"`
}

// The results of an [Imported] title.
const (
	ResultCreated   = "created"
	ResultUpdated   = "updated"
	ResultUnchanged = "unchanged"
	ResultRefused   = "refused"
)

// An Imported is one title of an import. The answer to an import is one of them on each line.
type Imported struct {
	// Item is the place of the title in the body of the request: its index in an array, its line, or the name of a
	// member of a zip archive.
	Item string `json:"item"`
	ID   string `json:"id,omitempty"`
	// Result is one of ResultCreated, ResultUpdated, ResultUnchanged and ResultRefused.
	Result   string          `json:"result"`
	Message  string          `json:"message,omitempty"`
	Errors   []patch.Failure `json:"errors,omitempty"`
	Warnings []patch.Warning `json:"warnings,omitempty"`
}
