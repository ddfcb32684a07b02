package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/store"
)

// unindexedSlack is by how many revisions more than Options.History allows a version without an index of revisions left
// in the store.
const unindexedSlack = 8

const (
	// maxRecent is the maximum number of revisions in the title's record, and maxRecentBytes of the bytes of their
	// differences. maxRecent leaves room for those that Options.History keeps by default, and for those that are
	// dropped together.
	maxRecent      = 32
	maxRecentBytes = 64 << 10
	// maxGroup is the maximum number of revisions in a record of their own: one that is whole, and others that are made
	// from it. It is also the number of revisions in the title's record that are dropped together: to drop one with
	// each change would rewrite the rest.
	maxGroup = 8
	// maxDifference is the size in bytes of the largest difference in the title's record. One that is larger than half
	// the definition, and than smallDifference, does not get there either.
	maxDifference   = 16 << 10
	smallDifference = 1 << 10
)

// A history keeps the earlier revisions of titles in the store, a bounded number of them. The last ones are in the
// title's record, as differences. When these are many, or when one differs much from the next, they move into records
// of their own, each with up to maxGroup revisions, of which the newest has the definition whole. The title's record
// has the index of these: those that are in the store and not in the index are left over from an interrupted change; a
// later one deletes them.
type history struct {
	store    store.Store
	log      *slog.Logger
	max      int   // how many earlier revisions are kept; 0: none
	maxBytes int64 // of them together
}

// advance sets the earlier revisions of rec, which takes the place of was and has another definition. It writes
// nothing. more is the number of changes that are written together with rec and follow it. It reports whether the
// recent revisions of was and its definition move into a record, which keep writes. If recent revisions are corrupt,
// these and those before them are dropped then.
func (h *history) advance(was, rec *record, more int) (moves bool, err error) {
	rec.Revisions, rec.Oldest, rec.Recent = []revisionHead{}, was.Oldest, nil
	if h.max == 0 {
		return false, nil
	}
	d := newDifference(rec.definition, was.definition)
	size := len(d)
	for _, r := range was.Recent {
		size += len(r.Difference)
	}
	moves = len(d) > maxDifference || len(d) > max(smallDifference, len(was.definition)/2) ||
		size > maxRecentBytes || len(was.Recent)+1+more > maxRecent
	if !moves {
		// It is tried out, because there would be no way back from a mistake.
		moves = !patchMakes(rec.definition, d, was.definition)
	}
	summary, err := was.summary()
	if err != nil {
		return false, err
	}
	if moves {
		groups, lost := was.groups()
		if lost != nil {
			h.log.Error("earlier revisions of a title are corrupt and are dropped", "title", summary.ID, "error", lost)
		}
		rec.Revisions = slices.Clip(was.Revisions)
		for _, g := range groups {
			heads, err := g.heads()
			if err != nil {
				return false, err
			}
			rec.Revisions = append(rec.Revisions, heads...)
		}
	} else {
		rec.Revisions = append(rec.Revisions, was.Revisions...)
		rec.Recent = append(slices.Clip(was.Recent), earlierRevision{
			Number:     was.number(),
			At:         was.Changed,
			By:         was.By,
			Version:    summary.CurrentVersion,
			Difference: d,
		})
	}
	h.trim(rec)
	return moves, nil
}

// keep writes the definition of a record that is about to be replaced, with its recent revisions, as earlier revisions.
// The error is ErrUnavailable or that of ctx.
func (h *history) keep(ctx context.Context, was *record) error {
	groups, _ := was.groups()  // advance has logged the corrupt revisions
	var writing errgroup.Group // they share the syncs of the store
	for _, g := range groups {
		value, err := g.encode()
		if err != nil {
			return errors.Join(err, writing.Wait())
		}
		// Without a condition: all attempts to write a revision write the same, because was is in the store. A server
		// that was suspended since it read the title may bring back a revision that others have dropped: it takes some
		// space until the title is deleted, and is not in the index.
		writing.Go(func() error {
			return finish(ctx, func(ctx context.Context) error {
				_, err := h.store.Put(ctx, revisionKey(was.UID, g.Number), value, store.Condition{})
				return err
			})
		})
	}
	if err := writing.Wait(); err != nil {
		return fmt.Errorf("the present definition cannot be kept as an earlier revision: %w", err)
	}
	return nil
}

