package webhook_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

func TestEvents(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		s.hook(webhook.Hook{URL: "https://plain.example/h"})
		s.hook(webhook.Hook{URL: "https://full.example/h", SendDefinition: true, Secret: "shh"})
		s.hook(webhook.Hook{URL: "https://deleted.example/h", Events: []catalog.EventKind{catalog.Deleted}})
		s.hook(webhook.Hook{URL: "https://other.example/h", Titles: []string{"Other"}})
		s.hook(webhook.Hook{URL: "https://slack.example/h", Format: webhook.Slack, SendDefinition: true})
		s.hook(webhook.Hook{URL: "https://teams.example/h", Format: webhook.Teams})
		if _, err := s.hooks.Create(t.Context(), webhook.Hook{URL: "https://off.example/h"}); err != nil {
			t.Fatal(err)
		}
		s.change("App")
		synctest.Wait()
		const all = "new_title App 1, title_updated App 2, title_deleted App 2"
		for host, want := range map[string]string{"plain.example": all, "full.example": all, "deleted.example": "title_deleted App 2", "other.example": "", "off.example": ""} {
			if got := r.events(host); got != want {
				t.Errorf("%s: %s", host, got)
			}
		}
		for i, e := range r.of("plain.example") {
			if e.event.URL != "https://patches.example.com/jamf/v1/patch/App" || e.event.Timestamp == 0 ||
				e.event.Definition != nil ||
				(len(e.event.Changes) > 0) != (i == 1) ||
				e.event.ID != e.get("webhook-id") ||
				e.get("webhook-signature") != "" {
				t.Errorf("%s %v", e.body, e.header)
			}
		}
		for _, e := range r.of("full.example") {
			if e.event.Definition == nil || e.event.Definition.ID != "App" || e.get("webhook-signature") == "" ||
				e.get("webhook-timestamp") == "" {
				t.Errorf("%s %v", e.body, e.header)
			}
		}
		if got := string(r.of("slack.example")[1].body); !strings.Contains(
			got,
			"App App was updated; its current version is 2",
		) ||
			!strings.Contains(got, "•") ||
			strings.Contains(got, "patch_definition") {
			t.Errorf("%s", got)
		}
		if got := string(r.of("teams.example")[0].body); !strings.Contains(got, "AdaptiveCard") ||
			!strings.Contains(got, "App App is new, with version 1") {
			t.Errorf("%s", got)
		}
		if count(t, st, "deliveries") != 0 || count(t, st, "titles") != 0 {
			t.Errorf("%d deliveries and %d titles are left", count(t, st, "deliveries"), count(t, st, "titles"))
		}
	})
}

// What no receiver has taken is there after a restart, and told then, in order.
func TestQueueSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.answer["h.example"] = func(int, string) (int, error) { return 0, errors.New("connection refused") }
		s := start(t, st, r)
		id := s.hook(webhook.Hook{URL: "https://h.example/", Secret: "shh"})
		s.change("App")
		s.change("App")
		time.Sleep(time.Minute)
		status := s.hooks.List()[0]
		if status.Pending != 6 || status.Failures < 3 || !strings.Contains(status.LastError, "refused") ||
			status.NextAttempt.Before(time.Now()) ||
			!status.Signed ||
			status.Hook.Secret != "" {
			t.Errorf("%+v", status)
		}
		s.stop()
		r.respond("h.example", nil)
		s = start(t, st, r)
		defer s.stop()
		time.Sleep(time.Second)
		const once = "new_title App 1, title_updated App 2, title_deleted App 2"
		if got := r.events("h.example"); got != once+", "+once {
			t.Errorf("%s", got)
		}
		if r.of("h.example")[0].get("webhook-signature") == "" || s.hooks.Pending() != 0 ||
			s.hooks.List()[0].Hook.ID != id {
			t.Error("it is another webhook after the restart")
		}
	})
}

