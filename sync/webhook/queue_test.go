package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// startReading starts a server that reads large definitions from the catalog when it sends events. It cannot read them
// while failing is true.
func startReading(t *testing.T, st store.Store, r *receivers, opts webhook.Options, failing *atomic.Bool) *server {
	t.Helper()
	var s *server
	started := make(chan struct{}) // s is set
	opts.Definition = func(ctx context.Context, id string) ([]byte, error) {
		if failing.Load() {
			return nil, errors.New("the store is unavailable")
		}
		<-started
		doc, err := s.catalog.Definition(ctx, id)
		if err != nil {
			return nil, err
		}
		return doc.Bytes(), nil
	}
	s = startWith(t, st, r, opts)
	close(started)
	return s
}

// large returns a definition of about n bytes.
func large(id, v string, n int) *patch.Definition {
	d := definition(id, v)
	d.ExtensionAttributes = []patch.ExtensionAttribute{{Key: "k", Value: strings.Repeat("eHh4", n/4), DisplayName: "x"}}
	return d
}

// bytesOf returns the size of all records of a kind.
func bytesOf(t *testing.T, s store.Store, kind string) (n int) {
	t.Helper()
	for rec, err := range s.List(t.Context(), kind) {
		if err != nil {
			t.Fatal(err)
		}
		n += len(rec.Value)
	}
	return n
}

// The size of the queue of a webhook is bounded, whatever the size of the definitions, also after a restart. Events
// that do not fit are dropped and counted, and the others are delivered when the receiver answers again.
func TestQueueIsBoundedInBytes(t *testing.T) {
	const bound = 12_000
	for name, size := range map[string]int{"small definitions": 4_000, "large definitions": 70_000} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, st store.Store, r *receivers) {
				r.respond("h.example", func(int, string) (int, error) { return 503, nil })
				opts := webhook.Options{MaxQueueBytes: bound}
				s := startReading(t, st, r, opts, &atomic.Bool{})
				s.hook(webhook.Hook{URL: "https://h.example/", SendDefinition: true})
				change := func(from, to int) {
					t.Helper()
					for v := from; v < to; v++ {
						if v == 1 {
							s.create(large("App", "1", size))
						} else {
							s.add("App", fmt.Sprint(v))
						}
						synctest.Wait()
						if n := bytesOf(t, st, "deliveries"); n > bound {
							t.Fatalf("%d bytes are pending after %d changes, want at most %d", n, v, bound)
						}
					}
				}
				change(1, 20)
				s.stop()
				s = startReading(t, st, r, opts, &atomic.Bool{})
				change(20, 70)
				status := s.hooks.List()[0]
				if status.Pending == 0 || status.Dropped == 0 {
					t.Errorf("%d events are pending and %d dropped, want some of both", status.Pending, status.Dropped)
				}
				r.respond("h.example", nil)
				time.Sleep(time.Hour)
				if n := len(r.of("h.example")); n != status.Pending {
					t.Errorf("%d events were delivered, want %d", n, status.Pending)
				}
				if n := bytesOf(t, st, "deliveries"); n != 0 {
					t.Errorf("%d bytes are left in the queue", n)
				}
				for _, e := range r.of("h.example") {
					if e.event.Definition == nil || e.event.Definition.ID != "App" {
						t.Fatalf("an event has no definition: %.200s", e.body)
					}
				}
				// The queue has room again.
				change(70, 71)
				if got := r.of("h.example"); got[len(got)-1].event.Version != "70" {
					t.Errorf("the last event has version %s, want 70", got[len(got)-1].event.Version)
				}
				s.stop()
			})
		})
	}
}

