package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

var errDead = errors.New("no connection")

// A mortal store is the connection of one server to a shared store.
type mortal struct {
	store.Store
	dead atomic.Bool
	deaf string       // the kind whose changes the watch does not report, after the first
	gets atomic.Int32 // of deliveries
}

// Unwrap returns the shared store, so that [store.As] finds its capabilities.
func (m *mortal) Unwrap() store.Store { return m.Store }

// Get implements [store.Store].
func (m *mortal) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.Kind == "deliveries" {
		m.gets.Add(1)
	}
	if m.dead.Load() {
		return store.Record{}, errDead
	}
	return m.Store.Get(ctx, k)
}

// Put implements [store.Store].
func (m *mortal) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if m.dead.Load() {
		return "", errDead
	}
	return m.Store.Put(ctx, k, v, c)
}

// Delete implements [store.Store].
func (m *mortal) Delete(ctx context.Context, k store.Key, c store.Condition) error {
	if m.dead.Load() {
		return errDead
	}
	return m.Store.Delete(ctx, k, c)
}

// Watch implements [store.Watcher].
func (m *mortal) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	w, _ := store.As[store.Watcher](m.Store)
	if kind != m.deaf {
		return w.Watch(ctx, kind)
	}
	return func(yield func(store.Change, error) bool) {
		if yield(store.Change{}, nil) {
			<-ctx.Done()
		}
	}
}

// repeats returns how many of the events that a host accepted have the id of an earlier one.
func (r *receivers) repeats(host string) (n int) {
	seen := map[string]bool{}
	for _, e := range r.of(host) {
		id := e.get("webhook-id")
		if seen[id] {
			n++
		}
		seen[id] = true
	}
	return n
}

// perTitle describes the events of each title that a host accepted, without repeated ones, in order.
func (r *receivers) perTitle(host string) map[string]string {
	all, seen := map[string]string{}, map[string]bool{}
	for _, e := range r.of(host) {
		if id := e.get("webhook-id"); !seen[id] {
			seen[id] = true
			all[e.event.Title] += strings.TrimPrefix(e.event.Event, "title_") + e.event.Version + " "
		}
	}
	return all
}

// Several servers over one store notify a webhook of each change once and in order, also of titles that are deleted and
// created again, whoever makes them.
func TestSeveralServersNotifyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New(), newReceivers()
		r.delay["h.example"] = 10 * time.Millisecond
		var servers []*server
		for range 3 {
			servers = append(servers, start(t, shared, r))
		}
		servers[2].hook(webhook.Hook{URL: "https://h.example/"})
		synctest.Wait() // until all servers know of it
		want := map[string]string{}
		for round := range 3 {
			for i := range 8 {
				servers[(i+round)%3].create(definition(fmt.Sprint("T", i), "1"))
				want[fmt.Sprint("T", i)] += "new_title1 "
			}
			for v := 2; v < 5; v++ {
				for i := range 8 {
					id := fmt.Sprint("T", i)
					servers[(i+v)%3].add(id, fmt.Sprint(v))
					want[id] += fmt.Sprint("updated", v, " ")
				}
				time.Sleep(time.Duration(v) * time.Millisecond)
			}
			for i := range 8 {
				id := fmt.Sprint("T", i)
				servers[(i+round+1)%3].delete(id)
				want[id] += "deleted4 "
			}
			time.Sleep(time.Duration(round) * time.Second)
		}
		time.Sleep(time.Minute)
		for id, got := range r.perTitle("h.example") {
			if got != want[id] {
				t.Errorf("the events of %s are %s, want %s", id, got, want[id])
			}
		}
		if n := len(r.of("h.example")); n != 3*8*5 || r.repeats("h.example") != 0 {
			t.Errorf("%d events, %d of them repeated; want 120 and none", n, r.repeats("h.example"))
		}
		for i, s := range servers {
			if n := s.hooks.Pending(); n != 0 {
				t.Errorf("server %d has %d pending events, want none", i, n)
			}
			s.stop()
		}
		if n := count(t, shared, "deliveries") + count(t, shared, "titles"); n != 0 {
			t.Errorf("%d records are left", n)
		}
	})
}

// When the leader dies, or stops, every event still arrives, in order, and a repeated one has the same id.
func TestAnotherServerNotifies(t *testing.T) {
	for _, killed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			shared, r := memstore.New(), newReceivers()
			first := &mortal{Store: shared}
			leader, other := start(t, first, r), start(t, shared, r)
			leader.hook(webhook.Hook{URL: "https://h.example/"})
			time.Sleep(time.Second)
			r.respond("h.example", func(int, string) (int, error) { return 503, nil })
			want := "new_title1 "
			other.create(definition("App", "1"))
			for v := 2; v < 10; v++ {
				[]*server{leader, other}[v%2].add("App", fmt.Sprint(v))
				want += fmt.Sprint("updated", v, " ")
			}
			if killed {
				first.dead.Store(true)
			} else {
				leader.stop()
			}
			r.respond("h.example", nil)
			other.add("App", "10")
			other.delete("App")
			other.create(definition("App", "11"))
			time.Sleep(time.Hour)
			want += "updated10 deleted10 new_title11 "
			if got := r.perTitle("h.example")["App"]; got != want {
				t.Errorf("the events are %s, want %s", got, want)
			}
			if n := r.repeats("h.example"); n != 0 && !killed {
				t.Errorf("%d events were repeated without a fault", n)
			}
			if killed {
				leader.stop()
			}
			other.stop()
		})
	}
}

