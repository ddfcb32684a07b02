package webhook_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// TestEvents checks that each webhook receives the events that it subscribes to, in its format.
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
		for host, want := range map[string]string{
			"plain.example":   allChanges,
			"full.example":    allChanges,
			"deleted.example": "title_deleted App 2",
			"other.example":   "",
			"off.example":     "",
		} {
			if got := r.events(host); got != want {
				t.Errorf("%s: events %q, want %q", host, got, want)
			}
		}
		for i, e := range r.of("plain.example") {
			checkPlain(t, e, i == 1)
		}
		for _, e := range r.of("full.example") {
			if e.event.Definition == nil || e.event.Definition.ID != "App" {
				t.Errorf("an event has no definition: %s", e.body)
			}
			if e.get("webhook-signature") == "" || e.get("webhook-timestamp") == "" {
				t.Errorf("an event is not signed: %v", e.header)
			}
		}
		checkText(t, r.of("slack.example")[1], "App App was updated; its current version is 2", "•")
		checkText(t, r.of("teams.example")[0], "App App is new, with version 1", "AdaptiveCard")
		if n := count(t, st, "deliveries") + count(t, st, "titles"); n != 0 {
			t.Errorf("%d deliveries and titles are left, want none", n)
		}
	})
}

// checkPlain checks an event in the JSON format without definition and signature. updated is whether it
// must have changes.
func checkPlain(t *testing.T, e received, updated bool) {
	t.Helper()
	if e.event.URL != "https://patches.example.com/jamf/v1/patch/App" || e.event.Timestamp == 0 ||
		e.event.Definition != nil || (len(e.event.Changes) > 0) != updated {
		t.Errorf("event %s", e.body)
	}
	if e.event.ID != e.get("webhook-id") || e.get("webhook-signature") != "" {
		t.Errorf("event %s has the header %v", e.event.ID, e.header)
	}
}

// checkText checks that a human-readable message contains the given texts, and no definition.
func checkText(t *testing.T, e received, texts ...string) {
	t.Helper()
	body := string(e.body)
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("a message lacks %q: %s", text, body)
		}
	}
	if strings.Contains(body, "patch_definition") {
		t.Errorf("a message contains a definition: %s", body)
	}
}

// TestQueueSurvivesARestart checks that pending events survive a restart and are then delivered in order.
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
			status.NextAttempt.Before(time.Now()) {
			t.Errorf("status %+v", status)
		}
		if !status.Signed || status.Hook.Secret != "" {
			t.Errorf("signed is %v, the secret is %q; want true and a hidden secret", status.Signed, status.Hook.Secret)
		}
		s.stop()
		r.respond("h.example", nil)
		s = start(t, st, r)
		defer s.stop()
		time.Sleep(time.Second)
		if got := r.events("h.example"); got != allChanges+", "+allChanges {
			t.Errorf("events %s", got)
		}
		if r.of("h.example")[0].get("webhook-signature") == "" || s.hooks.List()[0].Hook.ID != id {
			t.Error("the webhook has changed its id or its secret after the restart")
		}
		if n := s.hooks.Pending(); n != 0 {
			t.Errorf("%d events are pending, want none", n)
		}
	})
}

// TestDelete checks that a deleted webhook receives nothing, and that its pending events are removed.
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
		if after, _ := r.tried("h.example"); after != before {
			t.Errorf("%d attempts after the webhook was deleted", after-before)
		}
		if n := count(t, st, "deliveries") + s.hooks.Pending() + len(s.hooks.List()); n != 0 {
			t.Errorf("%d records, pending events and webhooks are left, want none", n)
		}
		for _, err := range []error{s.hooks.Delete(t.Context(), id), s.hooks.Test(t.Context(), id)} {
			if !errors.Is(err, webhook.ErrNotFound) {
				t.Errorf("Delete or Test of a deleted webhook: %v, want ErrNotFound", err)
			}
		}
		// Without a webhook, no event is queued.
		s.change("App")
		if count(t, st, "deliveries") != 0 {
			t.Error("an event was queued without a webhook")
		}
	})
}

