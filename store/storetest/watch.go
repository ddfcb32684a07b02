package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

var watchCases = []testCase{
	{"watch", "A Watcher first says that it watches, then names every record that is put or deleted, " +
		"in the revision that Put returned.", watch},
	{"watch others", "A Watcher names every record that others change, in its last revision at least, " +
		"however many change at once, or says that all has to be read anew.", watchOthers},
}

func watch(ctx context.Context, e *env) error {
	w, ok := store.As[store.Watcher](e.s)
	if !ok {
		return skip("the store is no Watcher")
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var want []store.Change
	n := -1 // how many of want were seen; -1: not yet watching
	for c, err := range w.Watch(ctx, "things") {
		if err != nil {
			return err
		}
		switch {
		case n < 0:
			if c.Key != (store.Key{}) {
				return fmt.Errorf("the first change is %v, want the zero Key", c)
			}
			rev, err := put(ctx, e.s, "a", "1")
			if err != nil {
				return err
			}
			if _, err := e.s.Put(ctx, store.Key{Kind: "others", ID: "b"}, nil, store.Condition{}); err != nil {
				return err
			}
			if err := e.s.Delete(ctx, key("a"), store.Condition{}); err != nil {
				return err
			}
			want = []store.Change{{Key: key("a"), Revision: rev}, {Key: key("a")}}
		case c.Key != want[n].Key || c.Revision != "" && c.Revision != want[n].Revision:
			return fmt.Errorf("change %d is %v, want %v", n, c, want[n])
		}
		if n++; n > 0 && n == len(want) {
			return nil
		}
	}
	return fmt.Errorf("the watch ended after %d of %d changes", n, len(want))
}

const (
	// A burst is so many changes by so many writers, each of records of its own.
	burstWriters = 8
	burstChanges = 2000 / burstWriters
	burstRecords = 10
)

func watchOthers(ctx context.Context, e *env) error {
	w, ok := store.As[store.Watcher](e.s)
	if !ok {
		return skip("the store is no Watcher")
	}
	if e.second == nil {
		return skip("Backend.Second is nil: there is no other store to make changes that are watched")
	}
	other := e.second(e.s)
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()

	view := &view{s: e.s, revisions: map[string]store.Revision{}, changed: make(chan struct{}, 1)}
	begun := make(chan struct{})
	watching := make(chan error, 1)
	all.Go(func() { watching <- view.follow(ctx, w, sync.OnceFunc(func() { close(begun) })) })
	select {
	case <-begun:
	case err := <-watching:
		return fmt.Errorf("the watch ended before it began: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("the watch has not begun: %w", ctx.Err())
	}

	var mu sync.Mutex
	want := map[string]store.Revision{}
	errs := make(chan error, burstWriters)
	for n := range burstWriters {
		all.Go(func() {
			last, err := burst(ctx, other, n)
			mu.Lock()
			maps.Copy(want, last)
			mu.Unlock()
			errs <- err
		})
	}
	for range burstWriters {
		if err := <-errs; err != nil {
			return fmt.Errorf("a writer: %w", err)
		}
	}
	for {
		missed := view.missed(want)
		if len(missed) == 0 {
			return nil
		}
		select {
		case <-view.changed:
		case err := <-watching:
			return fmt.Errorf(
				"the watch ended and has missed %d of %d records, %q: %w",
				len(missed),
				len(want),
				missed,
				err,
			)
		case <-ctx.Done():
			return fmt.Errorf("the last change of %d of %d records was missed: %q", len(missed), len(want), missed)
		}
	}
}

// burst changes the records of one writer and returns their last revisions, empty
// for those that it has deleted.
func burst(ctx context.Context, s store.Store, writer int) (last map[string]store.Revision, err error) {
	last = map[string]store.Revision{}
	for i := range burstChanges {
		id := strconv.Itoa(writer) + "-" + strconv.Itoa(i%burstRecords)
		if i%7 == 6 && last[id] != "" {
			if err := s.Delete(ctx, key(id), store.IfRevision(last[id])); err != nil {
				return nil, fmt.Errorf("Delete(%q): %w", id, err)
			}
			last[id] = ""
			continue
		}
		if last[id], err = put(ctx, s, id, strconv.Itoa(i)); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// A view is what a watching server knows of the records.
type view struct {
	s       store.Store
	changed chan struct{} // holds a value when there may be news

	mu        sync.Mutex
	revisions map[string]store.Revision
}

// follow keeps the view up to date until ctx ends. It calls begun when the watch has
// said that nothing is missed from then on, and the records of before are read.
func (v *view) follow(ctx context.Context, w store.Watcher, begun func()) error {
	for c, err := range w.Watch(ctx, "things") {
		if err != nil {
			continue // changes may be missed until the zero Key says otherwise
		}
		if c.Key == (store.Key{}) {
			err = v.readAll(ctx)
		} else {
			err = v.take(ctx, c)
		}
		if err != nil {
			return err
		}
		begun()
		select {
		case v.changed <- struct{}{}:
		default:
		}
	}
	return errors.New("no more changes")
}

func (v *view) readAll(ctx context.Context) error {
	revisions := map[string]store.Revision{}
	for r, err := range v.s.List(ctx, "things") {
		if err != nil {
			return err
		}
		revisions[r.Key.ID] = r.Revision
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revisions = revisions
	return nil
}

// take reads the record of a change: a server may rely on what it then gets.
func (v *view) take(ctx context.Context, c store.Change) error {
	r, err := v.s.Get(ctx, c.Key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revisions[c.Key.ID] = r.Revision
	return nil
}

// missed returns the ids of records of which the view has another revision.
func (v *view) missed(want map[string]store.Revision) (ids []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if v.revisions[id] != want[id] {
			ids = append(ids, id)
		}
	}
	return ids
}
