package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

const (
	// DefaultHistory is how many earlier editions of a title's definition are kept
	// when [Options] says nothing else.
	DefaultHistory = 20
	// historyKind is the kind of the records of earlier editions.
	historyKind = "history"
	// trimEvery is after how many changes the editions that are too old go.
	trimEvery = 8
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

// editionKey returns the key of an edition: by UID, so that a title that takes the
// id later has a history of its own.
func editionKey(uid string, n uint64) store.Key {
	return store.Key{Kind: historyKind, ID: fmt.Sprintf("%s/%010d", uid, n)}
}

// keepEdition keeps the definition of a record that is about to be replaced.
func (c *Catalog) keepEdition(ctx context.Context, rec *record) error {
	n := rec.edition()
	value, err := json.Marshal(edition{Format: recordFormat, Number: n, At: rec.Changed, By: rec.By, Definition: json.RawMessage(rec.definition)})
	if err != nil {
		return err
	}
	// Unconditionally: what another attempt has left there says the same.
	if _, err := c.store.Put(ctx, editionKey(rec.UID, n), value, store.Condition{}); err != nil {
		return err
	}
	if oldest := n - min(n, uint64(c.history)); n%trimEvery == 0 && oldest > 0 {
		for i := range uint64(trimEvery) {
			if i >= oldest {
				break
			}
			if err := c.store.Delete(ctx, editionKey(rec.UID, oldest-i), store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}

// forgetEditions removes the editions before one of a title that is gone.
func (c *Catalog) forgetEditions(ctx context.Context, uid string, last uint64) error {
	if c.history == 0 {
		return nil
	}
	for n := c.firstEdition(last, trimEvery); n < last; n++ {
		if err := c.store.Delete(ctx, editionKey(uid, n), store.Condition{}); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// firstEdition returns the first edition that may be there.
func (c *Catalog) firstEdition(last uint64, slack int) uint64 {
	return max(1, last-min(last, uint64(c.history+slack)))
}

// History returns the editions of a title's definition that there are, the newest
// first; that is the current one.
//
// The error is [ErrNotFound], [ErrUnavailable] or that of ctx.
func (c *Catalog) History(ctx context.Context, id string) ([]Edition, error) {
	rec, err := c.readLive(ctx, id)
	if err != nil {
		return nil, err
	}
	summary, err := readSummary(rec.definition)
	if err != nil {
		return nil, fmt.Errorf("%w: title %q: %w", ErrUnavailable, id, err)
	}
	all := []Edition{{Number: rec.edition(), At: rec.Changed, By: rec.By, Version: summary.CurrentVersion, Current: true}}
	for n := rec.edition() - 1; n >= c.firstEdition(rec.edition(), 0) && n > 0; n-- {
		e, err := c.readEdition(ctx, rec.UID, n)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		summary, err := readSummary(e.Definition)
		if err != nil {
			return nil, fmt.Errorf("%w: title %q: edition %d: %w", ErrUnavailable, id, n, err)
		}
		all = append(all, Edition{Number: n, At: e.At, By: e.By, Version: summary.CurrentVersion})
	}
	return all, nil
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
		if errors.Is(err, store.ErrNotFound) {
			return nil, &TitleError{ID: id, Err: fmt.Errorf("%w: %d", ErrNoEdition, n)}
		}
		if err != nil {
			return nil, err
		}
		data = e.Definition
	}
	d, err := patch.Parse(data, &patch.ParseOptions{MaxBytes: len(data)})
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
// that of ctx.
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
		err = json.Unmarshal(r.Value, &e)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: edition %d: %w", ErrUnavailable, n, err)
	}
	return &e, nil
}
