package webhook_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A pending event is tried at once, although it and its webhook pause, and the events of its title stay in order.
func TestRetryPending(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		s := start(t, st, r)
		defer s.stop()
		hook := s.hook(webhook.Hook{URL: "https://h.example/"})
		s.create(definition("App", "1"))
		s.add("App", "2")
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		before, _ := r.tried("h.example")
		all := s.deliveries(hook)
		for i := range 3 {
			s.retry(hook, all[1].ID)
			synctest.Wait()
			if n, _ := r.tried("h.example"); n != before+i+1 {
				t.Errorf("%d attempts after retry %d, want %d", n, i, before+i+1)
			}
		}
		if got := s.deliveries(hook); got[1].Attempts != before+3 || got[1].State != webhook.StatePending {
			t.Errorf("the event that still fails is %+v", got[1])
		}
		// Each retry begins another day.
		time.Sleep(23 * time.Hour)
		if n := s.hooks.Pending(); n != 2 {
			t.Errorf("%d events are pending within a day after the retry, want 2", n)
		}
		r.respond("h.example", nil)
		r.slow("h.example", time.Second)
		s.retry(hook, all[0].ID) // waits for the first
		s.retry(hook, all[0].ID)
		time.Sleep(3 * time.Second)
		if got, want := r.events("h.example"), "new_title App 1, title_updated App 2"; got != want {
			t.Errorf("the events are %s, want %s", got, want)
		}
		if n := count(t, st, "deliveries"); n != 0 {
			t.Errorf("%d events are pending, want none", n)
		}
	})
}

// A delivered or dropped event is delivered again with its id, its changes and the definition that the title has then.
func TestRetryFinished(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.respond("h.example", refuseTitle("Bad"))
		s := start(t, st, r)
		hook := s.hook(webhook.Hook{URL: "https://h.example/", SendDefinition: true})
		s.stop()
		s = startWith(t, st, r, webhook.Options{Key: make([]byte, 32), Definition: definitionOf(&s)})
		defer func() { s.stop() }()
		s.create(definition("Fine", "1"))
		s.add("Fine", "2")
		time.Sleep(time.Minute)
		s.create(definition("Bad", "1"))
		time.Sleep(30 * time.Hour)
		r.respond("h.example", nil)
		synctest.Wait()
		first := r.of("h.example")
		s.stop() // the log must have all that is needed
		s = startWith(t, st, r, webhook.Options{Key: make([]byte, 32), Definition: definitionOf(&s)})
		r.slow("h.example", time.Second)
		for _, d := range s.deliveries(hook) {
			if d.State == webhook.StatePending {
				t.Fatalf("an event is pending: %+v", d)
			}
			for range 3 { // while the first is pending
				s.retry(hook, d.ID)
			}
			time.Sleep(5 * time.Second)
		}
		got := r.of("h.example")[2:]
		want := []string{"new_title Bad 1", "title_updated Fine 2", "new_title Fine 1"}
		if len(got) != 3 {
			t.Fatalf("the events are %s, want %v again", r.events("h.example"), want)
		}
		byID := map[string]received{first[0].event.ID: first[0], first[1].event.ID: first[1]}
		for i, e := range got {
			if event := fmt.Sprintf("%s %s %s", e.event.Event, e.event.Title, e.event.Version); event != want[i] {
				t.Errorf("event %d is %s, want %s", i, event, want[i])
			}
			if e.event.Definition == nil || e.event.ID != e.get("webhook-id") {
				t.Errorf("event %d is %s", i, e.body)
			}
			if i > 0 && cmp.Diff(byID[e.event.ID].event.Changes, e.event.Changes) != "" {
				t.Errorf("the event %s is repeated with the changes %q", byID[e.event.ID].body, e.event.Changes)
			}
		}
		for _, d := range s.deliveries(hook) {
			if d.State != webhook.StateDelivered || d.Title == "Fine" && d.Attempts != 2 || d.Attempts < 2 {
				t.Errorf("after the retry, a delivery is %+v", d)
			}
		}
	})
}

// An event that is queued again is retried for a day, like a new one.
func TestRetryOfAnOldEventIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		hook := s.hook(webhook.Hook{URL: "https://h.example/"})
		s.create(definition("App", "1"))
		time.Sleep(72 * time.Hour)
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		d := s.deliveries(hook)[0]
		s.retry(hook, d.ID)
		time.Sleep(time.Hour)
		s.stop()
		s = start(t, st, r)
		defer s.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		got := s.deliveries(hook)[0]
		if got.State != webhook.StatePending || got.Attempts < 5 || got.Status != 503 || got.ID != d.ID {
			t.Errorf("the delivery is %+v, want it pending", got)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := s.deliveries(hook)[0]; got.State != webhook.StateDropped {
			t.Errorf("a day later, the delivery is %+v, want it dropped", got)
		}
	})
}

func TestRetryUnknown(t *testing.T) {
	hooks, err := webhook.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := hooks.Create(t.Context(), webhook.Hook{URL: "https://h.example/"})
	if err != nil {
		t.Fatal(err)
	}
	if err := hooks.Retry(t.Context(), "nope", "x"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("unknown webhook: %v, want ErrNotFound", err)
	}
	if err := hooks.Retry(t.Context(), id, "x"); !errors.Is(err, webhook.ErrNoDelivery) {
		t.Errorf("unknown delivery: %v, want ErrNoDelivery", err)
	}
}

