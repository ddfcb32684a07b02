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

// watchCases are about the Watcher capability.
var watchCases = []testCase{
	{
		"watch",
		"Watch first yields the zero Key. Then it yields the key of every record that is put or deleted, with the " +
			"revision that Put returned.",
		watch,
	},
	{
		"watch others",
		"Watch yields the key of every record that others change, at least for its last revision and however many " +
			"change at once, or the zero Key if everything has to be read again.",
		watchOthers,
	},
	{
		"heartbeats",
		"WatchHeartbeats yields the zero Key, and then a heartbeat at least every two seconds. The time of a " +
			"heartbeat is not in the future, and every change made before it is yielded first.",
		heartbeats,
	},
	{
		"watch begins",
		"A watch that begins while others change records misses nothing that changes after its zero Key.",
		watchBegins,
	},
}

func watch(ctx context.Context, e *env) error {
	w, ok := store.As[store.Watcher](e.store)
	if !ok {
		return noWatcher
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var want []store.Change // nil before the watch has begun
	seen := 0
	for c, err := range w.Watch(ctx, "things") {
		switch {
		case err != nil:
			return err
		case want == nil && c.Key != (store.Key{}):
			return fmt.Errorf("the first change is %v, want the zero Key", c)
		case want == nil:
			if want, err = changeDuringWatch(ctx, e.store); err != nil {
				return err
			}
			continue
		case c.Key != want[seen].Key || c.Revision != "" && c.Revision != want[seen].Revision:
			return fmt.Errorf("change %d is %v, want %v", seen, c, want[seen])
		}
		if seen++; seen == len(want) {
			return nil
		}
	}
	return fmt.Errorf("the watch ended after %d of %d changes", seen, len(want))
}

// changeDuringWatch puts and deletes a thing, and puts a record of another kind. It returns the changes of things.
func changeDuringWatch(ctx context.Context, s store.Store) ([]store.Change, error) {
	rev, err := put(ctx, s, "a", "1")
	if err != nil {
		return nil, err
	}
	if _, err := s.Put(ctx, store.Key{Kind: "others", ID: "b"}, nil, store.Condition{}); err != nil {
		return nil, err
	}
	if err := s.Delete(ctx, key("a"), store.Condition{}); err != nil {
		return nil, err
	}
	return []store.Change{{Key: key("a"), Revision: rev}, {Key: key("a")}}, nil
}

func watchOthers(ctx context.Context, e *env) error {
	w, ok := store.As[store.Watcher](e.store)
	if !ok {
		return noWatcher
	}
	if e.second == nil {
		return noSecond
	}
	other := e.second(e.store)
	v := newView(e.store)
	defer v.begin(ctx, w)()
	if err := v.begun(ctx); err != nil {
		return err
	}
	want, err := burst(ctx, other, burstChanges)
	if err != nil {
		return err
	}
	return v.await(ctx, want)
}

// watchBegins begins one watch after the other during a burst.
func watchBegins(ctx context.Context, e *env) error {
	w, ok := store.As[store.Watcher](e.store)
	if !ok {
		return noWatcher
	}
	if e.second == nil {
		return noSecond
	}
	other := e.second(e.store)
	var want map[string]store.Revision
	var burstErr error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		want, burstErr = burst(ctx, other, burstChanges/5)
	}()
	defer func() { <-ended }()
	var views []*view
	for len(views) == 0 || len(views) < maxViews && !isClosed(ended) {
		v := newView(e.store)
		defer v.begin(ctx, w)()
		if err := v.begun(ctx); err != nil {
			return err
		}
		views = append(views, v)
	}
	if <-ended; burstErr != nil {
		return burstErr
	}
	for i, v := range views {
		if err := v.await(ctx, want); err != nil {
			return fmt.Errorf("watch %d: %w", i+1, err)
		}
	}
	return nil
}

// maxViews bounds the watches that begin during a burst.
const maxViews = 5

// isClosed reports whether a channel is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// heartbeatTimeout bounds the wait for three heartbeats. The machine may be busy.
const heartbeatTimeout = 20 * time.Second