// A small definition is the one after the change, even if the title no longer exists when the event is sent. A large
// definition is read when the event is sent. It is omitted if the title no longer exists, and the event is retried if
// the definition cannot be read.
func TestDefinitionsAreReadWhenSent(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		r.respond("h.example", func(int, string) (int, error) { return 503, nil })
		var failing atomic.Bool
		s := startReading(t, st, r, webhook.Options{}, &failing)
		defer s.stop()
		s.hook(webhook.Hook{URL: "https://h.example/", SendDefinition: true})
		s.create(large("SmallGone", "1", 1000))
		s.create(large("LargeGone", "1", 200_000))
		s.create(large("Large", "1", 200_000))
		s.delete("SmallGone")
		s.delete("LargeGone")
		s.add("Large", "2")
		synctest.Wait()
		failing.Store(true)
		r.respond("h.example", nil)
		time.Sleep(time.Hour)
		for _, e := range r.of("h.example") {
			if strings.HasPrefix(e.event.Title, "Large") && e.event.Event != "title_deleted" {
				t.Errorf("an event was sent without its definition, which could not be read: %.200s", e.body)
			}
		}
		if status := s.hooks.List()[0]; !strings.Contains(status.LastError, "definition") {
			t.Errorf("LastError is %q, want one about the definition", status.LastError)
		}
		failing.Store(false)
		time.Sleep(2 * time.Hour)
		got := map[string]string{}
		for _, e := range r.of("h.example") {
			definition := "none"
			if e.event.Definition != nil {
				definition = e.event.Definition.ID
			}
			got[e.event.Title+" "+e.event.Event] = definition
		}
		want := map[string]string{
			"SmallGone new_title": "SmallGone", "SmallGone title_deleted": "SmallGone",
			"LargeGone new_title": "none", "LargeGone title_deleted": "none",
			"Large new_title": "Large", "Large title_updated": "Large",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("definitions (-want +got):\n%s", diff)
		}
	})
}

// Open returns an error for missing parts and invalid options, and never panics.
func TestOpenErrors(t *testing.T) {
	if _, err := webhook.Open(t.Context(), nil, nil); err == nil {
		t.Error("without a store: no error")
	}
	for name, o := range map[string]webhook.Options{
		"a short key":          {Key: make([]byte, 5)},
		"an empty key":         {Key: []byte{}},
		"a negative lease":     {Lease: -time.Second},
		"a site without host":  {Site: "https://"},
		"a site without https": {Site: "patches.example.com"},
		"an invalid site":      {Site: "https://patches.example.com:port"},
	} {
		if _, err := webhook.Open(t.Context(), memstore.New(), &o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Negative limits mean no limit.
func TestOpenWithoutLimits(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		s := startWith(t, st, r, webhook.Options{MaxQueueBytes: -1, Timeout: -1})
		defer s.stop()
		r.delay["h.example"] = 24 * time.Hour
		s.hook(webhook.Hook{URL: "https://h.example/", SendDefinition: true})
		s.create(large("App", "1", 60_000))
		time.Sleep(25 * time.Hour)
		if got := r.events("h.example"); got != "new_title App 1" {
			t.Errorf("events %q, want new_title App 1", got)
		}
	})
}

// A second call of Run is refused until the first has ended.
func TestSecondRunIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hooks, err := webhook.Open(t.Context(), single{memstore.New()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- hooks.Run(ctx) }()
			synctest.Wait()
			if err := hooks.Run(ctx); !errors.Is(err, webhook.ErrRunning) {
				t.Errorf("second Run: %v, want ErrRunning", err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// Secrets in the URL of a webhook, even of one that is refused, are in no status, error or log line. Events are still
// sent to the whole URL.
func TestSecretsInURLs(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		var log strings.Builder
		s := startReading(t, st, r, webhook.Options{Logger: logTo(&log)}, &atomic.Bool{})
		r.respond("h.example", func(int, string) (int, error) { return 500, nil })
		r.respond("m.example", func(int, string) (int, error) { return 302, nil })
		for _, host := range []string{"h.example", "m.example", "f.example"} {
			s.hook(webhook.Hook{URL: "https://" + host + "/hook?token=hunter22#hunter22"})
		}
		var published []string
		for _, url := range []string{
			"https://user:hunter22@h.example/", "https://user:hunter22@h.example:port/", "user:hunter22@h.example",
			"https://user:hunter22%zz@h.example/", "http://127.0.0.1/?hunter22", "ftp://h.example/?hunter22",
		} {
			_, err := s.hooks.Create(t.Context(), webhook.Hook{URL: url})
			if err == nil {
				t.Errorf("%s: no error", url)
			}
			published = append(published, fmt.Sprint(err))
		}
		s.change("App")
		time.Sleep(50 * time.Hour)
		published = append(published, fmt.Sprintf("%+v", s.hooks.List()))
		s.stop()
		published = append(published, log.String())
		for _, text := range published {
			if strings.Contains(text, "hunter22") {
				t.Errorf("the secret is published: %s", text)
			}
		}
		if got := s.hooks.List()[0].Hook.URL; got != "https://f.example/hook" {
			t.Errorf("the status has the URL %q", got)
		}
		if len(r.of("f.example")) != 3 || !strings.Contains(log.String(), "h.example") {
			t.Errorf("%d events were delivered, want 3; the log is %s", len(r.of("f.example")), log.String())
		}
	})
}
