package catalog

import (
	"context"
	"slices"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// Reservation and Reserve let the tests stop between the steps of Create with CreateOptions.Confirm.
type Reservation = reservation

func (c *Catalog) Reserve(ctx context.Context, def *patch.Definition, opts *CreateOptions) (*Reservation, error) {
	return c.reserve(ctx, def, opts)
}

// WriteOld writes a title's record as a version that knew no newer format did, with each revision in a record of its
// own. The catalog must be closed.
func WriteOld(ctx context.Context, c *Catalog, id string, format int) error {
	s := c.titles.store
	r, err := s.Get(ctx, storeKey(titleKey(id)))
	if err != nil {
		return err
	}
	rec, err := decodeRecord(r.Value)
	if err != nil {
		return err
	}
	heads := []revisionHead{}
	for _, e := range slices.Backward(c.writer.history.listed(rec)) {
		text, err := c.writer.history.definition(ctx, rec, e.Number)
		if err != nil {
			return err
		}
		old := &storedRevision{
			storedHead: storedHead{Format: plainFormat, Number: e.Number, At: e.At, By: e.By},
			Definition: text,
		}
		one, err := old.heads()
		if err != nil {
			return err
		}
		heads = append(heads, one...)
		defer func() {
			value, _ := old.encode()
			_, _ = s.Put(ctx, revisionKey(rec.UID, old.Number), value, store.Condition{})
		}()
	}
	rec.Recent, rec.Revisions = nil, heads
	if format == plainFormat {
		rec.Revisions, rec.Oldest = nil, 0
	}
	value, err := rec.encode()
	if err == nil {
		_, err = s.Put(ctx, r.Key, value, store.IfRevision(r.Revision))
	}
	return err
}

func (r *reservation) UID() string { return r.title.UID }

func (r *reservation) Publish(ctx context.Context) (Result, error) { return r.publish(ctx) }

func (r *reservation) Withdraw(ctx context.Context) (live bool, err error) { return r.withdraw(ctx) }

// Waiting returns the number of edits of a title that wait for its lock, or are about to be made.
func Waiting(c *Catalog, id string) int {
	q := &c.writer.edits
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting[titleKey(id)])
}
