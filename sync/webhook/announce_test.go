package webhook_test

import (
	"context"
	"encoding/json"
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

// announcement returns an event about the title App.
func announcement(id string, kind catalog.EventKind) webhook.Announcement {
	return webhook.Announcement{
		ID: id, Kind: kind, Title: "App", Name: "App App", Version: "2", Message: "The feed answered 404.",
		At: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
	}
}

// Only webhooks that name an announcement's kind receive it. A webhook that names no events receives those of the
// catalog alone.
func TestAnnounce(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		s.hook(webhook.Hook{URL: "https://all.example/", SendDefinition: true})
		s.hook(webhook.Hook{URL: "https://watch.example/", Events: []catalog.EventKind{
			webhook.WatchFailed, webhook.VersionProposed,
		}})
		s.hook(webhook.Hook{
			URL: "https://other.example/", Events: []catalog.EventKind{webhook.WatchFailed}, Titles: []string{"Other"},
		})
		for i, kind := range []catalog.EventKind{webhook.WatchFailed, webhook.WatchRecovered, webhook.VersionProposed} {
			a := announcement("event-"+string(kind), kind)
			a.At = a.At.Add(time.Duration(i) * time.Second)
			if err := s.hooks.Announce(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
		s.change("App")
		synctest.Wait()
		const want = "watch_failed App 2, version_proposed App 2"
		if got := r.events("watch.example"); got != want {
			t.Errorf("the webhook that names the events got %q, want %q", got, want)
		}
		if got := r.events("all.example"); got != allChanges {
			t.Errorf("the webhook that names no events got %q, want %q", got, allChanges)
		}
		if got := r.events("other.example"); got != "" {
			t.Errorf("the webhook of another title got %q", got)
		}
		first := r.of("watch.example")[0]
		if first.event.ID != "event-watch_failed" || first.get("webhook-id") != "event-watch_failed" {
			t.Errorf("the event has the id %q, and the header %q", first.event.ID, first.get("webhook-id"))
		}
		var body map[string]any
		if err := json.Unmarshal(first.body, &body); err != nil {
			t.Fatal(err)
		}
		if body["message"] != "The feed answered 404." || body["name"] != "App App" || body["changes"] == nil {
			t.Errorf("the body is %s", first.body)
		}
	})
}

// An announcement is durable when Announce returns, and is queued once although it is repeated.
func TestAnnounceIsDurableAndIdempotent(t *testing.T) {
	ctx := t.Context()
	st := &picky{Store: single{memstore.New()}}
	hooks, err := webhook.Open(ctx, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	hook := webhook.Hook{
		URL: "https://h.example/", Enabled: true, Events: []catalog.EventKind{webhook.WatchFailed},
	}
	if _, err := hooks.Create(ctx, hook); err != nil {
		t.Fatal(err)
	}
	a := announcement("one", webhook.WatchFailed)
	st.left = 1
	if err := hooks.Announce(ctx, a); !errors.Is(err, catalog.ErrUnavailable) {
		t.Errorf("while the store fails, Announce returned %v", err)
	}
	for range 3 {
		if err := hooks.Announce(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	again, err := webhook.Open(ctx, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Announce(ctx, a); err != nil {
		t.Fatal(err)
	}
	if n := count(t, st, "deliveries"); n != 1 || again.Pending() != 1 {
		t.Errorf("%d records and %d pending events, want 1 each", n, again.Pending())
	}
}

// Announcements about a title do not delay the events of the catalog, nor change the keys of their records.
func TestAnnouncementsHaveAChainOfTheirOwn(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := start(t, st, r)
		defer s.stop()
		s.hook(webhook.Hook{URL: "https://h.example/", Events: []catalog.EventKind{
			webhook.WatchFailed, catalog.Created, catalog.Updated, catalog.Deleted,
		}})
		r.respond("h.example", func(_ int, body string) (int, error) {
			if strings.Contains(body, "watch_failed") {
				return 500, nil
			}
			return 200, nil
		})
		if err := s.hooks.Announce(t.Context(), announcement("one", webhook.WatchFailed)); err != nil {
			t.Fatal(err)
		}
		s.change("App")
		time.Sleep(time.Hour) // of the bubble's clock
		if got := r.events("h.example"); got != allChanges {
			t.Errorf("got %q, want %q", got, allChanges)
		}
		for rec, err := range st.List(context.Background(), "deliveries") {
			if err != nil || !strings.HasSuffix(rec.Key.ID, "-one") {
				t.Errorf("%v is pending, %v", rec.Key, err)
			}
		}
	})
}

// An announcement without an id, a title, a time or a known kind is refused.
func TestAnnounceInvalid(t *testing.T) {
	hooks, err := webhook.Open(t.Context(), single{memstore.New()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*webhook.Announcement){
		"no id":       func(a *webhook.Announcement) { a.ID = "" },
		"a space":     func(a *webhook.Announcement) { a.ID = "a b" },
		"a slash":     func(a *webhook.Announcement) { a.ID = "a/b" },
		"a long id":   func(a *webhook.Announcement) { a.ID = strings.Repeat("a", 129) },
		"no title":    func(a *webhook.Announcement) { a.Title = "" },
		"no time":     func(a *webhook.Announcement) { a.At = time.Time{} },
		"no kind":     func(a *webhook.Announcement) { a.Kind = "" },
		"the catalog": func(a *webhook.Announcement) { a.Kind = catalog.Updated },
	} {
		a := announcement("one", webhook.WatchFailed)
		change(&a)
		if err := hooks.Announce(t.Context(), a); !errors.Is(err, webhook.ErrAnnouncement) {
			t.Errorf("%s: got %v, want ErrAnnouncement", name, err)
		}
	}
}
