package catalog

import (
	"context"
	"fmt"

	"github.com/patchsource/patchsource/store"
)

// Open reads all titles of a store and returns a catalog of them. ctx bounds only Open. A title whose record is
// corrupt is left out and counted by [Catalog.Damaged].
//
// If the store reports the revisions of its records (see [store.Revisions]), Open reads only the titles that have
// changed since a snapshot, which an earlier catalog wrote. The others are read afterwards, in the background, and
// leave the catalog if they are corrupt.
//
// The error is [store.ErrFormat] if a newer version wrote the store or one of its titles, [ErrUnavailable] or that of
// ctx. Another error says that s or a courier is nil.
func Open(ctx context.Context, s store.Store, opts *Options) (*Catalog, error) {
	o, err := opts.complete(s)
	if err != nil {
		return nil, err
	}
	if err := store.CheckFormat(ctx, s); err != nil {
		return nil, openError(err)
	}
	c := newCatalog(s, &o)
	if err := c.start(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// newCatalog returns a catalog that has not read the store yet.
func newCatalog(s store.Store, o *Options) *Catalog {
	titles := &titleStore{
		store:       s,
		log:         o.Logger,
		now:         o.Now,
		index:       currentIndex{now: o.Now},
		definitions: definitionCache{newCache[origin](o.CacheBytes - o.CacheBytes/4)},
		facts:       newFactsCache(o.CacheBytes / 8),
		work:        newWorkQueue(),
		lease:       o.Lease,
	}
	_, titles.shared = store.As[store.Watcher](s)
	titles.restores.store, titles.restores.log = s, o.Logger
	c := &Catalog{
		titles: titles,
		writer: &titleWriter{
			titleStore: titles,
			rules: rules{
				maxBytes:        o.MaxDefinitionBytes,
				maxAccountBytes: o.MaxAccountBytes,
				options:         *o.Lint,
			},
			history:  &history{store: s, log: o.Logger, max: o.History, maxBytes: o.HistoryBytes},
			snapshot: &snapshot{store: s, log: o.Logger, written: map[string]uint64{}},
			couriers: newCouriers(o.Couriers, o.Logger),
			events:   newSubscriptions(o.Logger),
		},
		lists: &listCache{
			selections:   newCache[*selected](o.CacheBytes / 16),
			contributors: newCache[listOrigin](o.CacheBytes / 16),
		},
	}
	return c
}

// start reads the titles and begins the background work.
func (c *Catalog) start(ctx context.Context) error {
	background, stop := context.WithCancel(context.Background())
	c.stop, c.stopping = stop, background
	if c.titles.shared {
		c.background.Go(func() { c.titles.restores.follow(background) })
		// The watch begins before the store is read, so that nothing is missed in between.
		started := make(chan struct{})
		c.background.Go(func() { c.titles.follow(background, func() { close(started) }) })
		select {
		case <-started:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
	unsettled, unverified, err := c.writer.load(ctx)
	if err != nil {
		return err
	}
	if err := c.writer.settleAll(ctx, unsettled); err != nil {
		return err
	}
	c.background.Go(func() { c.writer.campaign(background) })
	c.background.Go(func() { c.writer.verify(background, unverified) })
	return nil
}
