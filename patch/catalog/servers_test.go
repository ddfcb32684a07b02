package catalog_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A mortal store is the connection of one server to a shared store. When it is dead, every call fails.
type mortal struct {
	store.Store
	dead  atomic.Bool
	delay time.Duration           // of each Get of a title
	after func(store.Key, []byte) // if not nil, it is called after each Put
	gets  atomic.Int32            // of titles
}

// Unwrap returns the shared store, so that [store.As] finds its capabilities.
func (m *mortal) Unwrap() store.Store { return m.Store }

func (m *mortal) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.Kind == "titles" {
		m.gets.Add(1)
		time.Sleep(m.delay)
	}
	if m.dead.Load() {
		return store.Record{}, errDown
	}
	return m.Store.Get(ctx, k)
}

func (m *mortal) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if m.dead.Load() {
		return "", errDown
	}
	rev, err := m.Store.Put(ctx, k, v, c)
	if m.after != nil {
		m.after(k, v)
	}
	return rev, err
}

func (m *mortal) Delete(ctx context.Context, k store.Key, c store.Condition) error {
	if m.dead.Load() {
		return errDown
	}
	return m.Store.Delete(ctx, k, c)
}

func (m *mortal) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if m.dead.Load() {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errDown) }
	}
	return m.Store.List(ctx, kind)
}

// said returns the notices that a courier has taken of a title, in order.
func (c *courier) said(id string) (all []string) {
	for _, n := range c.all() {
		if n.Title.ID == id {
			all = append(all, string(n.Kind)+n.Title.CurrentVersion)
		}
	}
	return all
}

// withCourier returns options with one courier.
func withCourier(c catalog.Courier) *catalog.Options {
	return &catalog.Options{Couriers: []catalog.Courier{c}}
}

// The courier of one server takes the notices of the changes that two servers make, each once and in order.
func TestOneServerDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		taken := []*courier{{}, {}}
		servers := []*catalog.Catalog{open(t, s, withCourier(taken[0])), open(t, s, withCourier(taken[1]))}
		want := map[string][]string{}
		for i := range 10 {
			id := fmt.Sprint("T", i)
			create(t, servers[i%2], id)
			want[id] = []string{"created1"}
		}
		for v := 2; v < 10; v++ {
			for i := range 10 {
				id := fmt.Sprint("T", i)
				add(t, servers[(i+v)%2], id, fmt.Sprint(v))
				want[id] = append(want[id], fmt.Sprint("updated", v))
			}
			time.Sleep(time.Duration(v%3) * time.Millisecond)
		}
		if err := servers[1].Delete(t.Context(), "T0", nil); err != nil {
			t.Fatal(err)
		}
		want["T0"] = append(want["T0"], "deleted9")
		time.Sleep(time.Minute)
		leader := taken[0]
		if len(leader.all()) == 0 {
			leader = taken[1]
		}
		if n, all := len(leader.all()), len(taken[0].all())+len(taken[1].all()); n != 91 || all != n {
			t.Errorf("one courier took %d notices, both %d; want 91 by one", n, all)
		}
		for id, want := range want {
			if got := leader.said(id); !slices.Equal(got, want) {
				t.Errorf("the notices of %s are %v, want %v", id, got, want)
			}
		}
		if n := records(t, s, "titles"); n != 9 {
			t.Errorf("%d records of titles, want 9: that of the deleted title is removed", n)
		}
	})
}

// The notices of a server that has died are delivered by another, in order, and what it has deleted is removed.
func TestAnotherServerDelivers(t *testing.T) {
	for _, leads := range []bool{true, false} { // the server that dies
		synctest.Test(t, func(t *testing.T) {
			shared := memstore.New()
			dies, lives := &mortal{Store: shared}, &mortal{Store: shared}
			stores := []*mortal{dies, lives}
			if !leads {
				stores = []*mortal{lives, dies}
			}
			down, taken := &courier{fail: true}, &courier{fail: !leads}
			servers := map[*mortal]*catalog.Catalog{}
			for _, s := range stores {
				c := down
				if s == lives {
					c = taken
				}
				servers[s] = open(t, s, withCourier(c))
				time.Sleep(time.Second)
			}
			create(t, servers[dies], "App")
			add(t, servers[dies], "App", "2")
			create(t, servers[lives], "Other")
			if err := servers[dies].Delete(t.Context(), "App", nil); err != nil {
				t.Fatal(err)
			}
			dies.dead.Store(true)
			taken.setFail(false)
			time.Sleep(time.Minute)
			if got := fmt.Sprint(taken.said("App")); got != "[created1 updated2 deleted2]" {
				t.Errorf("the notices are %v", got)
			}
			if got := len(taken.all()); got != 4 || len(down.all()) != 0 {
				t.Errorf("%d notices were taken, and %d by the dead server; want 4 and none", got, len(down.all()))
			}
			if n := records(t, shared, "titles"); n != 1 {
				t.Errorf("%d records of titles are left, want 1", n)
			}
		})
	}
}

// A racing store calls before before each Put of a title, until left is 0.
type racing struct {
	store.Store
	left   int
	before func()
}

// Unwrap returns the shared store, so that [store.As] finds its capabilities.
func (r *racing) Unwrap() store.Store { return r.Store }

func (r *racing) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "titles" && r.left > 0 {
		r.left--
		r.before()
	}
	return r.Store.Put(ctx, k, v, c)
}

