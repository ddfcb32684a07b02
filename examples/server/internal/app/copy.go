package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/examples/server/internal/certstore"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
)

const (
	// maxDeletions is the number of records that are deleted concurrently.
	maxDeletions = 32
	// leaseWatch is the time in which a running server renews its leases: a sixth of 30 s, and a margin.
	leaseWatch = 7 * time.Second
	configKind = "config"
	leaseKind  = "leases"
)

// copyKinds are the kinds of records that are copied. Leases and jobs are not: they belong to running servers.
var copyKinds = []string{
	"titles",
	"history",
	"commits",
	"tokens",
	"epochs",
	"contributors",
	"releasednames",
	"syncs",
	"webhooks",
	"deliveries",
	"deliverylog",
	"watches",
	"numbers",
	"audit",
	certstore.Kind, // encrypted
	configKind,
}

var (
	// loadingKey is the key of the record that package dump keeps while a store is being filled. Servers refuse to
	// start over a store that has it.
	loadingKey = store.Key{Kind: configKind, ID: "loading"}
	// formatKey is the key of the format marker of package store.
	formatKey = store.Key{Kind: configKind, ID: "format"}
)

// copyNames are the names of the two stores of a copy in errors.
type copyNames struct{ from, to string }

var (
	copyFlagNames = copyNames{"--copy-from", "--store"}
	copyArguments = copyNames{"FROM", "TO"}
)

// runCopy copies the store of --copy-from into that of --store and compares all records.
func runCopy(ctx context.Context, f *flags, names copyNames, log *slog.Logger) (err error) {
	source, target := redactStore(f.CopyFrom), redactStore(f.Store)
	if dir, ok := strings.CutPrefix(f.CopyFrom, "file:"); ok { // opening a folder creates it
		if _, err := os.Stat(dir); err != nil {
			return fmt.Errorf("%s %s: %w", names.from, source, err)
		}
	}
	from, err := f.openStore(ctx, f.CopyFrom, log)
	if err != nil {
		return fmt.Errorf("%s %s: %w", names.from, source, err)
	}
	defer func() { err = errors.Join(err, closeStore(from)) }()
	to, err := f.openStore(ctx, f.Store, log)
	if err != nil {
		return fmt.Errorf("%s %s: %w", names.to, target, err)
	}
	defer func() { err = errors.Join(err, closeStore(to)) }()
	c := &storeCopy{from: from, to: to, tolerateFaults: f.TolerateFaults, log: log.With("from", source, "to", target)}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("%s %s %s %s: %w", names.from, source, names.to, target, err)
	}
	return nil
}

// A storeCopy copies all records of a store into another one that is empty.
type storeCopy struct {
	from, to       store.Store
	tolerateFaults bool
	log            *slog.Logger
	records        int // that were copied or compared
}

// run copies the records and compares them. The store is marked as incomplete until both are done.
func (c *storeCopy) run(ctx context.Context) error {
	begun := time.Now()
	leases, err := c.leases(ctx)
	if err != nil {
		return err
	}
	if err := c.checkSource(ctx); err != nil {
		return err
	}
	if err := c.clear(ctx); err != nil {
		return err
	}
	if _, err := c.to.Put(ctx, loadingKey, []byte("{}"), store.Condition{}); err != nil {
		return err
	}
	for _, kind := range copyKinds {
		if err := c.copyKind(ctx, kind); err != nil {
			return fmt.Errorf("copy %s: %w", kind, err)
		}
	}
	copied := c.records
	c.records = 0
	if copied == 0 {
		return errors.Join(errors.New("there is nothing to copy: the source is empty"),
			c.to.Delete(ctx, loadingKey, store.Condition{}))
	}
	c.log.Info("copied all records: comparing them", "records", copied)
	for _, kind := range copyKinds {
		if err := c.compareKind(ctx, kind); err != nil {
			return fmt.Errorf("compare %s: %w", kind, err)
		}
	}
	if err := c.checkStopped(ctx, leases, begun); err != nil {
		return err
	}
	if err := c.to.Delete(ctx, loadingKey, store.Condition{}); err != nil {
		return err
	}
	c.log.Info("copied and compared all records: start the servers with the new store and the same secret file",
		"records", c.records, "took", time.Since(begun).Round(time.Millisecond))
	return nil
}

