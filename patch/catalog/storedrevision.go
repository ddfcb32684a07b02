package catalog

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/store"
)

// historyKind is the kind of the records of earlier revisions.
const historyKind = "history"

// A storedRevision is the record of an earlier revision.
type storedRevision struct {
	Format     int             `json:"format"`
	Number     uint64          `json:"number"`
	At         time.Time       `json:"at"`
	By         string          `json:"by,omitempty"`
	Definition json.RawMessage `json:"definition"`
}

// current returns the record's definition as a revision.
func (r *record) current() *storedRevision {
	return &storedRevision{
		Format:     plainFormat,
		Number:     r.number(),
		At:         r.Changed,
		By:         r.By,
		Definition: json.RawMessage(r.definition),
	}
}

// head returns the description of the revision for the title's record. The error is store.ErrCorrupt.
func (r *storedRevision) head() (revisionHead, error) {
	summary, err := readSummary(r.Definition)
	if err != nil {
		return revisionHead{}, fmt.Errorf("%w: revision %d: %w", store.ErrCorrupt, r.Number, err)
	}
	return revisionHead{
		Number:  r.Number,
		At:      r.At,
		By:      r.By,
		Version: summary.CurrentVersion,
		Bytes:   int64(len(r.Definition)),
	}, nil
}

// revisionKey returns the store's key of a revision. It begins with the title's UID, so that a later title with the
// same id has a history of its own.
func revisionKey(uid string, n uint64) store.Key {
	return store.Key{Kind: historyKind, ID: fmt.Sprintf("%s/%010d", uid, n)}
}