func heartbeats(ctx context.Context, e *env) error {
	w, ok := store.As[store.HeartbeatWatcher](e.store)
	if !ok {
		return skip("the store is not a HeartbeatWatcher")
	}
	other := e.store
	if e.second != nil {
		other = e.second(e.store)
	}
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	v := heartbeatView{}
	for c, err := range w.WatchHeartbeats(ctx, "things") {
		if err != nil {
			return err
		}
		if done, err := v.see(ctx, c, other); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("the watch ended after %d heartbeats", v.beats)
}

// A heartbeatView is what a reader of heartbeats has seen.
type heartbeatView struct {
	begun   bool
	beats   int
	last    time.Time // the time of the last heartbeat
	changed time.Time // when the record was changed by another store; zero if it was not yet
	seen    bool      // the change was yielded
}

// see takes a change or heartbeat. After the first heartbeat it changes a record through other. It reports whether
// everything was seen.
func (v *heartbeatView) see(ctx context.Context, c store.Change, other store.Store) (done bool, err error) {
	switch {
	case c.Heartbeat.IsZero():
		v.begun = v.begun || c.Key == (store.Key{})
		v.seen = v.seen || !v.changed.IsZero()
		return false, nil
	case !v.begun:
		return false, errors.New("a heartbeat comes before the zero Key")
	case c.Key != (store.Key{}) || c.Revision != "":
		return false, fmt.Errorf("the heartbeat %v names a record", c)
	case c.Heartbeat.After(time.Now()) || c.Heartbeat.Before(v.last):
		return false, fmt.Errorf("a heartbeat of %v comes after one of %v", c.Heartbeat, v.last)
	case !v.changed.IsZero() && c.Heartbeat.After(v.changed) && !v.seen:
		return false, errors.New("a change that was made before the time of a heartbeat was not yielded before it")
	}
	v.last = c.Heartbeat
	if v.beats++; v.beats == 1 {
		if _, err := put(ctx, other, "a", "1"); err != nil {
			return false, err
		}
		v.changed = time.Now()
	}
	return v.seen && v.beats > 2, nil
}

const (
	// A burst consists of burstChanges changes by each of burstWriters writers, of burstRecords records of their own.
	burstWriters = 8
	burstChanges = 2000 / burstWriters
	burstRecords = 10
)

// burst has each of the writers make a number of changes. It returns the last revisions of the records, which are empty
// for deleted ones.
func burst(ctx context.Context, s store.Store, changes int) (map[string]store.Revision, error) {
	var last [burstWriters]map[string]store.Revision
	var errs [burstWriters]error
	var all sync.WaitGroup
	for writer := range burstWriters {
		all.Go(func() { last[writer], errs[writer] = burstOf(ctx, s, writer, changes) })
	}
	all.Wait()
	revisions := map[string]store.Revision{}
	for _, m := range last {
		maps.Copy(revisions, m)
	}
	return revisions, errors.Join(errs[:]...)
}

// burstOf makes the changes of one writer and returns the last revisions of its records.
func burstOf(ctx context.Context, s store.Store, writer, changes int) (
	last map[string]store.Revision, err error,
) {
	last = map[string]store.Revision{}
	for i := range changes {
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

// A view is the knowledge that a watching server has of the records.
type view struct {
	store   store.Store
	changed chan struct{} // has a value when the view may have changed
	started chan struct{} // is closed when the watch has begun and all records have been read
	ended   chan error    // receives the error of the watch

	mu        sync.Mutex
	revisions map[string]store.Revision
}

// newView returns a view of a store.
func newView(s store.Store) *view {
	return &view{
		store:   s,
		changed: make(chan struct{}, 1), started: make(chan struct{}), ended: make(chan error, 1),
		revisions: map[string]store.Revision{},
	}
}

// begin begins to keep the view up to date. The returned function ends that.
func (v *view) begin(ctx context.Context, w store.Watcher) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { v.ended <- v.follow(ctx, w, sync.OnceFunc(func() { close(v.started) })) })
	return func() { cancel(); watching.Wait() }
}

// begun waits until the watch has begun.
func (v *view) begun(ctx context.Context) error {
	select {
	case <-v.started:
		return nil
	case err := <-v.ended:
		return fmt.Errorf("the watch ended before it began: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("the watch has not begun: %w", ctx.Err())
	}
}

// follow keeps the view up to date until ctx ends. It calls begun when the watch has begun and all records have been
// read.
func (v *view) follow(ctx context.Context, w store.Watcher, begun func()) error {
	for c, err := range w.Watch(ctx, "things") {
		if err != nil {
			continue // changes may be missed until the next zero Key
		}
		if c.Key == (store.Key{}) {
			err = v.reload(ctx)
		} else {
			err = v.apply(ctx, c)
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

// reload reads all records.
func (v *view) reload(ctx context.Context) error {
	revisions := map[string]store.Revision{}
	for r, err := range v.store.List(ctx, "things") {
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

// apply reads the record of a change. A Get after a change must return it.
func (v *view) apply(ctx context.Context, c store.Change) error {
	r, err := v.store.Get(ctx, c.Key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revisions[c.Key.ID] = r.Revision
	return nil
}

// await waits until the view has these revisions.
func (v *view) await(ctx context.Context, want map[string]store.Revision) error {
	for {
		missed := v.missed(want)
		if len(missed) == 0 {
			return nil
		}
		select {
		case <-v.changed:
		case err := <-v.ended:
			return fmt.Errorf("the watch ended and has missed %d of %d records, %q: %w",
				len(missed), len(want), missed, err)
		case <-ctx.Done():
			return fmt.Errorf("the watch has missed the last change of %d of %d records: %q",
				len(missed), len(want), missed)
		}
	}
}

// missed returns the ids of the records of which the view has another revision.
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
