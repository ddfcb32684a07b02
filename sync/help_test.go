package patchsync_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// definition returns a definition with the given versions, the newest first.
func definition(id string, versions ...string) *patch.Definition {
	d := &patch.Definition{ID: id, Name: id, Publisher: "P", LastModified: "2018-02-02T17:39:58Z",
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: id, Type: "recon", And: new(true)},
		}}
	for _, v := range versions {
		d.Patches = append(
			d.Patches,
			patch.Patch{Version: v, ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9"},
		)
	}
	return d
}

// document returns a definition as JSON.
func document(t testing.TB, d *patch.Definition) []byte {
	t.Helper()
	d.Complete(time.Now())
	data, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A page is the answer to requests for a URL.
type page struct {
	status int // 0 means 200
	header http.Header
	body   []byte
	err    error
}

// A world is an [http.RoundTripper] that answers requests to every host from its pages, without a network.
type world struct {
	t     testing.TB
	mu    sync.Mutex
	pages map[string]page
	log   map[string][]*http.Request // by URL
	delay time.Duration
}

func newWorld(t testing.TB) *world {
	return &world{t: t, pages: map[string]page{}, log: map[string][]*http.Request{}}
}

// RoundTrip implements [http.RoundTripper]. It supports conditional requests with an ETag.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	url := r.URL.String()
	w.log[url] = append(w.log[url], r)
	p, ok := w.pages[url]
	if d := w.delay; d > 0 { // the page was looked up before the delay
		w.mu.Unlock()
		time.Sleep(d)
		w.mu.Lock()
	}
	if !ok {
		p = page{status: http.StatusNotFound}
	}
	if p.err != nil {
		return nil, p.err
	}
	header := http.Header{}
	for k, v := range p.header {
		header[k] = v
	}
	status, body := p.status, p.body
	if status == 0 {
		status = http.StatusOK
		etag := fmt.Sprintf(`"%x"`, sha256.Sum256(body))
		header.Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			status, body = http.StatusNotModified, nil
		}
	}
	return &http.Response{
		StatusCode:    status,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       r,
	}, nil
}

// put sets the answer of a URL.
func (w *world) put(url string, p page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[url] = p
}

// define makes a URL answer with a definition.
func (w *world) define(url string, d *patch.Definition) { w.put(url, page{body: document(w.t, d)}) }

// slow delays every answer by d.
func (w *world) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// requests returns the number of requests for URLs that begin with prefix.
func (w *world) requests(prefix string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for url, all := range w.log {
		if strings.HasPrefix(url, prefix) {
			n += len(all)
		}
	}
	return n
}

// source makes the URLs below base answer as a patch external source with the given titles.
func (w *world) source(base string, titles ...*patch.Definition) {
	list := []patch.Summary{}
	for _, d := range titles {
		w.define(base+"/patch/"+d.ID, d)
		list = append(list, d.Summary())
	}
	data, err := json.Marshal(list)
	if err != nil {
		w.t.Fatal(err)
	}
	w.put(base+"/software", page{body: data})
}

// counted is a store that counts its writes.
type counted struct {
	store.Store
	mu     sync.Mutex
	writes map[string]int // by kind
}

// written returns the number of writes of a kind.
func (c *counted) written(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes[kind]
}

// Put implements [store.Store].
func (c *counted) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	c.mu.Lock()
	c.writes[key.Kind]++
	c.mu.Unlock()
	return c.Store.Put(ctx, key, value, cond)
}

// alone hides that a store is a [store.Watcher], so that a Runner takes its server for the only one.
type alone struct{ store.Store }

func newStore() *counted { return &counted{Store: alone{memstore.New()}, writes: map[string]int{}} }

// A server is the catalog and the Runner of one process.
type server struct {
	t       testing.TB
	catalog *catalog.Catalog
	sync    *patchsync.Runner
}

// openCatalog opens a catalog for the duration of the test.
func openCatalog(t testing.TB, s store.Store) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// open returns a server that keeps its records in s. Its Runner sends requests through w.
func open(t testing.TB, s store.Store, w http.RoundTripper, opts patchsync.Options) *server {
	t.Helper()
	c := openCatalog(t, s)
	opts.Transport = w
	r, err := patchsync.New(c, s, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return &server{t, c, r}
}

// run runs a server's Runner in the background until the returned function stops it.
func run(t *testing.T, s *server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.sync.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = s.catalog.Close()
	}
}

// follow creates a title that follows a URL.
func (s *server) follow(url string, d *patch.Definition, opts *catalog.CreateOptions) catalog.Title {
	s.t.Helper()
	if opts == nil {
		opts = &catalog.CreateOptions{}
	}
	opts.Follows = url
	if opts.Author != "" {
		if err := d.Namespace(opts.Author); err != nil {
			s.t.Fatal(err)
		}
	}
	res, err := s.catalog.Create(s.t.Context(), d, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Title
}

// version returns the current version of a title, or "-" if the title does not exist.
func (s *server) version(id string) string {
	t, err := s.catalog.Title(id)
	if err != nil {
		return "-"
	}
	return t.CurrentVersion
}

// state returns the state of the source that a title follows.
func (s *server) state(id string) patchsync.State {
	s.t.Helper()
	t, err := s.catalog.Title(id)
	if err != nil {
		s.t.Fatal(err)
	}
	state, ok := s.sync.State(t)
	if !ok {
		s.t.Fatalf("%s has no state", id)
	}
	return state
}

// ids returns the ids of all titles, separated by spaces.
func (s *server) ids() string {
	var ids []string
	for t := range s.catalog.Find(catalog.Filter{}) {
		ids = append(ids, t.ID)
	}
	return strings.Join(ids, " ")
}
