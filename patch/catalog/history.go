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
	// DefaultHistory is how many earlier editions of a title's definition are kept
	// when [Options] says nothing else.
	DefaultHistory = 20
	// DefaultHistoryBytes bounds the bytes of a title's earlier editions when
	// [Options] says nothing else: 32 MiB.
	DefaultHistoryBytes = 32 << 20
	// historyKind is the kind of the records of earlier editions.
	historyKind = "history"
	// unindexedSlack is how many editions more than Options.History a version
	// without an index of editions left in the store.
	unindexedSlack = 8
)

// ErrNoEdition is an edition that a title does not have, or has no more.
var ErrNoEdition = errors.New("there is no such edition of the title")

// An Edition is a title's definition as it was, or is, at one time.
type Edition struct {
	// Number counts the editions of a title from 1.
	Number uint64
	// At is when it came to be, and By who made it, as [EditOptions] said.
	At time.Time
	By string
	// Version is its current version.
	Version string
	// Current says that it is what is served.
	Current bool
}

// An edition is what is kept of an earlier definition.
type edition struct {
	Format     int             `json:"format"`
	Number     uint64          `json:"number"`
	At         time.Time       `json:"at"`
	By         string          `json:"by,omitempty"`
	Definition json.RawMessage `json:"definition"`
}

