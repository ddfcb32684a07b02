package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
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

func version(v string) patch.Patch {
	return patch.Patch{Version: v, ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9"}
}

func definition(id, v string) *patch.Definition {
	return &patch.Definition{ID: id, Name: id + " App", Publisher: "P", Patches: []patch.Patch{version(v)},
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: id, Type: "recon", And: new(true)},
		}}
}

// A received event.
type received struct {
	at     time.Time
	header http.Header
	body   []byte
	event  struct {
		ID, Event, Version, URL string
		Title                   string `json:"software_title"`
		Timestamp               int64
		Changes                 []string
		Definition              *struct{ ID string } `json:"patch_definition"`
	}
}

// get returns a header by the name that it was given.
func (r received) get(name string) string {
	if v := r.header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// receivers are everybody who is told, by host.
type receivers struct {
	mu     sync.Mutex
	got    map[string][]received
	answer map[string]func(n int, body string) (status int, err error) // to the n-th attempt; nil: 200
	tries  map[string]int
	active map[string]int
	most   map[string]int
	delay  map[string]time.Duration
}

func newReceivers() *receivers {
	return &receivers{
		got:    map[string][]received{},
		answer: map[string]func(int, string) (int, error){},
		tries:  map[string]int{},
		active: map[string]int{},
		most:   map[string]int{},
		delay:  map[string]time.Duration{},
	}
}

// RoundTrip implements http.RoundTripper.
func (r *receivers) RoundTrip(q *http.Request) (*http.Response, error) {
	host := q.URL.Host
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries[host]++
	r.active[host]++
	r.most[host] = max(r.most[host], r.active[host])
	defer func() { r.active[host]-- }()
	if d := r.delay[host]; d > 0 {
		r.mu.Unlock()
		select {
		case <-time.After(d):
		case <-q.Context().Done():
		}
		r.mu.Lock()
		if q.Context().Err() != nil {
			return nil, q.Context().Err()
		}
	}
	status := 200
	if f := r.answer[host]; f != nil {
		if status, err = f(r.tries[host], string(body)); err != nil {
			return nil, err
		}
	}
	if status < 300 {
		one := received{at: time.Now(), header: q.Header, body: body}
		_ = json.Unmarshal(body, &one.event)
		r.got[host] = append(r.got[host], one)
	}
	return &http.Response{
		StatusCode: status,
		Header:     http.Header{"Location": {"https://elsewhere.example/"}},
		Body:       io.NopCloser(bytes.NewReader(make([]byte, 1<<20))),
		Request:    q,
	}, nil
}

func (r *receivers) of(host string) []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[host])
}

// tried returns how often a host was tried, and by how many at once.
func (r *receivers) tried(host string) (n, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[host], r.most[host]
}

// respond has a host answer in another way from now on.
func (r *receivers) respond(host string, f func(n int, body string) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer[host] = f
}

// events says what a host was told, in order.
func (r *receivers) events(host string) string {
	var all []string
	for _, e := range r.of(host) {
		all = append(all, fmt.Sprintf("%s %s %s", e.event.Event, e.event.Title, e.event.Version))
	}
	return strings.Join(all, ", ")
}

// single hides that the store tells of changes: there is one server.
type single struct{ store.Store }

// A server is what one process has.
type server struct {
	t     *testing.T
	hooks *webhook.Service
	cat   *catalog.Catalog
	stop  func()
}

func start(t *testing.T, s store.Store, r *receivers) *server {
	t.Helper()
	return startWith(t, s, r, make([]byte, 32))
}

func startWith(t *testing.T, s store.Store, r *receivers, key []byte) *server {
	t.Helper()
	hooks, err := webhook.Open(
		t.Context(),
		s,
		&webhook.Options{Key: key, Site: "https://patches.example.com/", Transport: r},
	)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(t.Context(), s, &catalog.Options{Couriers: []catalog.Courier{hooks}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- hooks.Run(ctx) }()
	return &server{t, hooks, cat, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = cat.Close()
	}}
}

func (s *server) hook(h webhook.Hook) string {
	s.t.Helper()
	h.Enabled = true
	id, err := s.hooks.Create(s.t.Context(), h)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// change creates, updates and deletes a title.
func (s *server) change(id string) {
	s.t.Helper()
	_, err := s.cat.Create(s.t.Context(), definition(id, "1"), nil)
	if err == nil {
		_, err = s.cat.AddVersions(s.t.Context(), id, patch.Position{}, []patch.Patch{version("2")}, nil)
	}
	if err == nil {
		err = s.cat.Delete(s.t.Context(), id, nil)
	}
	if err != nil {
		s.t.Error(err)
	}
}

func bubble(t *testing.T, f func(t *testing.T, st store.Store, r *receivers)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, single{memstore.New()}, newReceivers()) })
}

func count(t *testing.T, s store.Store, kind string) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), kind) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// logTo returns a logger that writes to w, one line at a time.
func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
