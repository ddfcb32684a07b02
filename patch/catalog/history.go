package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/patchsource/patchsource/store"
)

// unindexedSlack is by how many revisions more than Options.History allows a version without an index of revisions left
// in the store.
const unindexedSlack = 8

// A history keeps the earlier revisions of titles in the store, a bounded number of them. A title's record has the
// index of its revisions: those that are in the store and not in the index are left over from an interrupted change,
// and are deleted by a later one.
type history struct {
	store    store.Store
	log      *slog.Logger
	max      int   // how many earlier revisions are kept; 0: none
	maxBytes int64 // of them together
}

// keep writes the definition of a record that is about to be replaced as an earlier revision. The error is
// ErrUnavailable or that of ctx.
func (h *history) keep(ctx context.Context, was *record) error {
	if h.max == 0 {
		return nil
	}
	value, err := json.Marshal(was.current())
	if err != nil {
		return err
	}
	// Without a condition: all attempts to write a revision write the same definition. A server that was suspended
	// since it read the title may bring back a revision that others have dropped: it takes some space until the title
	// is deleted, and is not in the index.
	err = finish(ctx, func(ctx context.Context) error {
		_, err := h.store.Put(ctx, revisionKey(was.UID, was.number()), value, store.Condition{})
		return err
	})
	if err != nil {
		return fmt.Errorf("the present definition cannot be kept as an earlier revision: %w", err)
	}
	return nil
}

// trim returns the newest revisions of an index, as many as the limits allow, and at least one, so that a change can be
// undone.
func (h *history) trim(all []revisionHead) []revisionHead {
	first := len(all) - 1
	bytes := all[first].Bytes
	for first > 0 && len(all)-first < h.max {
		bytes += all[first-1].Bytes
		if bytes > h.maxBytes {
			break
		}
		first--
	}
	return all[first:]
}

// sweep deletes the revisions that drop may have left behind after the change that wrote rec. It returns the number of
// the first revision that the store may still hold.
func (h *history) sweep(ctx context.Context, rec *record) (oldest uint64) {
	first := rec.firstKept()
	if err := h.delete(ctx, rec.UID, rec.Oldest, first); err != nil {
		return rec.Oldest // the next change tries again
	}
	return first
}

// drop deletes the revisions that rec, which has been written, does not keep. If that fails, sweep deletes them later.
func (h *history) drop(ctx context.Context, key string, rec *record) {
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	if err := h.delete(ctx, rec.UID, rec.Oldest, rec.firstKept()); err != nil {
		h.log.Error("earlier revisions of a title could not be deleted yet", "title", key, "error", err)
	}
}

// dropAll deletes all revisions of a title that is deleted. The error is ErrUnavailable.
func (h *history) dropAll(ctx context.Context, rec *record) error {
	oldest := rec.Oldest
	if !rec.indexed() {
		oldest = h.oldestUnindexed(rec)
	}
	// A change that failed may have kept the current definition.
	if err := h.delete(ctx, rec.UID, oldest, rec.number()+1); err != nil {
		return unavailable(err)
	}
	return nil
}

// dropCurrent deletes the revision that a change may have kept and then failed, after the title was deleted.
func (h *history) dropCurrent(ctx context.Context, rec *record) {
	if h.max == 0 {
		return
	}
	err := finish(ctx, func(ctx context.Context) error {
		return h.store.Delete(ctx, revisionKey(rec.UID, rec.number()), store.Condition{})
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		h.log.Warn("a revision of a deleted title is left over", "error", err)
	}
}

// delete deletes the revisions from first up to, but not including, end. The error is that of the store.
func (h *history) delete(ctx context.Context, uid string, first, end uint64) error {
	for n := max(first, 1); n < end; n++ {
		err := h.store.Delete(ctx, revisionKey(uid, n), store.Condition{})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// oldestUnindexed returns the number of the first revision that the store may hold of a title whose record has no
// index.
func (h *history) oldestUnindexed(rec *record) uint64 {
	n := rec.number()
	return n - min(n-1, uint64(h.max+unindexedSlack))
}

// index gives a record an index of its revisions by reading the store, if it has none. It does not write the record.
// The error is ErrUnavailable or that of ctx.
func (h *history) index(ctx context.Context, key string, rec *record) error {
	if rec.indexed() {
		return nil
	}
	oldest := h.oldestUnindexed(rec)
	revisions := []revisionHead{}
	for n := oldest; n < rec.number(); n++ {
		r, err := h.read(ctx, rec.UID, n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		var head revisionHead
		if err == nil {
			head, err = r.head()
		}
		switch {
		case errors.Is(err, store.ErrCorrupt):
			h.log.Error("an earlier revision is corrupt and is left out", "title", key, "revision", n, "error", err)
		case err != nil:
			return err
		default:
			revisions = append(revisions, head)
		}
	}
	rec.Revisions, rec.Oldest = revisions, oldest
	if len(revisions) > 0 && h.max > 0 {
		rec.Revisions = h.trim(revisions)
	}
	return nil
}

// read reads a revision. The error is store.ErrNotFound, ErrUnavailable or that of ctx; ErrUnavailable is also
// store.ErrCorrupt if the record is corrupt.
func (h *history) read(ctx context.Context, uid string, n uint64) (*storedRevision, error) {
	if n == 0 {
		return nil, store.ErrNotFound
	}
	r, err := h.store.Get(ctx, revisionKey(uid, n))
	if errors.Is(err, store.ErrNotFound) || err != nil && ctx.Err() != nil {
		return nil, err
	}
	var stored storedRevision
	if err == nil {
		if err = json.Unmarshal(r.Value, &stored); err != nil {
			err = fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		} else {
			err = checkFormat(stored.Format, plainFormat)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: revision %d: %w", ErrUnavailable, n, err)
	}
	return &stored, nil
}

// records reads the records of the revisions in rec's index, or, if it has none, of those that the store may hold. It
// also returns the numbers of those that cannot be read. The error is ErrUnavailable.
func (h *history) records(ctx context.Context, rec *record) (all []store.Record, missing []uint64, err error) {
	var numbers []uint64
	switch {
	case rec.State == gone: // its revisions are being deleted
	case rec.indexed():
		for _, r := range rec.Revisions {
			numbers = append(numbers, r.Number)
		}
	default:
		for n := h.oldestUnindexed(rec); n < rec.number(); n++ {
			numbers = append(numbers, n)
		}
	}
	for _, n := range numbers {
		r, err := h.store.Get(ctx, revisionKey(rec.UID, n))
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt):
			missing = append(missing, n)
		case err != nil:
			return nil, nil, unavailable(err)
		default:
			all = append(all, r)
		}
	}
	return all, missing, nil
}
