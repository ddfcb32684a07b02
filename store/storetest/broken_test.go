package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A brokenStore is a memstore with one fault: a function that is not nil replaces a method.
type brokenStore struct {
	*memstore.Store
	get  func(ctx context.Context, k store.Key) (store.Record, error)
	put  func(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error)
	del  func(ctx context.Context, k store.Key, c store.Condition) error
	list func(ctx context.Context, kind string) iter.Seq2[store.Record, error]
}

func newBroken() *brokenStore { return &brokenStore{Store: memstore.New()} }

func (b *brokenStore) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if b.get != nil {
		return b.get(ctx, k)
	}
	return b.Store.Get(ctx, k)
}

func (b *brokenStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if b.put != nil {
		return b.put(ctx, k, v, c)
	}
	return b.Store.Put(ctx, k, v, c)
}

func (b *brokenStore) Delete(ctx context.Context, k store.Key, c store.Condition) error {
	if b.del != nil {
		return b.del(ctx, k, c)
	}
	return b.Store.Delete(ctx, k, c)
}

func (b *brokenStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if b.list != nil {
		return b.list(ctx, kind)
	}
	return b.Store.List(ctx, kind)
}

// unclear returns a store whose Get fails with an unknown error.
func unclear() store.Store {
	b := newBroken()
	b.get = func(context.Context, store.Key) (store.Record, error) {
		return store.Record{}, errors.New("no such row")
	}
	return b
}

// trimming returns a store that trims values.
func trimming() store.Store {
	b := newBroken()
	b.put = func(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
		return b.Store.Put(ctx, k, []byte(strings.TrimSpace(string(v))), c)
	}
	return b
}

// sharing returns a store whose Get returns the slice that it keeps.
func sharing() store.Store {
	b, kept := newBroken(), map[store.Key][]byte{}
	b.get = func(ctx context.Context, k store.Key) (store.Record, error) {
		r, err := b.Store.Get(ctx, k)
		if kept[k] == nil {
			kept[k] = r.Value
		}
		r.Value = kept[k]
		return r, err
	}
	return b
}

// ignoring returns a store that ignores the conditions of Put.
func ignoring() store.Store {
	b := newBroken()
	b.put = func(ctx context.Context, k store.Key, v []byte, _ store.Condition) (store.Revision, error) {
		return b.Store.Put(ctx, k, v, store.Condition{})
	}
	return b
}

// counting returns a store that counts the revisions of each record, from 1 after it was deleted.
func counting() store.Store {
	b, counts := newBroken(), map[store.Key]int{}
	b.put = func(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
		_, err := b.Store.Put(ctx, k, v, c)
		counts[k]++
		return store.Revision(strings.Repeat("i", counts[k])), err
	}
	b.del = func(ctx context.Context, k store.Key, c store.Condition) error {
		counts[k] = 0
		return b.Store.Delete(ctx, k, c)
	}
	return b
}

// careless returns a store that ignores the conditions of Delete.
func careless() store.Store {
	b := newBroken()
	b.del = func(ctx context.Context, k store.Key, _ store.Condition) error {
		return b.Store.Delete(ctx, k, store.Condition{})
	}
	return b
}

