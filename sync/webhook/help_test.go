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

// version returns a version of a title.
func version(v string) patch.Patch {
	return patch.Patch{Version: v, ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9"}
}

// definition returns a definition with one version.
func definition(id, v string) *patch.Definition {
	return &patch.Definition{ID: id, Name: id + " App", Publisher: "P", Patches: []patch.Patch{version(v)},
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: id, Type: "recon", And: new(true)},
		}}
}

// A received event is one that a receiver accepted.
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

// get returns a header by its exact name, which need not be canonical.
func (r received) get(name string) string {
	if v := r.header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// receivers are the receivers of events on all hosts, as a transport without a network. The maps are by host.
type receivers struct {
	mu      sync.Mutex
	got     map[string][]received
	answer  map[string]func(n int, body string) (status int, err error) // to the n-th attempt; nil: 200
	tries   map[string]int
	active  map[string]int // attempts in progress
	maximum map[string]int // of active
	delay   map[string]time.Duration
}

func newReceivers() *receivers {
	return &receivers{
		got:     map[string][]received{},
		answer:  map[string]func(int, string) (int, error){},
		tries:   map[string]int{},
		active:  map[string]int{},
		maximum: map[string]int{},
		delay:   map[string]time.Duration{},
	}
}

// RoundTrip implements [http.RoundTripper].
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
	r.maximum[host] = max(r.maximum[host], r.active[host])
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

// of returns the events that a host accepted, in order.
func (r *receivers) of(host string) []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[host])
}

// tried returns the number of attempts to a host, and the maximum of those in progress at once.
func (r *receivers) tried(host string) (n, maximum int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[host], r.maximum[host]
}

// respond sets how a host answers from now on; see receivers.answer.
func (r *receivers) respond(host string, f func(n int, body string) (int, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer[host] = f
}

// slow makes a host take some time for each answer from now on.
func (r *receivers) slow(host string, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay[host] = delay
}

// events describes the events that a host accepted, in order.
func (r *receivers) events(host string) string {
	var all []string
	for _, e := range r.of(host) {
		all = append(all, fmt.Sprintf("%s %s %s", e.event.Event, e.event.Title, e.event.Version))
	}
	return strings.Join(all, ", ")
}

// single hides that a store is a [store.Watcher], so that its server is the only one.
type single struct{ store.Store }

// A server is the webhooks and the catalog of one process.
type server struct {
	t       *testing.T
	hooks   *webhook.Service
	catalog *catalog.Catalog
	stop    func()
}

// start starts a server whose receivers are r.
func start(t *testing.T, s store.Store, r *receivers) *server {
	t.Helper()
	return startWith(t, s, r, webhook.Options{Key: make([]byte, 32), Site: "https://patches.example.com/"})
}

// startWith starts a server with some options.
func startWith(t *testing.T, st store.Store, r *receivers, opts webhook.Options) *server {
	t.Helper()
	s := &server{t: t}
	opts.Transport = r
	var err error
	if s.hooks, err = webhook.Open(t.Context(), st, &opts); err != nil {
		t.Fatal(err)
	}
	s.catalog, err = catalog.Open(t.Context(), st, &catalog.Options{Couriers: []catalog.Courier{s.hooks}})
	if err != nil {
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
		_ = s.catalog.Close()
	}
	return s
}

// create creates a title with one version.
func (s *server) create(d *patch.Definition) {
	s.t.Helper()
	if _, err := s.catalog.Create(s.t.Context(), d, nil); err != nil {
		s.t.Fatal(err)
	}
}

// add adds a version to a title.
func (s *server) add(id, v string) {
	s.t.Helper()
	_, err := s.catalog.AddVersions(s.t.Context(), id, patch.Position{}, []patch.Patch{version(v)}, nil)
	if err != nil {
		s.t.Error(err)
	}
}

// delete deletes a title.
func (s *server) delete(id string) {
	s.t.Helper()
	if err := s.catalog.Delete(s.t.Context(), id, nil); err != nil {
		s.t.Error(err)
	}
}

// change creates, updates and deletes a title.
func (s *server) change(id string) {
	s.t.Helper()
	s.create(definition(id, "1"))
	s.add(id, "2")
	s.delete(id)
}

// allChanges is what change causes for the title App; see receivers.events.
const allChanges = "new_title App 1, title_updated App 2, title_deleted App 2"

// hook creates an enabled webhook.
func (s *server) hook(h webhook.Hook) string {
	s.t.Helper()
	h.Enabled = true
	id, err := s.hooks.Create(s.t.Context(), h)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// bubble runs f in a bubble of synctest, with a store and receivers.
func bubble(t *testing.T, f func(t *testing.T, st store.Store, r *receivers)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, single{memstore.New()}, newReceivers()) })
}

// count returns the number of records of a kind.
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

// logTo returns a logger that writes to w.
func logTo(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// definitionOf returns an Options.Definition that reads the catalog of the server that s points to then.
func definitionOf(s **server) func(ctx context.Context, id string) ([]byte, error) {
	return func(ctx context.Context, id string) ([]byte, error) {
		content, err := (*s).catalog.Definition(ctx, id)
		if err != nil {
			return nil, err
		}
		return content.Bytes(), nil
	}
}