// checkSource returns an error if the source cannot be copied as a whole.
func (c *storeCopy) checkSource(ctx context.Context) error {
	if err := dump.CheckLoaded(ctx, c.from); err != nil {
		return fmt.Errorf("the source is incomplete: %w", err)
	}
	marker, err := c.from.Get(ctx, formatKey)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	scratch := memstore.New() // CheckFormat may change the store, and the source must not change
	if _, err := scratch.Put(ctx, formatKey, marker.Value, store.Condition{}); err != nil {
		return err
	}
	return store.CheckFormat(ctx, scratch)
}

// clear returns dump.ErrNotEmpty if the target has records, unless they are those of a copy that was interrupted, which
// it deletes.
func (c *storeCopy) clear(ctx context.Context) error {
	interrupted := errors.Is(dump.CheckLoaded(ctx, c.to), dump.ErrIncomplete)
	for _, kind := range copyKinds {
		group, working := errgroup.WithContext(ctx)
		group.SetLimit(maxDeletions)
		for r, err := range store.Revisions(working, c.to, kind) {
			if err != nil {
				return errors.Join(err, group.Wait())
			}
			if !interrupted {
				return fmt.Errorf("%w: it has %s: name a new folder, schema or prefix", dump.ErrNotEmpty, kind)
			}
			if r.Key == loadingKey {
				continue
			}
			group.Go(func() error {
				err := c.to.Delete(working, r.Key, store.Condition{})
				if errors.Is(err, store.ErrNotFound) {
					return nil
				}
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// copyKind copies the records of a kind.
func (c *storeCopy) copyKind(ctx context.Context, kind string) error {
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()
	err := store.Load(ctx, c.to, func(yield func(store.Record, error) bool) {
		for r, err := range c.from.List(ctx, kind) {
			if !yield(r, err) || err != nil {
				return
			}
			c.records++
			c.logProgress(progress, "still copying", kind)
		}
	})
	if err != nil {
		return err
	}
	for _, fault := range store.Faults(ctx, c.from) {
		if !c.tolerateFaults {
			return fmt.Errorf("%s cannot be read: %s; with --tolerate-faults, records that cannot be read are left out",
				fault.Name, fault.Reason)
		}
	}
	return ctx.Err()
}

// compareKind reads all records of a kind from both stores and returns an error if they differ.
func (c *storeCopy) compareKind(ctx context.Context, kind string) error {
	next, stop := iter.Pull2(c.to.List(ctx, kind))
	defer stop()
	progress := time.NewTicker(progressInterval)
	defer progress.Stop()
	read := func() (store.Record, bool, error) {
		r, err, ok := next()
		if ok && err == nil && r.Key == loadingKey {
			r, err, ok = next()
		}
		return r, ok, err
	}
	for want, err := range c.from.List(ctx, kind) {
		if err != nil {
			return err
		}
		got, ok, err := read()
		switch {
		case err != nil:
			return err
		case !ok || got.Key != want.Key:
			return fmt.Errorf("record %q: %w", want.Key.ID, errDiffers)
		case !bytes.Equal(got.Value, want.Value):
			return fmt.Errorf("record %q has another value: %w", want.Key.ID, errDiffers)
		}
		c.records++
		c.logProgress(progress, "still comparing", kind)
	}
	got, ok, err := read()
	if err == nil && ok {
		err = fmt.Errorf("record %q: %w", got.Key.ID, errDiffers)
	}
	return err
}

var errDiffers = errors.New("the stores differ: stop all servers that use them, and copy again")

// logProgress logs the progress now and then.
func (c *storeCopy) logProgress(tick *time.Ticker, message, kind string) {
	select {
	case <-tick.C:
		c.log.Info(message, "kind", kind, "records", c.records)
	default:
	}
}

// leases returns the values of the leases of the source by their names.
func (c *storeCopy) leases(ctx context.Context) (map[string]string, error) {
	if _, shared := store.As[store.Watcher](c.from); !shared {
		return nil, nil
	}
	all := map[string]string{}
	for r, err := range c.from.List(ctx, leaseKind) {
		if err != nil {
			return nil, err
		}
		all[r.Key.ID] = string(r.Value)
	}
	return all, nil
}

// checkStopped returns an error if a running server has renewed a lease of the source since begun, when the leases were
// read. It waits until a running server would have done so.
func (c *storeCopy) checkStopped(ctx context.Context, before map[string]string, begun time.Time) error {
	if len(before) > 0 {
		wait := time.NewTimer(time.Until(begun.Add(leaseWatch)))
		defer wait.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
		}
	}
	now, err := c.leases(ctx)
	if err != nil {
		return err
	}
	for name, value := range now {
		if before[name] != value {
			return errors.New("a server uses the source: stop all servers that use it, and copy again")
		}
	}
	return nil
}