// Every server shows the same deliveries, and retries those that another server delivers.
func TestRetryOnAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New(), newReceivers()
		leader := start(t, shared, r)
		synctest.Wait()
		other := start(t, shared, r)
		hook := other.hook(webhook.Hook{URL: "https://h.example/"})
		synctest.Wait()
		r.respond("h.example", refuseTitle("Bad"))
		leader.create(definition("Fine", "1"))
		time.Sleep(time.Minute)
		other.create(definition("Bad", "1"))
		time.Sleep(10 * time.Hour)
		same := func() []webhook.Delivery {
			t.Helper()
			time.Sleep(2 * time.Second)
			want := leader.deliveries(hook)
			if diff := cmp.Diff(want, other.deliveries(hook)); diff != "" {
				t.Errorf("the other server shows other deliveries (-leader +other):\n%s", diff)
			}
			return want
		}
		all := same()
		if len(all) != 2 || all[0].State != webhook.StatePending || summary(all[1:]) != "Fine 1 delivered 1 200" {
			t.Fatalf("the deliveries are %s", summary(all))
		}
		before, _ := r.tried("h.example")
		other.retry(hook, all[0].ID)
		if d := other.deliveries(hook)[0]; !d.NextAttempt.IsZero() {
			t.Errorf("after the retry, the delivery is %+v, want it due", d)
		}
		synctest.Wait()
		if n, _ := r.tried("h.example"); n != before+1 {
			t.Errorf("%d attempts after the retry of a pending event, want %d", n, before+1)
		}
		same()
		r.respond("h.example", nil)
		r.slow("h.example", time.Second)
		for range 2 {
			other.retry(hook, all[0].ID)
			other.retry(hook, all[1].ID)
		}
		time.Sleep(3 * time.Second)
		r.slow("h.example", 0)
		if got := same(); got[0].State != webhook.StateDelivered || summary(got[1:]) != "Fine 1 delivered 2 200" {
			t.Errorf("the deliveries are %s, want both delivered", summary(got))
		}
		// The records of two retries have different keys, and each server knows of both.
		for i := range 4 {
			[]*server{leader, other}[i%2].retry(hook, all[1].ID)
			synctest.Wait()
			if got := same(); got[1].Attempts != 3+i {
				t.Errorf("after retry %d, the deliveries are %s", i, summary(got))
			}
		}
		if n := leader.hooks.Pending() + other.hooks.Pending() + count(t, shared, "deliveries"); n != 0 {
			t.Errorf("%d events are pending, want none", n)
		}
		leader.stop()
		// The next leader counts on.
		time.Sleep(time.Minute)
		other.retry(hook, all[1].ID)
		time.Sleep(time.Second)
		if got := other.deliveries(hook); got[1].Attempts != 7 {
			t.Errorf("after another retry, the deliveries are %s", summary(got))
		}
		other.stop()
	})
}

// A server whose clock is behind can retry an event after a server whose clock is ahead.
func TestRetryWithOtherClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New(), newReceivers()
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		leader := start(t, shared, r)
		synctest.Wait()
		ahead := startWith(t, shared, r, webhook.Options{
			Key: make([]byte, 32), Now: func() time.Time { return time.Now().Add(time.Hour) },
		})
		behind := start(t, shared, r)
		hook := leader.hook(webhook.Hook{URL: "https://h.example/"})
		leader.create(definition("App", "1"))
		time.Sleep(10 * time.Hour)
		before, _ := r.tried("h.example")
		for i, s := range []*server{ahead, behind, ahead, behind} {
			s.retry(hook, s.deliveries(hook)[0].ID)
			synctest.Wait()
			if n, _ := r.tried("h.example"); n != before+i+1 {
				t.Errorf("%d attempts after retry %d, want %d", n, i, before+i+1)
			}
		}
		for _, s := range []*server{behind, ahead, leader} {
			s.stop()
		}
	})
}

// A retry that the watch has missed is found after the gap.
func TestRetryInAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New(), newReceivers()
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		s := &gapped{mortal: &mortal{Store: shared}, gaps: make(chan store.Change)}
		leader := start(t, s, r)
		synctest.Wait()
		hook := leader.hook(webhook.Hook{URL: "https://h.example/"})
		leader.create(definition("App", "1"))
		other := start(t, shared, r)
		time.Sleep(10 * time.Hour)
		before, _ := r.tried("h.example")
		other.retry(hook, other.deliveries(hook)[0].ID)
		synctest.Wait()
		if n, _ := r.tried("h.example"); n != before {
			t.Fatalf("%d attempts before the gap is reported, want %d", n, before)
		}
		s.gaps <- store.Change{}
		synctest.Wait()
		if n, _ := r.tried("h.example"); n != before+1 {
			t.Errorf("%d attempts after the gap, want %d", n, before+1)
		}
		other.stop()
		leader.stop()
	})
}