// A receiver that fails is tried ever more seldom, by one at a time, for a day; and
// what is poison for it holds nothing else up.
func TestFailingReceivers(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		r.answer["dead.example"] = func(int, string) (int, error) { return 500, nil }
		r.answer["moved.example"] = func(int, string) (int, error) { return 301, nil }
		dead := s.hook(webhook.Hook{URL: "https://dead.example/"})
		s.hook(webhook.Hook{URL: "https://moved.example/"})
		s.hook(webhook.Hook{URL: "https://fine.example/"})
		for i := range 100 {
			if _, err := s.cat.Create(t.Context(), definition(fmt.Sprint("T", i), "1"), nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(r.of("fine.example")); n != 100 {
			t.Errorf("the one that answers was told %d events at once", n)
		}
		time.Sleep(12 * time.Hour)
		if n, most := r.tried("dead.example"); n < 100 || n > 250 || most > 4 {
			t.Errorf("the dead one was tried %d times in 12 hours, by %d at once", n, most)
		}
		for _, status := range s.hooks.List() {
			if status.Hook.URL == "https://moved.example/" && !strings.Contains(status.LastError, "redirects") {
				t.Errorf("%+v", status)
			}
		}
		time.Sleep(48 * time.Hour)
		for _, status := range s.hooks.List() {
			if status.Hook.ID == dead && (status.Pending != 0 || status.Dropped != 100 || status.Status != 500) {
				t.Errorf("after a day: %+v", status)
			}
		}
		if n := count(t, st, "deliveries"); n != 0 {
			t.Errorf("%d deliveries are left", n)
		}
	})
}

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
		for i := range 50 {
			id := fmt.Sprint("T", i)
			if i == 0 {
				id = "Poison"
			}
			if _, err := s.cat.Create(t.Context(), definition(id, "1"), nil); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		if n := len(r.of("h.example")); n != 49 || s.hooks.Pending() != 1 {
			t.Errorf("%d events were told, %d wait", n, s.hooks.Pending())
		}
	})
}

// A webhook that is deleted is told nothing more, and leaves nothing.
func TestDelete(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		r.answer["h.example"] = func(int, string) (int, error) { return 503, nil }
		id := s.hook(webhook.Hook{URL: "https://h.example/"})
		s.change("App")
		synctest.Wait()
		if err := s.hooks.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		before, _ := r.tried("h.example")
		time.Sleep(time.Hour)
		if after, _ := r.tried("h.example"); after != before || count(t, st, "deliveries") != 0 ||
			s.hooks.Pending() != 0 ||
			len(s.hooks.List()) != 0 {
			t.Errorf(
				"%d tries more, %d deliveries, %d pending",
				after-before,
				count(t, st, "deliveries"),
				s.hooks.Pending(),
			)
		}
		for _, err := range []error{s.hooks.Delete(t.Context(), id), s.hooks.Test(t.Context(), id)} {
			if !errors.Is(err, webhook.ErrNotFound) {
				t.Errorf("%v", err)
			}
		}
		// Without a webhook, nothing is written for one.
		s.change("App")
		if count(t, st, "deliveries") != 0 {
			t.Error("an event is kept for nobody")
		}
	})
}

func TestTest(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		id, err := s.hooks.Create(t.Context(), webhook.Hook{URL: "https://h.example/"}) // not enabled
		if err == nil {
			err = s.hooks.Test(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.events("h.example"); got != "test Test 1.0" {
			t.Errorf("%q", got)
		}
	})
}