// TestTest checks that a test event is delivered even to a webhook that is not enabled.
func TestTest(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		id, err := s.hooks.Create(t.Context(), webhook.Hook{URL: "https://h.example/"})
		if err == nil {
			err = s.hooks.Test(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.events("h.example"); got != "test Test 1.0" {
			t.Errorf("events %q, want test Test 1.0", got)
		}
	})
}

// TestCreateRefuses checks that Create rejects invalid webhooks and names the invalid member.
func TestCreateRefuses(t *testing.T) {
	hooks, err := webhook.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field string
		hook  webhook.Hook
	}{
		{"url", webhook.Hook{URL: "nope"}},
		{"url", webhook.Hook{URL: "http://127.0.0.1/"}},
		{"url", webhook.Hook{URL: "ftp://example.com/"}},
		{"url", webhook.Hook{URL: "https://u:p@example.com/"}},
		{"format", webhook.Hook{URL: "https://example.com", Format: "xml"}},
		{"events/1", webhook.Hook{URL: "https://example.com", Events: []catalog.EventKind{catalog.Created, "x"}}},
		{"secret", webhook.Hook{URL: "https://example.com", Secret: "there is no key"}},
	} {
		_, err := hooks.Create(t.Context(), c.hook)
		var invalid *webhook.InvalidError
		if !errors.Is(err, webhook.ErrInvalid) || !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("%+v: %v, want an InvalidError for the field %s", c.hook, err, c.field)
		}
	}
	if n := len(hooks.List()); n != 0 {
		t.Errorf("%d webhooks were created, want none", n)
	}
}

// TestSecretIsEncrypted checks that a secret is encrypted in the store, and that the webhook cannot be used with
// another key.
func TestSecretIsEncrypted(t *testing.T) {
	st := memstore.New()
	open := func(key byte) *webhook.Service {
		s, err := webhook.Open(t.Context(), st, &webhook.Options{Key: bytes.Repeat([]byte{key}, 32)})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	hook := webhook.Hook{URL: "https://example.com", Enabled: true, Secret: "hunter22"}
	if _, err := open(1).Create(t.Context(), hook); err != nil {
		t.Fatal(err)
	}
	for rec := range st.List(t.Context(), "webhooks") {
		if bytes.Contains(rec.Value, []byte("hunter22")) {
			t.Errorf("a record contains the secret: %s", rec.Value)
		}
	}
	if all := open(1).List(); len(all) != 1 || !all[0].Signed || all[0].Hook.Secret != "" {
		t.Errorf("with the same key: %+v", all)
	}
	if all := open(2).List(); len(all) != 1 || !strings.Contains(all[0].LastError, "secret") {
		t.Errorf("with another key: %+v", all)
	}
}

// TestAnotherKey checks that no event is sent and none is lost while the key is wrong, and that all events are
// delivered and signed once the right key is back.
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
		s = startWith(t, st, r, webhook.Options{Key: bytes.Repeat([]byte{9}, 32)})
		s.change("App")
		time.Sleep(time.Hour)
		if after, _ := r.tried("h.example"); after != before || s.hooks.Pending() != 6 {
			t.Errorf("%d attempts with another key, %d events pending, want 0 and 6", after-before, s.hooks.Pending())
		}
		s.stop()
		s = start(t, st, r)
		defer s.stop()
		time.Sleep(time.Hour)
		if got := r.events("h.example"); got != allChanges+", "+allChanges {
			t.Errorf("events %s", got)
		}
		if r.of("h.example")[0].get("webhook-signature") == "" {
			t.Error("an event is not signed")
		}
	})
}

// TestWebhookOfANewerVersion checks that Open fails if a newer version wrote a webhook, so that the webhook is neither
// ignored nor overwritten.
func TestWebhookOfANewerVersion(t *testing.T) {
	st := memstore.New()
	key := store.Key{Kind: "webhooks", ID: "7QJX2M5DKZB4"}
	if _, err := st.Put(t.Context(), key, []byte(`{"format":99}`), store.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	if _, err := webhook.Open(t.Context(), st, nil); !errors.Is(err, store.ErrFormat) ||
		!strings.Contains(err.Error(), "99") {
		t.Errorf("Open: %v, want store.ErrFormat", err)
	}
}
