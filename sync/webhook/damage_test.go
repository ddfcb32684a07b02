package webhook_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A damagedStore has a corrupt record, at which a list ends, as in object storage.
type damagedStore struct {
	store.Store
	corrupt store.Key
}

func (d *damagedStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if key == d.corrupt {
		return store.Record{}, store.ErrCorrupt
	}
	return d.Store.Get(ctx, key)
}

func (d *damagedStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range d.Store.List(ctx, kind) {
			if r.Key == d.corrupt {
				yield(store.Record{}, store.ErrCorrupt)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Revisions implements store.Revisioner.
func (d *damagedStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return store.Revisions(ctx, d.Store, kind)
}

// A corrupt record does not keep a server from starting. The events of other webhooks are delivered, and those of a
// webhook that cannot be read are kept.
func TestStartWithCorruptRecords(t *testing.T) {
	for _, kind := range []string{"webhooks", "deliveries", "deliverylog"} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T, st store.Store, r *receivers) {
				down := func(int, string) (int, error) { return 503, nil }
				r.respond("h.example", down)
				s := start(t, st, r)
				s.hook(webhook.Hook{URL: "https://h.example/"})
				s.hook(webhook.Hook{URL: "https://h.example/"})
				s.create(definition("A", "1"))
				synctest.Wait()
				s.stop()
				damaged := &damagedStore{Store: st}
				for rec := range st.List(t.Context(), kind) { // the first
					damaged.corrupt = rec.Key
					break
				}
				r.respond("h.example", nil)
				s = start(t, damaged, r)
				time.Sleep(time.Hour)
				want, left := 1, 1
				if kind == "deliverylog" {
					want, left = 2, 0
				}
				if n := len(r.of("h.example")); n != want {
					t.Errorf("%d events are delivered, want %d", n, want)
				}
				if n := count(t, st, "deliveries"); n != left {
					t.Errorf("%d events are left, want %d", n, left)
				}
				s.stop()
			})
		})
	}
}

// An event that another server has delivered does not make a receiver that fails look well.
func TestEventThatIsGoneIsNoSuccess(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		s := start(t, st, r)
		defer s.stop()
		s.hook(webhook.Hook{URL: "https://h.example/"})
		s.create(definition("A", "1"))
		s.create(definition("B", "1"))
		synctest.Wait()
		for rec := range st.List(t.Context(), "deliveries") {
			if strings.Contains(string(rec.Value), `"A"`) {
				if err := st.Delete(t.Context(), rec.Key, store.Condition{}); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(10 * time.Minute)
		got := s.hooks.List()[0]
		if got.Pending != 1 || got.Failures < 3 || !got.LastSuccess.IsZero() || got.LastError == "" {
			t.Errorf("the status is %+v", got)
		}
	})
}

// A log without a format begins anew.
func TestLogWithoutFormat(t *testing.T) {
	for _, text := range []string{`{}`, `null`, `{"format":1`} {
		bubble(t, func(t *testing.T, st store.Store, r *receivers) {
			s := start(t, st, r)
			defer s.stop()
			hook := s.hook(webhook.Hook{URL: "https://h.example/"})
			key := store.Key{Kind: "deliverylog", ID: hook}
			if _, err := st.Put(t.Context(), key, []byte(text), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if n := len(s.deliveries(hook)); n != 0 {
				t.Errorf("%s: %d deliveries, want none", text, n)
			}
			s.create(definition("A", "1"))
			time.Sleep(time.Minute)
			if got := summary(s.deliveries(hook)); got != "A 1 delivered 1 200" {
				t.Errorf("%s: the deliveries are %s", text, got)
			}
		})
	}
}

// A webhook without a format does not keep a server from starting.
func TestHookWithoutFormat(t *testing.T) {
	st := memstore.New()
	for i, text := range []string{`{}`, `null`, `[]`, `{"format":1`} {
		key := store.Key{Kind: "webhooks", ID: string(rune('A' + i))}
		if _, err := st.Put(t.Context(), key, []byte(text), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	hooks, err := webhook.Open(t.Context(), st, nil)
	if err != nil || len(hooks.List()) != 0 {
		t.Errorf("Open returned %v", err)
	}
}

// An unsureStore carries out writes of logs and reports that some of them failed.
type unsureStore struct {
	store.Store
	failures int
}

func (s *unsureStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	rev, err := s.Store.Put(ctx, k, v, c)
	if k.Kind == "deliverylog" && s.failures > 0 {
		s.failures--
		return "", errors.New("the connection was lost")
	}
	return rev, err
}

// An attempt counts once in the log, also if it is not known whether the log was written.
func TestAttemptsAfterUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers()
		s := start(t, single{&unsureStore{Store: memstore.New(), failures: 3}}, r)
		defer s.stop()
		r.respond("h.example", func(n int, _ string) (int, error) {
			if n < 10 {
				return 503, nil
			}
			return 200, nil
		})
		hook := s.hook(webhook.Hook{URL: "https://h.example/"})
		s.create(definition("A", "1"))
		time.Sleep(3 * time.Hour)
		if got := summary(s.deliveries(hook)); got != "A 1 delivered 10 200" {
			t.Errorf("the deliveries are %s, want 10 attempts", got)
		}
	})
}

// A slowStore takes a while for each deletion.
type slowStore struct{ store.Store }

func (s slowStore) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	time.Sleep(25 * time.Millisecond)
	return s.Store.Delete(ctx, key, cond)
}

// A webhook with many pending events is deleted within seconds, also in a store that takes a while for each.
func TestDeleteWithManyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReceivers()
		st := slowStore{memstore.New()}
		s := start(t, single{st}, r)
		defer s.stop()
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		hook := s.hook(webhook.Hook{URL: "https://h.example/"})
		for range 2000 {
			if err := s.hooks.Test(t.Context(), hook); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		if err := s.hooks.Delete(t.Context(), hook); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begun); d > 5*time.Second {
			t.Errorf("the deletion took %v", d)
		}
		time.Sleep(time.Hour)
		if n := count(t, st, "deliveries"); n != 0 {
			t.Errorf("%d events are left", n)
		}
	})
}