// The id of a deleted title is free, also while the leader is removing its notices, and a restore does not fail because
// of that.
func TestLeaderIsRemovingNotices(t *testing.T) {
	ctx := t.Context()
	shared := memstore.New()
	touch := func() { // as the leader does when it removes one of several notices
		rec, err := shared.Get(ctx, titleRecord("app"))
		if err == nil {
			_, err = shared.Put(ctx, rec.Key, rec.Value, store.IfRevision(rec.Revision))
		}
		if err != nil {
			t.Error(err)
		}
	}
	// Whichever is elected, the notices stay.
	_ = open(t, shared, withCourier(&courier{fail: true}))
	r := &racing{Store: shared, before: touch}
	there := open(t, r, withCourier(&courier{fail: true}))
	create(t, there, "App")
	if err := there.Delete(ctx, "App", nil); err != nil {
		t.Fatal(err)
	}
	r.left = 3
	create(t, there, "App", "2")
	r.left = 3
	opts := &catalog.RestoreOptions{Mode: catalog.RestoreMerge}
	all, err := there.Restore(ctx, yields(definition("App", "3")), opts)
	if err != nil || len(all) != 1 || state(there) != "App 3" {
		t.Errorf("%v, outcomes %v, titles %q; want App 3", err, all, state(there))
	}
	rec, err := shared.Get(ctx, titleRecord("app"))
	if err != nil || strings.Count(string(rec.Value), `"event":`) < 4 {
		t.Errorf("the record carries %s, %v; want the notices of 4 changes", rec.Value, err)
	}
}

// A catalog without couriers, such as that of an import, does not hold up the notices.
func TestCatalogWithoutCouriers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, taken := memstore.New(), &courier{}
		plain := open(t, s, nil)
		time.Sleep(time.Minute)
		cat := open(t, s, withCourier(taken))
		create(t, cat, "App")
		add(t, plain, "App", "2") // nobody there wants a notice
		synctest.Wait()
		if got := fmt.Sprint(taken.said("App")); got != "[created1]" {
			t.Errorf("the notices are %v, want that of the creation at once", got)
		}
	})
}

// Without a Watcher there is one server, which needs no lease.
func TestNoLeaseWithoutWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, taken := unwatched{memstore.New()}, &courier{}
		cat := open(t, s, withCourier(taken))
		create(t, cat, "App")
		synctest.Wait()
		if n := records(t, s, "leases"); n != 0 || len(taken.all()) != 1 {
			t.Errorf("%d leases, %d notices; want none and 1, at once", n, len(taken.all()))
		}
	})
}

// A preparer is a courier that writes down when it is prepared.
type preparer struct {
	courier
	prepared []bool
}

func (p *preparer) Prepare(_ context.Context, elected bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prepared = append(p.prepared, elected)
	if len(p.prepared) == 1 {
		return errDown
	}
	return nil
}

// A courier is prepared before it takes notices, again if that fails, and only if the store is shared.
func TestPrepare(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var s store.Store = memstore.New()
			want := "[true true false]"
			if !shared {
				s, want = unwatched{s}, "[]"
			}
			p := &preparer{}
			cat := open(t, s, withCourier(p))
			create(t, cat, "App")
			time.Sleep(time.Minute)
			add(t, cat, "App", "2")
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := fmt.Sprint(p.prepared); got != want || len(p.all()) != 2 {
				t.Errorf("prepared %v, want %v; %d notices, want 2", got, want, len(p.all()))
			}
		})
	}
}

// Changes by other servers are read several at once, and one that cannot be read does not hold up the others.
func TestFollowingIsConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		far := &mortal{Store: shared}
		here, there := open(t, far, nil), open(t, shared, nil)
		far.delay = time.Second
		for i := range 160 {
			create(t, there, fmt.Sprint("T", i))
		}
		time.Sleep(11 * time.Second)
		if here.Len() != 160 {
			t.Errorf("%d of 160 titles are known after 11 seconds, 10 of which are needed for 16 at once", here.Len())
		}
	})
}

// A listing store can list revisions. It counts the lists of titles.
type listing struct {
	*scripted
	revisions, gets atomic.Int32
}

func (s *listing) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.Kind == "titles" {
		s.gets.Add(1)
	}
	return s.scripted.Get(ctx, k)
}

func (s *listing) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	if kind == "titles" {
		s.revisions.Add(1)
	}
	return func(yield func(store.Change, error) bool) {
		for r, err := range s.Store.List(ctx, kind) {
			if !yield(store.Change{Key: r.Key, Revision: r.Revision}, err) {
				return
			}
		}
	}
}

// After a gap in the watch, only the records that have changed are read.
func TestGapReadsWhatHasChanged(t *testing.T) {
	s := &listing{scripted: newScripted()}
	there := open(t, unwatched{s.Store}, nil)
	for i := range 50 {
		create(t, there, fmt.Sprint("T", i))
	}
	here := open(t, s, nil)
	add(t, there, "T7", "2")
	if err := there.Delete(t.Context(), "T8", nil); err != nil {
		t.Fatal(err)
	}
	s.failList.Store(1 << 20)
	s.gets.Store(0)
	s.changes <- store.Change{}
	eventually(t, func() bool { return here.Len() == 49 })
	title, err := here.Title("T7")
	if err != nil || title.CurrentVersion != "2" || s.gets.Load() != 2 || s.revisions.Load() != 1 {
		t.Errorf("version %s, %v; %d records were read, want 2; %d lists of revisions, want 1",
			title.CurrentVersion, err, s.gets.Load(), s.revisions.Load())
	}
}
