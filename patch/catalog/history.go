package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

const (
	// DefaultHistory is how many earlier revisions of a title's definition are kept
	// when [Options] says nothing else.
	DefaultHistory = 20
	// DefaultHistoryBytes bounds the bytes of a title's earlier revisions when
	// [Options] says nothing else: 32 MiB.
	DefaultHistoryBytes = 32 << 20
	// historyKind is the kind of the records of earlier revisions.
	historyKind = "history"
	// unindexedSlack is how many revisions more than Options.History a version
	// without an index of revisions left in the store.
	unindexedSlack = 8
)

// ErrNoRevision is a revision that a title does not have, or has no more.
var ErrNoRevision = errors.New("there is no such revision of the title")

// A Revision is a title's definition as it was, or is, at one time.
type Revision struct {
	// Number counts the revisions of a title from 1.
	Number uint64
	// At is when it came to be, and By who made it, as [EditOptions] said.
	At time.Time
	By string
	// Version is its current version.
	Version string
	// Current says that it is what is served.
	Current bool
}

// A storedRevision is what is kept of an earlier definition.
type storedRevision struct {
	Format     int             `json:"format"`
	Number     uint64          `json:"number"`
	At         time.Time       `json:"at"`
	By         string          `json:"by,omitempty"`
	Definition json.RawMessage `json:"definition"`
}

