package webhook_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A webhook that fails is retried with exponential backoff, one attempt at a time, for a day. It delays no other.
func TestFailingReceivers(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		r.answer["dead.example"] = func(int, string) (int, error) { return 500, nil }
		r.answer["moved.example"] = func(int, string) (int, error) { return 301, nil }
		dead := s.hook(webhook.Hook{URL: "https://dead.example/"})
		moved := s.hook(webhook.Hook{URL: "https://moved.example/"})
		s.hook(webhook.Hook{URL: "https://fine.example/"})
		status := func(id string) webhook.Status {
			for _, s := range s.hooks.List() {
				if s.Hook.ID == id {
					return s
				}
			}
			return webhook.Status{}
		}
		for i := range 100 {
			s.create(definition(fmt.Sprint("T", i), "1"))
		}
		synctest.Wait()
		if n := len(r.of("fine.example")); n != 100 {
			t.Errorf("%d events were delivered to the receiver that answers, want 100 at once", n)
		}
		time.Sleep(12 * time.Hour)
		if n, maximum := r.tried("dead.example"); n < 100 || n > 250 || maximum > 4 {
			t.Errorf("%d attempts to the dead receiver in 12 hours, %d at once", n, maximum)
		}
		if text := status(moved).LastError; !strings.Contains(text, "redirects") {
			t.Errorf("the error of the receiver that has moved is %q", text)
		}
		time.Sleep(48 * time.Hour)
		if got := status(dead); got.Pending != 0 || got.Dropped != 100 || got.Status != 500 {
			t.Errorf("the status of the dead receiver after a day is %+v", got)
		}
		if n := count(t, st, "deliveries"); n != 0 {
			t.Errorf("%d deliveries are left, want none", n)
		}
	})
}

// An event that a receiver refuses delays no event of another title.
func TestPoison(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		r.answer["h.example"] = func(_ int, body string) (int, error) {
			if strings.Contains(body, `"software_title":"Poison"`) {
				return 400, nil
			}
			return 200, nil
		}
		s.hook(webhook.Hook{URL: "https://h.example/"})
		s.create(definition("Poison", "1"))
		for i := range 49 {
			s.create(definition(fmt.Sprint("T", i), "1"))
		}
		time.Sleep(5 * time.Minute)
		if n := len(r.of("h.example")); n != 49 || s.hooks.Pending() != 1 {
			t.Errorf("%d events were delivered and %d are pending, want 49 and 1", n, s.hooks.Pending())
		}
	})
}

// With slow, dead and unreliable receivers and 1,000 changes, no writer waits for a receiver, and each event is
// delivered once and in order per title.
func TestManyChangesAndBadReceivers(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		r.delay["slow.example"] = 2 * time.Second
		r.delay["hangs.example"] = time.Hour
		r.answer["dead.example"] = func(int, string) (int, error) { return 0, errors.New("connection refused") }
		r.answer["flaps.example"] = func(n int, _ string) (int, error) {
			if n%3 == 0 {
				return 503, nil
			}
			return 200, nil
		}
		for _, host := range []string{"slow", "hangs", "dead", "flaps", "fine"} {
			s.hook(webhook.Hook{URL: "https://" + host + ".example/"})
		}
		began := time.Now()
		var writers sync.WaitGroup
		for w := range 10 {
			writers.Go(func() {
				id := fmt.Sprint("T", w)
				if _, err := s.catalog.Create(t.Context(), definition(id, "1"), nil); err != nil {
					t.Error(err)
				}
				for v := 2; v <= 100; v++ {
					s.add(id, fmt.Sprint(v))
				}
			})
		}
		writers.Wait()
		if d := time.Since(began); d != 0 { // in the bubble, time passes only while all goroutines wait
			t.Errorf("the changes waited %v for the receivers", d)
		}
		synctest.Wait()
		if n := len(r.of("fine.example")); n != 1000 {
			t.Errorf("%d events were delivered to the receiver that answers, want 1000 at once", n)
		}
		time.Sleep(20 * time.Hour)
		for _, host := range []string{"slow.example", "flaps.example", "fine.example"} {
			checkOrder(t, host, r.of(host), 1000)
		}
		for _, status := range s.hooks.List() {
			bad := strings.Contains(status.Hook.URL, "dead") || strings.Contains(status.Hook.URL, "hangs")
			if bad != (status.Pending == 1000) || bad != (status.Failures > 0) {
				t.Errorf("status %+v", status)
			}
		}
	})
}

// checkOrder checks that a host received n events, each once, and with growing versions of each title.
func checkOrder(t *testing.T, host string, events []received, n int) {
	t.Helper()
	last, ids := map[string]int{}, map[string]bool{}
	for _, e := range events {
		ids[e.event.ID] = true
		var v int
		_, _ = fmt.Sscan(e.event.Version, &v)
		if v <= last[e.event.Title] {
			t.Errorf("%s: version %d of %s after %d", host, v, e.event.Title, last[e.event.Title])
		}
		last[e.event.Title] = v
	}
	if len(ids) != n || len(events) != n {
		t.Errorf("%s received %d events, %d different ones, want %d", host, len(events), len(ids), n)
	}
}
