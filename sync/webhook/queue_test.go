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
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// startReading starts a server whose webhooks read large definitions from the catalog.
func startReading(t *testing.T, st store.Store, r *receivers, opts webhook.Options, failing *atomic.Bool) *server {
	t.Helper()
	s := &server{t: t}
	opts.Transport = r
	opts.Definition = func(ctx context.Context, id string) ([]byte, error) {
		if failing.Load() {
			return nil, errors.New("the store is unavailable")
		}
		doc, err := s.cat.Definition(ctx, id)
		if err != nil {
			return nil, err
		}
		return doc.Bytes(), nil
	}
	var err error
	if s.hooks, err = webhook.Open(t.Context(), st, &opts); err != nil {
		t.Fatal(err)
	}
	if s.cat, err = catalog.Open(t.Context(), st, &catalog.Options{Couriers: []catalog.Courier{s.hooks}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.hooks.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = s.cat.Close()
	}
	return s
}

// large makes a definition of about n bytes.
func large(id, v string, n int) *patch.Definition {
	d := definition(id, v)
	d.ExtensionAttributes = []patch.ExtensionAttribute{{Key: "k", Value: strings.Repeat("eHh4", n/4), DisplayName: "x"}}
	return d
}

// bytesOf returns how many bytes the records of a kind have.
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

// What waits for a webhook that is down is bounded in bytes, whatever the size of the
// definitions, also after a restart; what does not fit is dropped and counted, and what
// waits is delivered when it is up again.
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
						var err error
						if v == 1 {
							_, err = s.cat.Create(t.Context(), large("App", "1", size), nil)
						} else {
							_, err = s.cat.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{version(fmt.Sprint(v))}, nil)
						}
						if err != nil {
							t.Fatal(err)
						}
						synctest.Wait()
						if n := bytesOf(t, st, "deliveries"); n > bound {
							t.Fatalf("%d bytes wait after %d changes, want at most %d", n, v, bound)
						}
					}
				}
				change(1, 20)
				s.stop()
				s = startReading(t, st, r, opts, &atomic.Bool{})
				change(20, 70)
				status := s.hooks.List()[0]
				if status.Pending == 0 || status.Dropped == 0 {
					t.Errorf("%d wait, %d are dropped", status.Pending, status.Dropped)
				}
				r.respond("h.example", nil)
				time.Sleep(time.Hour)
				if n := len(r.of("h.example")); n != status.Pending || bytesOf(t, st, "deliveries") != 0 {
					t.Errorf("%d events were told, %d bytes are left", n, bytesOf(t, st, "deliveries"))
				}
				for _, e := range r.of("h.example") {
					if e.event.Definition == nil || e.event.Definition.ID != "App" {
						t.Fatalf("without its definition: %.200s", e.body)
					}
				}
				// There is room again.
				change(70, 71)
				if got := r.of("h.example"); got[len(got)-1].event.Version != "70" {
					t.Errorf("the last event is about %s", got[len(got)-1].event.Version)
				}
				s.stop()
			})
		})
	}
}

// A small definition is that after the change, also when the title is gone by the time
// the event is sent. A large one is read then, as it is; it is left out if there is none,
// and the event waits if it cannot be read.
func TestDefinitionsAreReadWhenSent(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		down := func(int, string) (int, error) { return 503, nil }
		r.respond("h.example", down)
		var failing atomic.Bool
		s := startReading(t, st, r, webhook.Options{}, &failing)
		defer s.stop()
		s.hook(webhook.Hook{URL: "https://h.example/", SendDefinition: true})
		create := func(d *patch.Definition) {
			t.Helper()
			if _, err := s.cat.Create(t.Context(), d, nil); err != nil {
				t.Fatal(err)
			}
		}
		create(large("SmallGone", "1", 1000))
		create(large("LargeGone", "1", 200_000))
		create(large("Large", "1", 200_000))
		for _, id := range []string{"SmallGone", "LargeGone"} {
			if err := s.cat.Delete(t.Context(), id, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.cat.AddVersions(t.Context(), "Large", patch.Position{}, []patch.Patch{version("2")}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		failing.Store(true)
		r.respond("h.example", nil)
		time.Sleep(time.Hour)
		for _, e := range r.of("h.example") {
			if strings.HasPrefix(e.event.Title, "Large") && e.event.Event != "title_deleted" {
				t.Errorf("told without its definition, which could not be read: %.200s", e.body)
			}
		}
		if status := s.hooks.List()[0]; !strings.Contains(status.LastError, "definition") {
			t.Errorf("%+v", status)
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

func TestOpenNeedsAStore(t *testing.T) {
	if _, err := webhook.Open(t.Context(), nil, nil); err == nil {
		t.Error("no error")
	}
}

// A Service runs once at a time, and again when it has ended.
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
				t.Errorf("a second Run: %v", err)
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// Secrets in the URL of a webhook, also in one that is refused, are in no status, error
// or log line, and the URL is still that which is told.
func TestSecretsOfURLsAreShownNowhere(t *testing.T) {
	bubble(t, func(t *testing.T, st store.Store, r *receivers) {
		var log strings.Builder
		s := startReading(t, st, r, webhook.Options{Logger: logTo(&log)}, &atomic.Bool{})
		r.respond("h.example", func(int, string) (int, error) { return 500, nil })
		r.respond("m.example", func(int, string) (int, error) { return 302, nil })
		for _, host := range []string{"h.example", "m.example", "f.example"} {
			s.hook(webhook.Hook{URL: "https://" + host + "/hook?token=hunter22#hunter22"})
		}
		var told []string
		for _, url := range []string{
			"https://user:hunter22@h.example/", "https://user:hunter22@h.example:port/", "user:hunter22@h.example",
			"https://user:hunter22%zz@h.example/", "http://127.0.0.1/?hunter22", "ftp://h.example/?hunter22",
		} {
			_, err := s.hooks.Create(t.Context(), webhook.Hook{URL: url})
			if err == nil {
				t.Errorf("%s: no error", url)
			}
			told = append(told, fmt.Sprint(err))
		}
		s.change("App")
		time.Sleep(50 * time.Hour)
		told = append(told, fmt.Sprintf("%+v", s.hooks.List()))
		s.stop()
		told = append(told, log.String())
		for _, text := range told {
			if strings.Contains(text, "hunter22") {
				t.Errorf("the secret is told: %s", text)
			}
		}
		if got := s.hooks.List()[0].Hook.URL; got != "https://f.example/hook" {
			t.Errorf("%q is shown", got)
		}
		if len(r.of("f.example")) != 3 || !strings.Contains(log.String(), "h.example") {
			t.Errorf("%d events were told, the log is %s", len(r.of("f.example")), log.String())
		}
	})
}
