package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// deliveries returns the deliveries of a webhook.
func (s *server) deliveries(hook string) []webhook.Delivery {
	s.t.Helper()
	all, err := s.hooks.Deliveries(s.t.Context(), hook)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// retry retries a delivery.
func (s *server) retry(hook, event string) {
	s.t.Helper()
	if err := s.hooks.Retry(s.t.Context(), hook, event); err != nil {
		s.t.Fatal(err)
	}
}

// summary describes deliveries by title, state, attempts and status.
func summary(all []webhook.Delivery) string {
	var lines []string
	for _, d := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s %d %d", d.Title, d.Version, d.State, d.Attempts, d.Status))
	}
	return strings.Join(lines, ", ")
}

// refuseTitle makes a receiver answer 503 to the events of a title.
func refuseTitle(title string) func(int, string) (int, error) {
	return func(_ int, body string) (int, error) {
		if strings.Contains(body, fmt.Sprintf(`"software_title":%q`, title)) {
			return 503, nil
		}
		return 200, nil
	}
}

// Deliveries shows the pending, the delivered and the dropped events, also after a restart.
func TestDeliveries(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.respond("h.example", refuseTitle("Bad"))
		s := start(t, st, r)
		defer func() { s.stop() }()
		hook := s.hook(webhook.Hook{URL: "https://h.example/secret?token=hunter2", Secret: "shh"})
		if all := s.deliveries(hook); all == nil || len(all) != 0 {
			t.Errorf("the deliveries of a new webhook are %#v, want an empty list", all)
		}
		created := time.Now()
		s.create(definition("Fine", "1"))
		time.Sleep(time.Minute)
		s.create(definition("Bad", "7"))
		synctest.Wait()
		s.add("Bad", "8")
		synctest.Wait()
		all := s.deliveries(hook)
		if got, want := summary(all), "Bad 8 pending 0 0, Bad 7 pending 1 503, Fine 1 delivered 1 200"; got != want {
			t.Fatalf("the deliveries are %s, want %s", got, want)
		}
		if d := all[0]; d.Kind != catalog.Updated || !d.LastAttempt.IsZero() || !d.NextAttempt.IsZero() {
			t.Errorf("the event that waits for another is %+v", d)
		}
		if d := all[1]; d.Kind != catalog.Created || !strings.Contains(d.Error, "answered 503") ||
			!d.LastAttempt.Equal(time.Now()) || !d.NextAttempt.After(time.Now()) {
			t.Errorf("the event that failed is %+v", d)
		}
		if d := all[2]; d.ID != r.of("h.example")[0].get("webhook-id") || d.Error != "" || !d.NextAttempt.IsZero() ||
			!d.At.Equal(created) || !d.LastAttempt.Equal(created) {
			t.Errorf("the delivered event is %+v", d)
		}
		time.Sleep(26 * time.Hour) // the first attempt after a day drops it; pauses are at most 66 minutes
		synctest.Wait()
		all = s.deliveries(hook)
		if all[1].State != webhook.StateDropped || all[1].Status != 503 || all[1].Attempts < 20 ||
			!all[1].NextAttempt.IsZero() {
			t.Errorf("the event that failed for a day is %+v", all[1])
		}
		for i := range 2 { // with and without the last second
			s.stop()
			s = start(t, st, r)
			if diff := cmp.Diff(all, s.deliveries(hook)); diff != "" {
				t.Errorf("after restart %d, the deliveries differ (-want +got):\n%s", i, diff)
			}
		}
		for rec := range st.List(t.Context(), "deliverylog") {
			if text := string(rec.Value); strings.Contains(text, "hunter2") || strings.Contains(text, "shh") {
				t.Errorf("the log has secrets: %s", text)
			}
		}
		if _, err := s.hooks.Deliveries(t.Context(), "nope"); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("Deliveries of an unknown webhook: %v, want ErrNotFound", err)
		}
	})
}

// The log of a webhook keeps the last 100 outcomes, without definitions, in a record of bounded size.
func TestLogIsBounded(t *testing.T) {
	for name, title := range map[string]string{"short names": "App", "long names": strings.Repeat("App", 4000)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, st store.Store, r *receivers) {
				s := start(t, st, r)
				hook := s.hook(webhook.Hook{
					URL: "https://h.example/", SendDefinition: true,
					Events: []catalog.EventKind{catalog.Created, webhook.WatchFailed},
				})
				s.create(definition("Defined", "1"))
				time.Sleep(time.Minute)
				for i := range 250 {
					a := webhook.Announcement{
						ID: fmt.Sprint("failed-", i), Kind: webhook.WatchFailed, Title: fmt.Sprint("T", i), Name: title,
						Version: fmt.Sprint(i), Message: strings.Repeat("The feed fails. ", 1000), At: time.Now(),
					}
					if err := s.hooks.Announce(t.Context(), a); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				s.stop()
				n := len(r.of("h.example"))
				s = start(t, st, r)
				defer s.stop()
				all := s.deliveries(hook)
				if n != 251 || all[0].Version != "249" || len(all) > 100 || title == "App" && len(all) != 100 {
					t.Errorf("%d events were sent, %d are shown, the newest is %+v", n, len(all), all[0])
				}
				if size := bytesOf(t, st, "deliverylog"); size > 257<<10 || count(t, st, "deliverylog") != 1 {
					t.Errorf("the log has %d bytes", size)
				}
			})
		})
	}
}

// A countingStore counts the writes of logs, and can let them fail.
type countingStore struct {
	store.Store
	writes atomic.Int32
	broken atomic.Bool
}

// Put implements [store.Store].
func (c *countingStore) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	if k.Kind == "deliverylog" {
		c.writes.Add(1)
		if c.broken.Load() {
			return "", errDead
		}
	}
	return c.Store.Put(ctx, k, v, cond)
}

