package catalog

import (
	"context"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// CreateNumbered adds a title with the content of t, whose parts get numbers. It is disabled unless t.Enabled is set
// and remains so; see [numbered.Title.Settle]. The options Follows, Source, Held, Confirm and Undo are ignored. The
// result belongs to the caller.
//
// The error is one of those of [Catalog.Create], or [store.ErrFormat].
func (c *Catalog) CreateNumbered(
	ctx context.Context, t *numbered.Title, opts *CreateOptions,
) (*numbered.Title, error) {
	if err := c.titles.gate.check(); err != nil {
		return nil, err
	}
	var o CreateOptions
	if opts != nil {
		o = CreateOptions{
			Author:      opts.Author,
			Contributor: opts.Contributor,
			Mailbox:     opts.Mailbox,
			Account:     opts.Account,
			By:          opts.By,
		}
	}
	w := c.writer
	number, err := w.takeNumbers(ctx, 1)
	if err != nil {
		return nil, err
	}
	title := numbered.NewTitle(numbered.New(number, t.Definition), t.Definition, t.Enabled, w.now())
	title.Settle()
	err = w.retryBlocks(ctx, func(blocks []uint64) error {
		title.Numbers.Blocks = blocks
		return title.Numbers.Fill()
	})
	if err != nil {
		return nil, err
	}
	rec, err := w.newNumbered(ctx, title, o)
	if err != nil {
		return nil, err
	}
	_, err = w.create(ctx, rec)
	return title, err
}

// newNumbered returns the record of a new title with numbers. The errors are those of CreateNumbered.
func (w *titleWriter) newNumbered(ctx context.Context, t *numbered.Title, o CreateOptions) (*record, error) {
	d := t.Definition
	if t.Enabled {
		rec, _, err := w.newRecord(ctx, d, &o)
		if err != nil {
			return nil, err
		}
		served, err := rec.parse()
		if err != nil {
			return nil, unavailable(err)
		}
		d.LastModified, d.CurrentVersion = served.LastModified, served.CurrentVersion
		return rec, rec.setNumbers(t, t.Modified.UTC().Truncate(time.Second))
	}
	rec, err := w.newDisabled(d.ID, DraftOptions{
		By: o.By, Author: o.Author, Contributor: o.Contributor, Mailbox: o.Mailbox, Account: o.Account,
	})
	if err != nil {
		return nil, err
	}
	text, err := d.MarshalJSON()
	if err != nil {
		return nil, err
	}
	if len(text) > w.rules.maxBytes {
		return nil, patch.ErrTooLarge
	}
	if err := w.setDraft(rec, &draft{Definition: text, By: o.By}); err != nil {
		return nil, err
	}
	if err := rec.setNumbers(t, t.Modified.UTC().Truncate(time.Second)); err != nil {
		return nil, err
	}
	return rec, w.rules.checkAccount(w.index.get(), d.ID, rec, 0)
}