// reversing returns a store whose List yields the records in reverse.
func reversing() store.Store {
	b := newBroken()
	b.list = func(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
		return func(yield func(store.Record, error) bool) {
			var all []store.Record
			for r, err := range b.Store.List(ctx, kind) {
				if err != nil {
					yield(r, err)
					return
				}
				all = append(all, r)
			}
			for _, r := range slices.Backward(all) {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	return b
}

// uncanceled returns a store whose List ignores the end of its context.
func uncanceled() store.Store {
	b := newBroken()
	b.list = func(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
		return b.Store.List(context.WithoutCancel(ctx), kind)
	}
	return b
}

// renaming returns a store that changes ids.
func renaming(rename func(string) string) store.Store {
	b := newBroken()
	renamed := func(k store.Key) store.Key { k.ID = rename(k.ID); return k }
	b.get = func(ctx context.Context, k store.Key) (store.Record, error) {
		r, err := b.Store.Get(ctx, renamed(k))
		r.Key = k
		return r, err
	}
	b.put = func(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
		return b.Store.Put(ctx, renamed(k), v, c)
	}
	b.del = func(ctx context.Context, k store.Key, c store.Condition) error {
		return b.Store.Delete(ctx, renamed(k), c)
	}
	return b
}

// checkThenPut returns a store whose Put checks the condition first and writes later.
func checkThenPut() store.Store {
	b := newBroken()
	b.put = func(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
		r, err := b.Store.Get(ctx, k)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		if err := c.Check(r.Revision); err != nil {
			return "", err
		}
		time.Sleep(time.Millisecond)
		return b.Store.Put(ctx, k, v, store.Condition{})
	}
	return b
}

// checkThenDelete returns a store whose Delete checks the condition first and deletes later.
func checkThenDelete() store.Store {
	b := newBroken()
	b.del = func(ctx context.Context, k store.Key, c store.Condition) error {
		r, err := b.Store.Get(ctx, k)
		if err != nil || c.Check(r.Revision) != nil {
			return errors.Join(err, c.Check(r.Revision))
		}
		time.Sleep(time.Millisecond)
		_ = b.Store.Delete(ctx, k, store.Condition{})
		return nil
	}
	return b
}

// tearing returns a store that writes a value in two steps.
func tearing() store.Store {
	b := newBroken()
	b.put = func(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
		if _, err := b.Store.Put(ctx, k, v[:len(v)/2+1], c); err != nil {
			return "", err
		}
		time.Sleep(time.Millisecond)
		return b.Store.Put(ctx, k, v, store.Condition{})
	}
	return b
}

// conflicting returns a store whose conditional Delete of an absent record is a conflict.
func conflicting() store.Store {
	b := newBroken()
	b.del = func(ctx context.Context, k store.Key, c store.Condition) error {
		err := b.Store.Delete(ctx, k, c)
		if _, conditional := c.Revision(); conditional && errors.Is(err, store.ErrNotFound) {
			return store.ErrConflict
		}
		return err
	}
	return b
}

// A volatileStore loses its records when it is closed.
type volatileStore struct{ *memstore.Store }

func (volatileStore) Close() error { return nil }

// A deafStore begins a watch and then yields no change.
type deafStore struct{ *memstore.Store }

func (deafStore) Watch(context.Context, string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) { yield(store.Change{}, nil) }
}

// A selfishStore yields its own changes and not those of other stores over the same storage.
type selfishStore struct {
	*memstore.Store
	mu  sync.Mutex
	own map[store.Revision]bool
}

func (s *selfishStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rev, err := s.Store.Put(ctx, k, v, c)
	s.own[rev] = true
	return rev, err
}

func (s *selfishStore) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return filtered(s.Store.Watch(ctx, kind), func(c store.Change) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return c.Key == (store.Key{}) || s.own[c.Revision]
	})
}

// A forgetfulStore yields the first changes only, fewer than there are records, and no gap.
type forgetfulStore struct{ *memstore.Store }

func (f forgetfulStore) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	n := 0
	return filtered(f.Store.Watch(ctx, kind), func(store.Change) bool { n++; return n < burstRecords*burstWriters/2 })
}

// A hastyStore yields heartbeats and no changes.
type hastyStore struct{ *memstore.Store }

func (h hastyStore) WatchHeartbeats(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	keep := func(c store.Change) bool { return c.Key == (store.Key{}) }
	return filtered(h.Store.WatchHeartbeats(ctx, kind), keep)
}

// A numbStore yields no heartbeats.
type numbStore struct{ *memstore.Store }

func (n numbStore) WatchHeartbeats(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return n.Watch(ctx, kind)
}

// An earlyStore yields the first zero Key before its watch has begun.
type earlyStore struct{ *memstore.Store }

func (e earlyStore) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if !yield(store.Change{}, nil) {
			return
		}
		time.Sleep(500 * time.Millisecond)
		named := func(c store.Change) bool { return c.Key != store.Key{} }
		for c, err := range filtered(e.Store.Watch(ctx, kind), named) {
			if !yield(c, err) {
				return
			}
		}
	}
}

// slow returns a store whose Put takes a while.
func slow(s *memstore.Store) store.Store {
	return &brokenStore{Store: s, put: func(ctx context.Context, k store.Key, v []byte, c store.Condition) (
		store.Revision, error,
	) {
		time.Sleep(time.Millisecond)
		return s.Put(ctx, k, v, c)
	}}
}

// An outdatedStore yields revisions that records had before.
type outdatedStore struct{ *memstore.Store }

func (o outdatedStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for r, err := range o.List(ctx, kind) {
			if !yield(store.Change{Key: r.Key, Revision: "0"}, err) {
				return
			}
		}
	}
}

// A hurriedStore acknowledges the records of a load before it has read them all.
type hurriedStore struct{ *memstore.Store }

func (h hurriedStore) Load(ctx context.Context, records iter.Seq2[store.Record, error]) error {
	for r, err := range records {
		if err != nil {
			return nil
		}
		if _, err := h.Put(ctx, r.Key, r.Value, store.Condition{}); err != nil || r.Key.Kind == "others" {
			return err
		}
	}
	return nil
}

// filtered keeps the changes for which keep is true.
func filtered(changes iter.Seq2[store.Change, error], keep func(store.Change) bool) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for c, err := range changes {
			if (err != nil || keep(c)) && !yield(c, err) {
				return
			}
		}
	}
}

// inside returns the storage of a store whose fault is in its watch, as a second store without a fault.
func inside(s store.Store) store.Store {
	switch s := s.(type) {
	case *selfishStore:
		return s.Store
	case forgetfulStore:
		return s.Store
	case deafStore:
		return s.Store
	case hastyStore:
		return s.Store
	case earlyStore:
		return slow(s.Store)
	}
	return s
}
