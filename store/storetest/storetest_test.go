package storetest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A broken store is a memstore with one fault.
type broken struct {
	store.Store
	get  func(b *broken, ctx context.Context, k store.Key) (store.Record, error)
	put  func(b *broken, ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error)
	del  func(b *broken, ctx context.Context, k store.Key, c store.Condition) error
	list func(b *broken, ctx context.Context, kind string) iter.Seq2[store.Record, error]
}

func (b *broken) Unwrap() store.Store { return b.Store }

func (b *broken) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if b.get != nil {
		return b.get(b, ctx, k)
	}
	return b.Store.Get(ctx, k)
}

func (b *broken) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if b.put != nil {
		return b.put(b, ctx, k, v, c)
	}
	return b.Store.Put(ctx, k, v, c)
}

func (b *broken) Delete(ctx context.Context, k store.Key, c store.Condition) error {
	if b.del != nil {
		return b.del(b, ctx, k, c)
	}
	return b.Store.Delete(ctx, k, c)
}

func (b *broken) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if b.list != nil {
		return b.list(b, ctx, kind)
	}
	return b.Store.List(ctx, kind)
}

// lossy forgets everything when it is closed.
type lossy struct{ *memstore.Store }

func (lossy) Close() error { return nil }

// deaf says that it watches, and then names no change.
type deaf struct{ *memstore.Store }

func (deaf) Watch(context.Context, string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) { yield(store.Change{}, nil) }
}

// selfish names what was put through itself, and no change by another store over the
// same storage.
type selfish struct {
	*memstore.Store
	mu  sync.Mutex
	own map[store.Revision]bool
}

func (s *selfish) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rev, err := s.Store.Put(ctx, k, v, c)
	s.own[rev] = true
	return rev, err
}

func (s *selfish) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return filtered(s.Store.Watch(ctx, kind), func(c store.Change) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return c.Key == (store.Key{}) || s.own[c.Revision]
	})
}

// A forgetful store names the first changes only, fewer than there are records, and
// says nothing about the others.
type forgetful struct{ *memstore.Store }

func (f forgetful) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	n := 0
	return filtered(f.Store.Watch(ctx, kind), func(store.Change) bool { n++; return n < burstRecords*burstWriters/2 })
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

// conflicting says of a record that is not there, and was deleted, that it has
// changed.
func conflicting() *broken {
	return &broken{
		Store: memstore.New(),
		del: func(b *broken, ctx context.Context, k store.Key, c store.Condition) error {
			err := b.Store.Delete(ctx, k, c)
			if _, conditional := c.Revision(); conditional && errors.Is(err, store.ErrNotFound) {
				return store.ErrConflict
			}
			return err
		},
	}
}

// renamed maps ids before they reach the store.
func renamed(f func(string) string) *broken {
	k := func(k store.Key) store.Key { k.ID = f(k.ID); return k }
	return &broken{Store: memstore.New(),
		get: func(b *broken, ctx context.Context, key store.Key) (store.Record, error) {
			r, err := b.Store.Get(ctx, k(key))
			r.Key = key
			return r, err
		},
		put: func(b *broken, ctx context.Context, key store.Key, v []byte, c store.Condition) (store.Revision, error) {
			return b.Store.Put(ctx, k(key), v, c)
		},
		del: func(b *broken, ctx context.Context, key store.Key, c store.Condition) error {
			return b.Store.Delete(ctx, k(key), c)
		},
	}
}