// A storm of events costs a write of the log a second, and outcomes that cannot be written are written later.
func TestLogIsWrittenSeldom(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		counting := &countingStore{Store: st}
		s := start(t, counting, r)
		hook := s.hook(webhook.Hook{URL: "https://h.example/"})
		for i := range 1000 {
			s.create(definition(fmt.Sprint("T", i), "1"))
			time.Sleep(10 * time.Millisecond)
		}
		if n := counting.writes.Load(); n < 5 || n > 11 {
			t.Errorf("the log was written %d times in 10 s, want about 10 times", n)
		}
		time.Sleep(time.Minute)
		counting.broken.Store(true)
		before := counting.writes.Load()
		s.create(definition("Late", "1"))
		time.Sleep(10 * time.Minute)
		if n := counting.writes.Load() - before; n < 5 || n > 30 {
			t.Errorf("the log was tried %d times in 10 minutes of an outage", n)
		}
		counting.broken.Store(false)
		time.Sleep(time.Minute)
		var log struct{ Entries []struct{ Attempts int } }
		for rec := range st.List(t.Context(), "deliverylog") {
			if err := json.Unmarshal(rec.Value, &log); err != nil || !bytes.Contains(rec.Value, []byte(`"Late"`)) {
				t.Errorf("the log lacks the last outcome: %v", err)
			}
		}
		if len(log.Entries) != 100 || log.Entries[0].Attempts != 1 {
			t.Errorf("the log is %+v", log)
		}
		if d := s.deliveries(hook)[0]; d.Title != "Late" || d.Attempts != 1 {
			t.Errorf("the newest delivery is %+v", d)
		}
		s.stop()
	})
}

// An event that does not fit into the queue is shown as dropped, and can be queued again once there is room.
func TestFullQueueIsShown(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		s := startWith(t, st, r, webhook.Options{MaxQueueBytes: 600})
		defer s.stop()
		hook := s.hook(webhook.Hook{URL: "https://h.example/"})
		s.create(definition("A", "1"))
		time.Sleep(time.Second)
		s.create(definition("B", strings.Repeat("2", 200)))
		synctest.Wait()
		d := s.deliveries(hook)[0]
		if d.Title != "B" || d.State != webhook.StateDropped || d.Attempts != 0 || !strings.Contains(d.Error, "full") {
			t.Errorf("the event that does not fit is %+v", d)
		}
		if err := s.hooks.Retry(t.Context(), hook, d.ID); !errors.Is(err, webhook.ErrFull) {
			t.Errorf("Retry returned %v, want ErrFull", err)
		}
		r.respond("h.example", nil)
		time.Sleep(time.Minute)
		s.retry(hook, d.ID)
		synctest.Wait()
		if d := s.deliveries(hook)[0]; d.Title != "B" || d.State != webhook.StateDelivered || d.Error != "" {
			t.Errorf("the event that did not fit is %+v", d)
		}
	})
}

// A log of a newer version is not changed, and one that cannot be read begins anew.
func TestUnreadableLog(t *testing.T) {
	for text, newer := range map[string]bool{`{"format":99}`: true, `{"format":`: false} {
		bubble(t, func(t *testing.T, st store.Store, r *receivers) {
			s := start(t, st, r)
			defer s.stop()
			hook := s.hook(webhook.Hook{URL: "https://h.example/"})
			key := store.Key{Kind: "deliverylog", ID: hook}
			if _, err := st.Put(t.Context(), key, []byte(text), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			s.create(definition("App", "1"))
			time.Sleep(time.Minute)
			rec, err := st.Get(t.Context(), key)
			if err != nil || newer != (string(rec.Value) == text) {
				t.Errorf("%s: the log is %s, %v", text, rec.Value, err)
			}
			all, err := s.hooks.Deliveries(t.Context(), hook)
			if newer && !(errors.Is(err, store.ErrFormat) && errors.Is(err, catalog.ErrUnavailable)) ||
				!newer && summary(all) != "App 1 delivered 1 200" {
				t.Errorf("%s: got %v, %v", text, all, err)
			}
		})
	}
}

// The log of a webhook is deleted with it, whichever server has outcomes for it, and at the latest when a server
// starts.
func TestLogIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared, r := memstore.New(), newReceivers()
		leader := start(t, &mortal{Store: shared, deaf: "webhooks"}, r)
		other := start(t, shared, r)
		for range 2 {
			synctest.Wait()
			hook := leader.hook(webhook.Hook{URL: "https://h.example/"})
			time.Sleep(time.Second)
			if err := leader.hooks.Test(t.Context(), hook); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
			if n := count(t, shared, "deliverylog"); n != 1 {
				t.Fatalf("there are %d logs, want 1", n)
			}
			if err := leader.hooks.Test(t.Context(), hook); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the outcome is not in the log yet
			if err := other.hooks.Delete(t.Context(), hook); err != nil {
				t.Fatal(err)
			}
			if n := count(t, shared, "deliverylog"); n != 0 {
				t.Errorf("%d logs are left, want none", n)
			}
			time.Sleep(time.Minute)
			if n := count(t, shared, "deliverylog"); n != 0 {
				t.Errorf("%d logs were written again, want none", n)
			}
		}
		leader.stop()
		other.stop()
		key := store.Key{Kind: "deliverylog", ID: "ORPHAN"}
		if _, err := shared.Put(t.Context(), key, []byte(`{"format":1}`), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		start(t, shared, r).stop()
		if n := count(t, shared, "deliverylog"); n != 0 {
			t.Errorf("%d logs are left after a start, want none", n)
		}
	})
}