// A webhook receives the changes that are made after it on the same server, even if the server that queues the events
// does not know of the webhook yet.
func TestWebhookIsNewToTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New(), newReceivers()
		leader := start(t, &mortal{Store: shared, deaf: "webhooks"}, r)
		synctest.Wait()
		other := start(t, shared, r)
		other.hook(webhook.Hook{URL: "https://h.example/"})
		other.change("App")
		time.Sleep(time.Minute)
		if got := r.events("h.example"); got != allChanges {
			t.Errorf("the events are %q, want %q", got, allChanges)
		}
		other.stop()
		leader.stop()
	})
}

// Deliveries have the numbers of their events. Those that an older version numbered by its clock come first, and
// an event that is pending under such a number is not queued again.
func TestNumbersOfDeliveries(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		ctx := t.Context()
		hooks, err := webhook.Open(ctx, st, nil)
		if err != nil {
			t.Fatal(err)
		}
		hook, err := hooks.Create(ctx, webhook.Hook{URL: "https://h.example/", Enabled: true})
		if err != nil {
			t.Fatal(err)
		}
		const clock = 1_800_000_000_000_000_000
		const form = `{"format":1,"hook":%q,"notice":{"id":"U-1","kind":"created","at":"%s","title":{"id":"App"}}}`
		old := fmt.Sprintf(form, hook, time.Now().UTC().Format(time.RFC3339))
		key := store.Key{Kind: "deliveries", ID: fmt.Sprintf("%s/%020d-U-1", hook, int64(clock))}
		if _, err := st.Put(ctx, key, []byte(old), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		if hooks, err = webhook.Open(ctx, st, &webhook.Options{Transport: r}); err != nil {
			t.Fatal(err)
		}
		take := func(id, title string, number uint64) {
			t.Helper()
			n := catalog.Notice{ID: id, Number: number, Kind: catalog.Updated, At: time.Now()}
			n.Title.ID = title
			if err := hooks.Take(ctx, n); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			take("U-1", "App", 1)
			take("U-2", "App", 2)
			take("V-7", "Other", 7)
		}
		var ids []string
		for rec := range st.List(ctx, "deliveries") {
			ids = append(ids, strings.TrimPrefix(rec.Key.ID, hook+"/"))
		}
		want := []string{"00000000000000000007-V-7", fmt.Sprintf("%020d-U-1", int64(clock)),
			fmt.Sprintf("%020d-U-2", int64(clock+1))}
		if fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("the deliveries are %v, want %v", ids, want)
		}
	})
}

// The server that queues and delivers an event reads its record once, to send it. The watch does not make it read the
// record again.
func TestOwnDeliveriesAreNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := &mortal{Store: memstore.New()}, newReceivers()
		here := start(t, s, r)
		here.hook(webhook.Hook{URL: "https://h.example/"})
		synctest.Wait()
		for i := range 20 {
			here.create(definition(fmt.Sprint("T", i), "1"))
		}
		time.Sleep(time.Minute)
		if n := s.gets.Load(); n != 20 || len(r.of("h.example")) != 20 {
			t.Errorf("%d records were read for %d events, want 20 each", n, len(r.of("h.example")))
		}
		here.stop()
	})
}

// A gapped store reports gaps in its watch of deliveries in place of changes.
type gapped struct {
	*mortal
	gaps chan store.Change
}

// Watch implements [store.Watcher].
func (g *gapped) Watch(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	if kind != "deliveries" {
		return g.mortal.Watch(ctx, kind)
	}
	return func(yield func(store.Change, error) bool) {
		for yield(store.Change{}, nil) {
			select {
			case <-ctx.Done():
				return
			case <-g.gaps:
			}
		}
	}
}

// After a gap in the watch, the pending events are those of the store, and only new ones are read.
func TestGapInTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New(), newReceivers()
		leader := start(t, shared, r)
		leader.hook(webhook.Hook{URL: "https://h.example/"})
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		leader.create(definition("A", "1"))
		synctest.Wait()
		s := &gapped{mortal: &mortal{Store: shared}, gaps: make(chan store.Change)}
		here := start(t, s, r)
		synctest.Wait()
		leader.create(definition("B", "1"))
		synctest.Wait()
		s.gets.Store(0)
		s.gaps <- store.Change{}
		synctest.Wait()
		if n, gets := here.hooks.Pending(), s.gets.Load(); n != 2 || gets != 1 {
			t.Errorf("%d events are pending after a gap, %d records were read; want 2 and 1", n, gets)
		}
		r.respond("h.example", nil)
		time.Sleep(time.Hour)
		s.gaps <- store.Change{}
		synctest.Wait()
		if n := here.hooks.Pending(); n != 0 || s.gets.Load() != 1 {
			t.Errorf("%d events are pending after the last gap, want none", n)
		}
		here.stop()
		leader.stop()
	})
}