// trim drops the oldest revisions of a record, as the limits require: those in a record of their own together, and
// several of those in the title's record together. At least one is left, so that a change can be undone.
func (h *history) trim(rec *record) {
	left, size := len(rec.Revisions)+len(rec.Recent), int64(0)
	for _, r := range rec.Revisions {
		size += r.Bytes
	}
	for _, r := range rec.Recent {
		size += int64(len(r.Difference))
	}
	for len(rec.Revisions) > 0 {
		n, dropped := 0, int64(0)
		for n < len(rec.Revisions) && rec.Revisions[n].key() == rec.Revisions[0].key() {
			dropped += rec.Revisions[n].Bytes
			n++
		}
		if left == n || left-n < h.max && size <= h.maxBytes {
			return
		}
		rec.Revisions = rec.Revisions[n:]
		left, size = left-n, size-dropped
	}
	for many := left >= h.max+maxGroup; left > 1 && (many && left > h.max || size > h.maxBytes); left-- {
		size -= int64(len(rec.Recent[0].Difference))
		rec.Recent = rec.Recent[1:]
	}
}

// listed returns the earlier revisions of a record that are shown, the newest first.
func (h *history) listed(rec *record) (all []Revision) {
	for _, r := range slices.Backward(rec.Recent) {
		all = append(all, Revision{Number: r.Number, At: r.At, By: r.By, Version: r.Version})
	}
	for _, r := range slices.Backward(rec.Revisions) {
		all = append(all, Revision{Number: r.Number, At: r.At, By: r.By, Version: r.Version})
	}
	return all[:min(len(all), h.max)]
}

// definition returns the definition in an earlier revision of a title. The error is store.ErrNotFound, ErrUnavailable
// or that of ctx; ErrUnavailable is also store.ErrCorrupt if the revision is corrupt.
func (h *history) definition(ctx context.Context, rec *record, n uint64) ([]byte, error) {
	isN := func(r earlierRevision) bool { return r.Number == n }
	if slices.ContainsFunc(rec.Recent, isN) {
		text, err := earlierDefinition(rec.definition, rec.Recent, n)
		return text, corruptUnavailable(err)
	}
	key := n // its record does not depend on the recent revisions
	for _, r := range rec.Revisions {
		if r.Number == n {
			key = r.key()
		}
	}
	stored, err := h.read(ctx, rec.UID, key)
	if err != nil {
		return nil, err
	}
	text, err := stored.definition(n)
	return text, corruptUnavailable(err)
}

// corruptUnavailable returns a store.ErrCorrupt as an ErrUnavailable.
func corruptUnavailable(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		return unavailable(err)
	}
	return err
}

// sweep deletes the revisions that interrupted changes, or drop, may have left behind before the change that wrote rec.
// It returns the number of the first revision that the store may still hold. It does so for some revisions together,
// because most of them have no record.
func (h *history) sweep(ctx context.Context, rec *record) (oldest uint64) {
	first := rec.firstKept()
	if first < rec.Oldest+maxGroup {
		return rec.Oldest
	}
	if err := h.delete(ctx, rec.UID, rec.Oldest, first); err != nil {
		return rec.Oldest // the next change tries again
	}
	return first
}

// drop deletes the records of revisions that was had and rec, which has been written in its place, does not. If that
// fails, sweep deletes them later.
func (h *history) drop(ctx context.Context, key string, was, rec *record) {
	first := rec.firstKept()
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	last := uint64(0)
	var deleting errgroup.Group // they share the syncs of the store
	deleting.SetLimit(maxGroup)
	for _, r := range was.Revisions {
		if n := r.key(); n < first && n != last {
			last = n
			deleting.Go(func() error { return h.delete(ctx, rec.UID, n, n+1) })
		}
	}
	if err := deleting.Wait(); err != nil {
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
		var heads []revisionHead
		if err == nil {
			heads, err = r.heads()
		}
		switch {
		case errors.Is(err, store.ErrCorrupt):
			h.log.Error("an earlier revision is corrupt and is left out", "title", key, "revision", n, "error", err)
		case err != nil:
			return err
		default:
			revisions = append(revisions, heads...)
		}
	}
	rec.Revisions, rec.Oldest = revisions, oldest
	if h.max > 0 {
		h.trim(rec)
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
			err = checkFormat(stored.Format, differenceFormat)
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
			numbers = append(numbers, r.key())
		}
		numbers = slices.Compact(numbers)
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