func TestCreateRefuses(t *testing.T) {
	open, err := webhook.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]webhook.Hook{
		"url":      {URL: "nope"},
		"url ":     {URL: "http://127.0.0.1/"},
		"url  ":    {URL: "ftp://example.com/"},
		"url   ":   {URL: "https://u:p@example.com/"},
		"format":   {URL: "https://example.com", Format: "xml"},
		"events/1": {URL: "https://example.com", Events: []catalog.EventKind{catalog.Created, "x"}},
		"secret":   {URL: "https://example.com", Secret: "there is no key"},
	} {
		_, err := open.Create(t.Context(), h)
		var invalid *webhook.InvalidError
		if !errors.Is(err, webhook.ErrInvalid) || !errors.As(err, &invalid) ||
			invalid.Field != strings.TrimSpace(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(open.List()); n != 0 {
		t.Errorf("%d webhooks", n)
	}
}

// A secret is in the store under the server's key alone; with another key, the webhook
// is told nothing rather than unsigned.
func TestSecretIsSealed(t *testing.T) {
	st := memstore.New()
	open := func(key byte) *webhook.Service {
		s, err := webhook.Open(t.Context(), st, &webhook.Options{Key: bytes.Repeat([]byte{key}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if _, err := open(1).Create(t.Context(), webhook.Hook{URL: "https://example.com", Enabled: true, Secret: "hunter22"}); err != nil {
		t.Fatal(err)
	}
	for rec := range st.List(t.Context(), "webhooks") {
		if bytes.Contains(rec.Value, []byte("hunter22")) {
			t.Errorf("%s", rec.Value)
		}
	}
	if all := open(1).List(); len(all) != 1 || !all[0].Signed || all[0].Hook.Secret != "" {
		t.Errorf("%+v", all)
	}
	if all := open(2).List(); len(all) != 1 || !strings.Contains(all[0].LastError, "secret") {
		t.Errorf("%+v", all)
	}
}

// With another key, nothing is sent and nothing is lost; with the right one again, all
// is told, and signed.
func TestAnotherKey(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		s := start(t, st, r)
		s.hook(webhook.Hook{URL: "https://h.example/", Secret: "shh"})
		s.change("App")
		synctest.Wait()
		s.stop()
		r.respond("h.example", nil)
		before, _ := r.tried("h.example")
		s = startWith(t, st, r, bytes.Repeat([]byte{9}, 32))
		s.change("App")
		time.Sleep(time.Hour)
		if after, _ := r.tried("h.example"); after != before || s.hooks.Pending() != 6 {
			t.Errorf("%d attempts with another key, %d wait", after-before, s.hooks.Pending())
		}
		s.stop()
		s = start(t, st, r)
		defer s.stop()
		time.Sleep(time.Hour)
		const once = "new_title App 1, title_updated App 2, title_deleted App 2"
		if got := r.events("h.example"); got != once+", "+once || r.of("h.example")[0].get("webhook-signature") == "" {
			t.Errorf("%s", got)
		}
	})
}

// Slow, dead and flapping receivers, and 1,000 changes: nobody who changes a title
// waits for them, each event comes, in order per title.
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
				if _, err := s.cat.Create(t.Context(), definition(id, "1"), nil); err != nil {
					t.Error(err)
				}
				for v := 2; v <= 100; v++ {
					if _, err := s.cat.AddVersions(t.Context(), id, patch.Position{}, []patch.Patch{version(fmt.Sprint(v))}, nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		if d := time.Since(began); d != 0 { // in this bubble, time passes only for who waits
			t.Errorf("the changes waited %v for the receivers", d)
		}
		synctest.Wait()
		if n := len(r.of("fine.example")); n != 1000 {
			t.Errorf("the one that answers was told %d events at once", n)
		}
		time.Sleep(20 * time.Hour)
		for _, host := range []string{"slow.example", "flaps.example", "fine.example"} {
			last, ids, repeats := map[string]int{}, map[string]bool{}, 0
			for _, e := range r.of(host) {
				if ids[e.event.ID] {
					repeats++
				}
				ids[e.event.ID] = true
				var v int
				_, _ = fmt.Sscan(e.event.Version, &v)
				if v <= last[e.event.Title] {
					t.Errorf("%s: %s %d after %d", host, e.event.Title, v, last[e.event.Title])
				}
				last[e.event.Title] = v
			}
			if len(ids) != 1000 || repeats != 0 {
				t.Errorf("%s was told %d events, and %d again", host, len(ids), repeats)
			}
		}
		for _, status := range s.hooks.List() {
			if bad := strings.Contains(status.Hook.URL, "dead") || strings.Contains(status.Hook.URL, "hangs"); bad != (status.Pending == 1000) ||
				bad != (status.Failures > 0) {
				t.Errorf("%+v", status)
			}
		}
	})
}

// A webhook that a newer version wrote is not left out, and not written over.
func TestWebhookOfANewerVersion(t *testing.T) {
	st := memstore.New()
	key := store.Key{Kind: "webhooks", ID: "7QJX2M5DKZB4"}
	if _, err := st.Put(t.Context(), key, []byte(`{"format":99}`), store.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	if _, err := webhook.Open(t.Context(), st, nil); !errors.Is(err, store.ErrFormat) ||
		!strings.Contains(err.Error(), "99") {
		t.Errorf("%v, want store.ErrFormat", err)
	}
}
