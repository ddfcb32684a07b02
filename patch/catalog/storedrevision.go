package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/store"
)

// historyKind is the kind of the records of earlier revisions.
const historyKind = "history"

// A storedRevision is the record of an earlier revision, and of those before it. In the store it is JSON with the
// definition as the last member.
type storedRevision struct {
	storedHead
	Definition json.RawMessage `json:"definition"`
}

// A storedHead is a storedRevision without its definition.
type storedHead struct {
	Format int       `json:"format"`
	Number uint64    `json:"number"`
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`
	// Earlier are the revisions directly before this one that the record has too, the newest last.
	Earlier []earlierRevision `json:"earlier,omitempty"`
}

// groups returns the record's definition, with the recent ones before it, as the records into which they move, the
// oldest first. If a recent revision is corrupt, it and those before it are left out, and the error is
// store.ErrCorrupt.
func (r *record) groups() (all []*storedRevision, lost error) {
	recent, texts, lost := r.readableRecent()
	newest := storedRevision{storedHead{Number: r.number(), At: r.Changed, By: r.By}, r.definition}
	for left := recent; ; {
		g := newest
		first := max(0, len(left)-(maxGroup-1))
		g.Format, g.Earlier = plainFormat, left[first:]
		if len(g.Earlier) > 0 {
			g.Format = differenceFormat
		}
		all = append(all, &g)
		if first == 0 {
			slices.Reverse(all)
			return all, lost
		}
		next := &left[first-1]
		newest = storedRevision{storedHead{Number: next.Number, At: next.At, By: next.By}, texts[first-1]}
		left = left[:first-1]
	}
}

// readableRecent returns the recent revisions without those that are corrupt and those before them, and the definitions
// of those with which a group begins. The error is store.ErrCorrupt if revisions are left out.
func (r *record) readableRecent() (recent []earlierRevision, texts [][]byte, lost error) {
	texts = make([][]byte, len(r.Recent))
	text := r.definition
	for i, e := range slices.Backward(r.Recent) {
		var err error
		if text, err = patchText(text, e.Difference); err == nil {
			_, err = readSummary(text)
		}
		if err != nil {
			return r.Recent[i+1:], texts[i+1:], fmt.Errorf("%w: revision %d: %w", store.ErrCorrupt, e.Number, err)
		}
		if (len(r.Recent)-i)%maxGroup == 0 {
			texts[i] = text
		}
	}
	return r.Recent, texts, nil
}

// encode returns the record as the store holds it.
func (r *storedRevision) encode() ([]byte, error) {
	head, err := marshalHead(r.storedHead)
	if err != nil {
		return nil, err
	}
	return appendDefinition(head, r.Definition), nil
}

// heads returns the descriptions of the revisions for the title's record, the newest last. The error is
// store.ErrCorrupt.
func (r *storedRevision) heads() ([]revisionHead, error) {
	summary, err := readSummary(r.Definition)
	if err != nil {
		return nil, fmt.Errorf("%w: revision %d: %w", store.ErrCorrupt, r.Number, err)
	}
	var all []revisionHead
	for _, e := range r.Earlier {
		all = append(all, revisionHead{
			Number:  e.Number,
			At:      e.At,
			By:      e.By,
			Version: e.Version,
			Bytes:   int64(len(e.Difference)),
			In:      r.Number,
		})
	}
	return append(all, revisionHead{
		Number:  r.Number,
		At:      r.At,
		By:      r.By,
		Version: summary.CurrentVersion,
		Bytes:   int64(len(r.Definition)),
	}), nil
}

// definition returns the definition of one of the record's revisions. The error is store.ErrNotFound or
// store.ErrCorrupt.
func (r *storedRevision) definition(n uint64) ([]byte, error) {
	if n == r.Number {
		return r.Definition, nil
	}
	return earlierDefinition(r.Definition, r.Earlier, n)
}

// earlierDefinition returns the definition of the revision n, which is one of earlier. text is the definition of the
// revision that follows the last of these. The error is store.ErrNotFound or store.ErrCorrupt.
func earlierDefinition(text []byte, earlier []earlierRevision, n uint64) ([]byte, error) {
	for _, e := range slices.Backward(earlier) {
		var err error
		if text, err = patchText(text, e.Difference); err != nil {
			return nil, fmt.Errorf("%w: revision %d: %w", store.ErrCorrupt, e.Number, err)
		}
		if e.Number == n {
			return text, nil
		}
	}
	return nil, store.ErrNotFound
}

// revisionKey returns the store's key of a revision. It begins with the title's UID, so that a later title with the
// same id has a history of its own.
func revisionKey(uid string, n uint64) store.Key {
	return store.Key{Kind: historyKind, ID: fmt.Sprintf("%s/%010d", uid, n)}
}
