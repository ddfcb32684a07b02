package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// ErrNumbering reports that some titles have no number yet, and are being given one in the background.
var ErrNumbering = errors.New("the titles are being numbered: try again in a few seconds")

// numberKey is the key of the record with the next number for a title.
var numberKey = store.Key{Kind: "numbers", ID: "next"}

// A numberCounter is the record with the next number for a title, or for another block of numbers of one. Numbers are
// taken before they are used, so that a crash wastes some, and uses none twice.
type numberCounter struct {
	Format int    `json:"format"`
	Next   uint64 `json:"next"`
}

const (
	// numberBatch is the number of titles that are numbered between two changes of the counter.
	numberBatch = 100
	// numberingTime is how long NumberTitles works before it leaves the rest to the background.
	numberingTime = time.Second
)

// takeNumbers takes count numbers, and returns the first. The error is store.ErrFormat, ErrUnavailable or that of ctx.
func (w *titleWriter) takeNumbers(ctx context.Context, count uint64) (first uint64, err error) {
	highest := w.index.get().highestNumber() // in case that the counter was lost
	err = finish(ctx, func(ctx context.Context) error {
		_, err := store.Update(ctx, w.store, numberKey, func(old store.Record) ([]byte, error) {
			c := numberCounter{Format: plainFormat}
			if old.Revision != "" {
				if err := json.Unmarshal(old.Value, &c); err != nil {
					return nil, fmt.Errorf("record %v: %w", numberKey, err)
				}
				if err := checkFormat(c.Format, plainFormat); err != nil {
					return nil, err
				}
			}
			first = max(c.Next, highest+1, 1)
			c.Next = first + count
			return json.Marshal(c)
		})
		return err
	})
	return first, err
}

// highestNumber returns the highest number of a title, or of a block of one.
func (x *index) highestNumber() uint64 {
	highest := uint64(0)
	if e, ok := x.sorted[ofNumber].tree.Max(); ok {
		highest = e.Number
	}
	for e := range x.withBlocks {
		for _, b := range e.blocks {
			highest = max(highest, b)
		}
	}
	return highest
}

// withBlocks yields the titles that have further blocks of numbers, of which there are few.
func (x *index) withBlocks(yield func(*entry) bool) { x.sorted[ofBlocks].tree.Scan(yield) }

// byNumber returns the title with a number, nil if there is none.
func (x *index) byNumber(number uint64) *entry {
	pivot := &entry{Title: Title{Number: number}}
	for e := range x.sorted[ofNumber].equal(pivot) {
		return e
	}
	return nil
}

// unnumbered returns the titles that have no number, except those that unreadable knows.
func (x *index) unnumbered(unreadable *sync.Map) (titles []*entry) {
	add := func(e *entry) bool {
		if e.Number == 0 {
			if known, _ := unreadable.Load(e.key); known != e {
				titles = append(titles, e)
			}
		}
		return true
	}
	x.all()(add)
	x.disabled(add)
	return titles
}

// NumberTitles gives a number to each title that has none. If there are many, it returns [ErrNumbering] after a moment,
// and the rest is done in the background. It may be called on several servers at once.
//
// The error is also [store.ErrFormat], [ErrUnavailable] or that of ctx.
func (c *Catalog) NumberTitles(ctx context.Context) error {
	if err := c.titles.gate.check(); err != nil {
		return err
	}
	left, err := c.writer.numberFor(ctx, numberingTime)
	if err != nil || !left {
		return err
	}
	leave, err := c.titles.gate.enter()
	if err != nil {
		return err
	}
	defer leave() // Close waits for it before it waits for the background work
	if c.writer.numbering.CompareAndSwap(false, true) {
		c.background.Go(func() {
			defer c.writer.numbering.Store(false)
			c.writer.numberAll(c.stopping)
		})
	}
	return ErrNumbering
}

// numberAll numbers all titles until ctx ends.
func (w *titleWriter) numberAll(ctx context.Context) {
	for ctx.Err() == nil {
		left, err := w.numberFor(ctx, numberingTime)
		if err == nil && !left {
			return
		}
		if err != nil && ctx.Err() == nil {
			w.log.Error("the titles could not be numbered yet", "error", err)
			sleep(ctx, backgroundPause)
		}
	}
}

// numberFor numbers titles for about d, and reports whether some are left. Titles that cannot be read are left out.
func (w *titleWriter) numberFor(ctx context.Context, d time.Duration) (left bool, err error) {
	begun := time.Now()
	for titles := range slices.Chunk(w.index.get().unnumbered(&w.unreadable), numberBatch) {
		if time.Since(begun) > d {
			return true, nil
		}
		if err := w.numberSome(ctx, titles); err != nil {
			return true, err
		}
	}
	return false, nil
}

// numberSome gives numbers to some titles, unless they have one. Titles that cannot be read are left out, and not tried
// again until they change.
func (w *titleWriter) numberSome(ctx context.Context, titles []*entry) error {
	first, err := w.takeNumbers(ctx, uint64(len(titles)))
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(maxRestoreWriters)
	for i, e := range titles {
		group.Go(func() error {
			_, err := w.numberTitle(ctx, e.key, first+uint64(i))
			switch {
			case errors.Is(err, ErrNotFound): // deleted meanwhile
				return nil
			case errors.Is(err, errUnreadable), errors.Is(err, store.ErrCorrupt):
				w.log.Warn("a title that cannot be read gets no number", "title", e.ID, "error", err)
				w.unreadable.Store(e.key, e)
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// numberTitle gives a title a number, unless it has one, which the index then knows, and returns its record. The error
// is ErrNotFound, ErrUnavailable or that of ctx.
func (w *titleWriter) numberTitle(ctx context.Context, id string, number uint64) (rec *record, err error) {
	err = w.changeAny(ctx, id, EditOptions{}, func(t *lockedTitle, r *record) error {
		rec = r
		if r.Numbers != nil {
			return w.adopt(t, r, nil) // another server has given it
		}
		d, err := r.content()
		if err != nil {
			d = &patch.Definition{} // the title gets a number all the same, and lists show no counts
		}
		r.Numbers = &titleNumbers{Title: number}
		r.Numbers.count(d, len(d.Versions()))
		return w.rewrite(ctx, t, r)
	})
	return rec, err
}