func TestBrokenStoresAreFound(t *testing.T) {
	for _, c := range []struct {
		fault string
		found string // by this case
		new   func() store.Store
	}{
		{"an outage looks like absence with no kind", "absent", func() store.Store {
			return &broken{Store: memstore.New(), get: func(*broken, context.Context, store.Key) (store.Record, error) {
				return store.Record{}, errors.New("no such row")
			}}
		}},
		{"values are trimmed", "round trip", func() store.Store {
			return &broken{Store: memstore.New(), put: func(b *broken, ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
				return b.Store.Put(ctx, k, []byte(strings.TrimSpace(string(v))), c)
			}}
		}},
		{"Get hands out what it keeps", "copies", func() store.Store {
			kept := map[store.Key][]byte{}
			return &broken{Store: memstore.New(), get: func(b *broken, ctx context.Context, k store.Key) (store.Record, error) {
				r, err := b.Store.Get(ctx, k)
				if kept[k] == nil {
					kept[k] = r.Value
				}
				r.Value = kept[k]
				return r, err
			}}
		}},
		{"conditions are ignored", "if absent", func() store.Store { return ignoring() }},
		{"conditions are ignored", "if revision", func() store.Store { return ignoring() }},
		{"revisions begin anew after a delete", "revisions", func() store.Store { return counting() }},
		{"Delete ignores its condition", "delete", func() store.Store {
			return &broken{Store: memstore.New(), del: func(b *broken, ctx context.Context, k store.Key, _ store.Condition) error {
				return b.Store.Delete(ctx, k, store.Condition{})
			}}
		}},
		{"List is in no order", "list", func() store.Store {
			return &broken{Store: memstore.New(), list: func(b *broken, ctx context.Context, kind string) iter.Seq2[store.Record, error] {
				var all []store.Record
				for r, err := range b.Store.List(ctx, kind) {
					if err != nil {
						break
					}
					all = append(all, r)
				}
				slices.Reverse(all)
				return func(yield func(store.Record, error) bool) {
					for _, r := range all {
						if !yield(r, nil) {
							return
						}
					}
				}
			}}
		}},
		{"List hides its error", "cancelled", func() store.Store {
			return &broken{Store: memstore.New(), list: func(b *broken, ctx context.Context, kind string) iter.Seq2[store.Record, error] {
				return b.Store.List(context.WithoutCancel(ctx), kind)
			}}
		}},
		{"ids fold case", "odd keys", func() store.Store { return renamed(strings.ToLower) }},
		{"ids lose a dot at the end", "odd keys", func() store.Store {
			return renamed(func(id string) string { return strings.TrimRight(id, ".") + "!" })
		}},
		{"ids are cut", "odd keys", func() store.Store { return renamed(func(id string) string { return id[:min(len(id), 255)] }) }},
		{"keys are not checked", "invalid keys", func() store.Store { return renamed(func(string) string { return "x" }) }},
		{"check, then write", "one creates", func() store.Store { return checkThenWrite() }},
		{"check, then write", "one changes", func() store.Store { return checkThenWrite() }},
		{"check, then write", "no lost update", func() store.Store { return checkThenWrite() }},
		{"check, then delete", "one deletes", func() store.Store {
			return &broken{Store: memstore.New(), del: func(b *broken, ctx context.Context, k store.Key, c store.Condition) error {
				r, err := b.Store.Get(ctx, k)
				if err != nil || c.Check(r.Revision) != nil {
					return errors.Join(err, c.Check(r.Revision))
				}
				time.Sleep(time.Millisecond)
				_ = b.Store.Delete(ctx, k, store.Condition{})
				return nil
			}}
		}},
		{"torn writes", "list during writes", func() store.Store {
			return &broken{Store: memstore.New(), put: func(b *broken, ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
				if _, err := b.Store.Put(ctx, k, v[:len(v)/2+1], c); err != nil {
					return "", err
				}
				time.Sleep(time.Millisecond)
				return b.Store.Put(ctx, k, v, store.Condition{})
			}}
		}},
		{"an absent record has changed", "absent", func() store.Store { return conflicting() }},
		{"an absent record has changed", "one deletes", func() store.Store { return conflicting() }},
		{"nothing is told", "watch", func() store.Store { return deaf{memstore.New()} }},
		{"nothing is told", "watch others", func() store.Store { return deaf{memstore.New()} }},
		{"what others change is not told", "watch others", func() store.Store {
			return &selfish{Store: memstore.New(), own: map[store.Revision]bool{}}
		}},
		{"changes are dropped in a burst", "watch others", func() store.Store { return forgetful{memstore.New()} }},
		{"nothing is kept", "durable", func() store.Store { return lossy{memstore.New()} }},
	} {
		t.Run(c.fault+"/"+c.found, func(t *testing.T) {
			i := slices.IndexFunc(cases, func(tc testCase) bool { return tc.name == c.found })
			if i < 0 {
				t.Fatalf("there is no case %q", c.found)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			err := cases[i].check(ctx, &env{
				s:      c.new(),
				reopen: func(store.Store) store.Store { return c.new() },
				second: inside,
			})
			var skipped skip
			if err == nil || errors.As(err, &skipped) {
				t.Errorf("a store with the fault %q passes the case %q: %v", c.fault, c.found, err)
			}
		})
	}
}

// inside returns the storage of a store with a fault: as a second store, it has none.
func inside(s store.Store) store.Store {
	switch s := s.(type) {
	case *selfish:
		return s.Store
	case forgetful:
		return s.Store
	case deaf:
		return s.Store
	}
	return s
}

// A store without a fault passes every case.
func TestASoundStorePasses(t *testing.T) {
	Run(t, Backend{
		New:    func(*testing.T) store.Store { return memstore.New() },
		Reopen: func(_ *testing.T, s store.Store) store.Store { return s },
		Second: func(_ *testing.T, s store.Store) store.Store { return s },
	})
}

// What cannot be tested is skipped with a reason, and does not pass.
func TestWhatIsNotTestedIsSkipped(t *testing.T) {
	plain := struct{ store.Store }{memstore.New()} // no Watcher
	for _, c := range []struct {
		name string
		env  env
	}{
		{"durable", env{s: plain}},
		{"watch", env{s: plain}},
		{"watch others", env{s: plain, second: inside}},
		{"watch others", env{s: memstore.New()}},
	} {
		i := slices.IndexFunc(cases, func(tc testCase) bool { return tc.name == c.name })
		err := cases[i].check(t.Context(), &c.env)
		var skipped skip
		if !errors.As(err, &skipped) || skipped == "" {
			t.Errorf("%s: %v, want a skip with a reason", c.name, err)
		}
	}
}

func ignoring() *broken {
	return &broken{
		Store: memstore.New(),
		put: func(b *broken, ctx context.Context, k store.Key, v []byte, _ store.Condition) (store.Revision, error) {
			return b.Store.Put(ctx, k, v, store.Condition{})
		},
	}
}

// counting counts revisions per record, from 1 for each new one.
func counting() *broken {
	counts := map[store.Key]int{}
	return &broken{Store: memstore.New(),
		put: func(b *broken, ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
			_, err := b.Store.Put(ctx, k, v, c)
			counts[k]++
			return store.Revision(strings.Repeat("i", counts[k])), err
		},
		del: func(b *broken, ctx context.Context, k store.Key, c store.Condition) error {
			counts[k] = 0
			return b.Store.Delete(ctx, k, c)
		},
	}
}

func checkThenWrite() *broken {
	return &broken{
		Store: memstore.New(),
		put: func(b *broken, ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
			r, err := b.Store.Get(ctx, k)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return "", err
			}
			if err := c.Check(r.Revision); err != nil {
				return "", err
			}
			time.Sleep(time.Millisecond)
			return b.Store.Put(ctx, k, v, store.Condition{})
		},
	}
}