// An editionHead is what a title's record says of an earlier edition.
type editionHead struct {
	Number  uint64    `json:"number"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Version string    `json:"version"`
	Bytes   int64     `json:"bytes"` // of its definition
}

// head returns what the title's record is to say of the edition. The error is
// store.ErrDamaged.
func (e *edition) head() (editionHead, error) {
	summary, err := readSummary(e.Definition)
	if err != nil {
		return editionHead{}, fmt.Errorf("%w: edition %d: %w", store.ErrDamaged, e.Number, err)
	}
	return editionHead{
		Number:  e.Number,
		At:      e.At,
		By:      e.By,
		Version: summary.CurrentVersion,
		Bytes:   int64(len(e.Definition)),
	}, nil
}

// current returns the record's definition as an edition.
func (r *record) current() *edition {
	return &edition{
		Format:     plainFormat,
		Number:     r.edition(),
		At:         r.Changed,
		By:         r.By,
		Definition: json.RawMessage(r.definition),
	}
}

// indexed reports whether the record knows which earlier editions there are.
func (r *record) indexed() bool { return r.Editions != nil || r.edition() == 1 }

// firstKept returns the number of the first edition that is kept; it is the current
// one if there is none before it. The record must be indexed.
func (r *record) firstKept() uint64 {
	if len(r.Editions) > 0 {
		return r.Editions[0].Number
	}
	return r.edition()
}

// editionKey returns the key of an edition: by UID, so that a title that takes the
// id later has a history of its own.
func editionKey(uid string, n uint64) store.Key {
	return store.Key{Kind: historyKind, ID: fmt.Sprintf("%s/%010d", uid, n)}
}

// keepEdition writes the definition of a record that is about to be replaced as an
// earlier edition. The error is [ErrUnavailable] or that of ctx.
func (c *Catalog) keepEdition(ctx context.Context, was *record) error {
	if c.history == 0 {
		return nil
	}
	value, err := json.Marshal(was.current())
	if err != nil {
		return err
	}
	// Unconditionally: an edition never has another definition, whichever attempt
	// wrote it.
	err = c.settle(ctx, func(ctx context.Context) error {
		_, err := c.store.Put(ctx, editionKey(was.UID, was.edition()), value, store.Condition{})
		return err
	})
	if err != nil {
		return fmt.Errorf("the present definition cannot be kept as an earlier edition: %w", err)
	}
	return nil
}

// sweepEditions deletes what dropEditions may have left behind after the change that
// wrote rec. It returns the first edition that the store may still hold.
func (c *Catalog) sweepEditions(ctx context.Context, rec *record) (oldest uint64) {
	first := rec.firstKept()
	if err := c.deleteEditions(ctx, rec.UID, rec.Oldest, first); err != nil {
		return rec.Oldest // the next change tries again
	}
	return first
}

// trimEditions returns the newest editions, as many as the options allow, and at
// least one, so that a change can be undone.
func (c *Catalog) trimEditions(all []editionHead) []editionHead {
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

// deleteEditions deletes the editions from first up to, and without, end. The error
// is that of the store.
func (c *Catalog) deleteEditions(ctx context.Context, uid string, first, end uint64) error {
	for n := max(first, 1); n < end; n++ {
		err := c.store.Delete(ctx, editionKey(uid, n), store.Condition{})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// dropEditions deletes the editions that a title's record, which is written, keeps no
// more. What fails is left to sweepEditions.
func (c *Catalog) dropEditions(ctx context.Context, key string, rec *record) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := c.deleteEditions(ctx, rec.UID, rec.Oldest, rec.firstKept()); err != nil {
		c.log.Error("earlier editions of a title could not be deleted yet", "title", key, "error", err)
	}
}

// forgetEditions deletes the editions of a title that is gone. The error is
// [ErrUnavailable].
func (c *Catalog) forgetEditions(ctx context.Context, rec *record) error {
	oldest := rec.Oldest
	if !rec.indexed() {
		oldest = c.oldestUnindexed(rec)
	}
	// The last one is there if a change could keep it and then failed.
	if err := c.deleteEditions(ctx, rec.UID, oldest, rec.edition()+1); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// oldestUnindexed returns the first edition that may be in the store of a title whose
// record has no index.
func (c *Catalog) oldestUnindexed(rec *record) uint64 {
	n := rec.edition()
	return n - min(n-1, uint64(c.history+unindexedSlack))
}

// indexEditions gives a record that has no index of its editions one, by looking at
// the store. The error is [ErrUnavailable] or that of ctx.
func (c *Catalog) indexEditions(ctx context.Context, key string, rec *record) error {
	if rec.indexed() {
		return nil
	}
	oldest := c.oldestUnindexed(rec)
	editions := []editionHead{}
	for n := oldest; n < rec.edition(); n++ {
		e, err := c.readEdition(ctx, rec.UID, n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		var head editionHead
		if err == nil {
			head, err = e.head()
		}
		switch {
		case errors.Is(err, store.ErrDamaged):
			c.log.Error("an earlier edition is damaged and is left out", "title", key, "edition", n, "error", err)
		case err != nil:
			return err
		default:
			editions = append(editions, head)
		}
	}
	rec.Editions, rec.Oldest = editions, oldest
	if len(editions) > 0 && c.history > 0 {
		rec.Editions = c.trimEditions(editions)
	}
	return nil
}

// History returns the editions of a title's definition that there are, the newest
// first; that is the current one. It reads the title's record alone.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) History(ctx context.Context, id string) ([]Edition, error) {
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
	all := []Edition{
		{Number: rec.edition(), At: rec.Changed, By: rec.By, Version: summary.CurrentVersion, Current: true},
	}
	for _, e := range slices.Backward(rec.Editions) {
		if len(all) > c.history {
			break
		}
		all = append(all, Edition{Number: e.Number, At: e.At, By: e.By, Version: e.Version})
	}
	return all, nil
}

// indexRecord gives the record of a live title an index of its editions and writes
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
	if err := c.indexEditions(ctx, key, rec); err != nil {
		return nil, err
	}
	end, err := c.begin()
	if err != nil {
		return rec, nil
	}
	defer end()
	if err := c.rewrite(ctx, key, rec, old.Revision); err != nil {
		c.log.Error("the index of a title's editions could not be written yet", "title", key, "error", err)
	}
	return rec, nil
}

// Edition returns the definition of a title in an edition.
//
// The error is [ErrNotFound], [ErrNoEdition], [ErrUnavailable] or that of ctx.
func (c *Catalog) Edition(ctx context.Context, id string, n uint64) (*patch.Definition, error) {
	rec, err := c.readLive(ctx, id)
	if err != nil {
		return nil, err
	}
	data := rec.definition
	if n != rec.edition() {
		e, err := c.readEdition(ctx, rec.UID, n)
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrDamaged):
			if slices.ContainsFunc(rec.Editions, func(h editionHead) bool { return h.Number == n }) {
				c.log.Error("an earlier edition should be there and cannot be read",
					"title", id, "edition", n, "error", err)
			}
			return nil, &TitleError{ID: id, Err: fmt.Errorf("%w: %d", ErrNoEdition, n)}
		case err != nil:
			return nil, err
		}
		data = e.Definition
	}
	d, err := parseStored(data)
	if err != nil {
		return nil, fmt.Errorf("%w: title %q: edition %d: %w", ErrUnavailable, id, n, err)
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

// readEdition reads an edition. The error is store.ErrNotFound, ErrUnavailable or
// that of ctx; ErrUnavailable is store.ErrDamaged too if the record is damaged.
func (c *Catalog) readEdition(ctx context.Context, uid string, n uint64) (*edition, error) {
	if n == 0 {
		return nil, store.ErrNotFound
	}
	r, err := c.store.Get(ctx, editionKey(uid, n))
	if errors.Is(err, store.ErrNotFound) || err != nil && ctx.Err() != nil {
		return nil, err
	}
	var e edition
	if err == nil {
		if err = json.Unmarshal(r.Value, &e); err != nil {
			err = fmt.Errorf("%w: %w", store.ErrDamaged, err)
		} else {
			err = checkFormat(e.Format, plainFormat)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: edition %d: %w", ErrUnavailable, n, err)
	}
	return &e, nil
}