// A revisionHead is what a title's record says of an earlier revision.
type revisionHead struct {
	Number  uint64    `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Version string    `json:"version"`
	Bytes   int64     `json:"bytes"` // of its definition
}

// head returns what the title's record is to say of the revision. The error is
// store.ErrCorrupt.
func (e *storedRevision) head() (revisionHead, error) {
	summary, err := readSummary(e.Definition)
	if err != nil {
		return revisionHead{}, fmt.Errorf("%w: revision %d: %w", store.ErrCorrupt, e.Number, err)
	}
	return revisionHead{
		Number:  e.Number,
		At:      e.At,
		By:      e.By,
		Version: summary.CurrentVersion,
		Bytes:   int64(len(e.Definition)),
	}, nil
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

// indexed reports whether the record knows which earlier revisions there are.
func (r *record) indexed() bool { return r.Revisions != nil || r.number() == 1 }

// firstKept returns the number of the first revision that is kept; it is the current
// one if there is none before it. The record must be indexed.
func (r *record) firstKept() uint64 {
	if len(r.Revisions) > 0 {
		return r.Revisions[0].Number
	}
	return r.number()
}

// historyKey returns the key of a revision: by UID, so that a title that takes the
// id later has a history of its own.
func historyKey(uid string, n uint64) store.Key {
	return store.Key{Kind: historyKind, ID: fmt.Sprintf("%s/%010d", uid, n)}
}

// keepRevision writes the definition of a record that is about to be replaced as an
// earlier revision. The error is [ErrUnavailable] or that of ctx.
func (c *Catalog) keepRevision(ctx context.Context, was *record) error {
	if c.history == 0 {
		return nil
	}
	value, err := json.Marshal(was.current())
	if err != nil {
		return err
	}
	// Unconditionally: a revision never has another definition, whichever attempt
	// wrote it.
	err = c.settle(ctx, func(ctx context.Context) error {
		_, err := c.store.Put(ctx, historyKey(was.UID, was.number()), value, store.Condition{})
		return err
	})
	if err != nil {
		return fmt.Errorf("the present definition cannot be kept as an earlier revision: %w", err)
	}
	return nil
}

// sweepRevisions deletes what dropRevisions may have left behind after the change that
// wrote rec. It returns the first revision that the store may still hold.
func (c *Catalog) sweepRevisions(ctx context.Context, rec *record) (oldest uint64) {
	first := rec.firstKept()
	if err := c.deleteRevisions(ctx, rec.UID, rec.Oldest, first); err != nil {
		return rec.Oldest // the next change tries again
	}
	return first
}

// trimRevisions returns the newest revisions, as many as the options allow, and at
// least one, so that a change can be undone.
func (c *Catalog) trimRevisions(all []revisionHead) []revisionHead {
	first := len(all) - 1
	bytes := all[first].Bytes
	for first > 0 && len(all)-first < c.history {
		bytes += all[first-1].Bytes
		if c.historyBytes >= 0 && bytes > c.historyBytes {
			break
		}
		first--
	}
	return all[first:]
}

// deleteRevisions deletes the revisions from first up to, and without, end. The error
// is that of the store.
func (c *Catalog) deleteRevisions(ctx context.Context, uid string, first, end uint64) error {
	for n := max(first, 1); n < end; n++ {
		err := c.store.Delete(ctx, historyKey(uid, n), store.Condition{})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// dropRevisions deletes the revisions that a title's record, which is written, keeps no
// more. What fails is left to sweepRevisions.
func (c *Catalog) dropRevisions(ctx context.Context, key string, rec *record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := c.deleteRevisions(ctx, rec.UID, rec.Oldest, rec.firstKept()); err != nil {
		c.log.Error("earlier revisions of a title could not be deleted yet", "title", key, "error", err)
	}
}

// forgetRevisions deletes the revisions of a title that is gone. The error is
// [ErrUnavailable].
func (c *Catalog) forgetRevisions(ctx context.Context, rec *record) error {
	oldest := rec.Oldest
	if !rec.indexed() {
		oldest = c.oldestUnindexed(rec)
	}
	// The last one is there if a change could keep it and then failed.
	if err := c.deleteRevisions(ctx, rec.UID, oldest, rec.number()+1); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// oldestUnindexed returns the first revision that may be in the store of a title whose
// record has no index.
func (c *Catalog) oldestUnindexed(rec *record) uint64 {
	n := rec.number()
	return n - min(n-1, uint64(c.history+unindexedSlack))
}

// indexRevisions gives a record that has no index of its revisions one, by looking at
// the store. The error is [ErrUnavailable] or that of ctx.
func (c *Catalog) indexRevisions(ctx context.Context, key string, rec *record) error {
	if rec.indexed() {
		return nil
	}
	oldest := c.oldestUnindexed(rec)
	revisions := []revisionHead{}
	for n := oldest; n < rec.number(); n++ {
		e, err := c.readRevision(ctx, rec.UID, n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		var head revisionHead
		if err == nil {
			head, err = e.head()
		}
		switch {
		case errors.Is(err, store.ErrCorrupt):
			c.log.Error("an earlier revision is damaged and is left out", "title", key, "revision", n, "error", err)
		case err != nil:
			return err
		default:
			revisions = append(revisions, head)
		}
	}
	rec.Revisions, rec.Oldest = revisions, oldest
	if len(revisions) > 0 && c.history > 0 {
		rec.Revisions = c.trimRevisions(revisions)
	}
	return nil
}

// History returns the revisions of a title's definition that there are, the newest
// first; that is the current one. It reads the title's record alone.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) History(ctx context.Context, id string) ([]Revision, error) {
	rec, err := c.readLive(ctx, id)
	if err != nil {
		return nil, err
	}
	if !rec.indexed() {
		if rec, err = c.indexRecord(ctx, id); err != nil {
			return nil, err
		}
	}
	summary, err := readSummary(rec.definition)
	if err != nil {
		return nil, fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
	}
	all := []Revision{
		{Number: rec.number(), At: rec.Changed, By: rec.By, Version: summary.CurrentVersion, Current: true},
	}
	for _, e := range slices.Backward(rec.Revisions) {
		if len(all) > c.history {
			break
		}
		all = append(all, Revision{Number: e.Number, At: e.At, By: e.By, Version: e.Version})
	}
	return all, nil
}

// indexRecord gives the record of a live title an index of its revisions and writes
// it, so that the store is looked at once. It returns the record; that it could not
// be written is no error.
func (c *Catalog) indexRecord(ctx context.Context, id string) (*record, error) {
	key := titleKey(id)
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, rec, err := c.readLocked(ctx, key)
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
		return nil, &TitleError{ID: id, Err: ErrNotFound}
	}
	if err != nil || rec.indexed() {
		return rec, err
	}
	if err := c.indexRevisions(ctx, key, rec); err != nil {
		return nil, err
	}
	end, err := c.begin()
	if err != nil {
		return rec, nil
	}
	defer end()
	if err := c.rewrite(ctx, key, rec, old.Revision); err != nil {
		c.log.Error("the index of a title's revisions could not be written yet", "title", key, "error", err)
	}
	return rec, nil
}

// Revision returns the definition of a title in a revision.
//
// The error is [ErrNotFound], [ErrNoRevision], [ErrUnavailable] or that of ctx.
func (c *Catalog) Revision(ctx context.Context, id string, n uint64) (*patch.Definition, error) {
	rec, err := c.readLive(ctx, id)
	if err != nil {
		return nil, err
	}
	data := rec.definition
	if n != rec.number() {
		e, err := c.readRevision(ctx, rec.UID, n)
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt):
			if slices.ContainsFunc(rec.Revisions, func(h revisionHead) bool { return h.Number == n }) {
				c.log.Error("an earlier revision should be there and cannot be read",
					"title", id, "revision", n, "error", err)
			}
			return nil, &TitleError{ID: id, Err: fmt.Errorf("%w: %d", ErrNoRevision, n)}
		case err != nil:
			return nil, err
		}
		data = e.Definition
	}
	d, err := parseStored(data)
	if err != nil {
		return nil, fmt.Errorf("%w: title %q: revision %d: %w", ErrUnavailable, id, n, err)
	}
	return d, nil
}

// readLive reads the record of a title that is live.
func (c *Catalog) readLive(ctx context.Context, id string) (*record, error) {
	if !patch.ValidID(id) {
		return nil, &TitleError{ID: id, Err: ErrNotFound}
	}
	_, rec, err := c.read(ctx, titleKey(id))
	if errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live {
		return nil, &TitleError{ID: id, Err: ErrNotFound}
	}
	return rec, err
}

// readRevision reads a revision. The error is store.ErrNotFound, ErrUnavailable or
// that of ctx; ErrUnavailable is store.ErrCorrupt too if the record is damaged.
func (c *Catalog) readRevision(ctx context.Context, uid string, n uint64) (*storedRevision, error) {
	if n == 0 {
		return nil, store.ErrNotFound
	}
	r, err := c.store.Get(ctx, historyKey(uid, n))
	if errors.Is(err, store.ErrNotFound) || err != nil && ctx.Err() != nil {
		return nil, err
	}
	var e storedRevision
	if err == nil {
		if err = json.Unmarshal(r.Value, &e); err != nil {
			err = fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		} else {
			err = checkFormat(e.Format, plainFormat)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: revision %d: %w", ErrUnavailable, n, err)
	}
	return &e, nil
}
