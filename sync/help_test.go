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

// definition makes a definition whose versions are given, the newest first.
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

func document(t testing.TB, d *patch.Definition) []byte {
	t.Helper()
	d.Complete(time.Now())
	data, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A page is what the world outside answers at a URL.
type page struct {
	status int // 0: 200
	header http.Header
	body   []byte
	err    error
}

// A world is everything outside, without a network.
type world struct {
	t     testing.TB
	mu    sync.Mutex
	pages map[string]page
	asked map[string][]*http.Request
	delay time.Duration
	down  map[string]bool // hosts
}

func newWorld(t testing.TB) *world {
	return &world{t: t, pages: map[string]page{}, asked: map[string][]*http.Request{}, down: map[string]bool{}}
}

// RoundTrip answers as a good server does: with an ETag, and 304.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	url := r.URL.String()
	w.asked[url] = append(w.asked[url], r)
	p, ok := w.pages[url]
	if d := w.delay; d > 0 { // it answers what there was when it was asked
		w.mu.Unlock()
		time.Sleep(d)
		w.mu.Lock()
	}
	if w.down[r.URL.Host] {
		return nil, fmt.Errorf("connection refused")
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

func (w *world) put(url string, p page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[url] = p
}

func (w *world) define(url string, d *patch.Definition) { w.put(url, page{body: document(w.t, d)}) }

// slow has every answer take a while.
func (w *world) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// requests returns how often a URL was asked for, or all that begin with it.
func (w *world) requests(prefix string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for url, all := range w.asked {
		if strings.HasPrefix(url, prefix) {
			n += len(all)
		}
	}
	return n
}

// source serves titles as a whole source does.
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

// A counted store counts what is written to it.
type counted struct {
	store.Store
	mu     sync.Mutex
	writes map[string]int // by kind
}

func (c *counted) note(key store.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes[key.Kind]++
}

func (c *counted) written(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes[kind]
}

// Put implements store.Store.
func (c *counted) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	c.note(key)
	return c.Store.Put(ctx, key, value, cond)
}

// alone hides that the store tells of changes: there is one server.
type alone struct{ store.Store }

func newStore() *counted { return &counted{Store: alone{memstore.New()}, writes: map[string]int{}} }

// A server is what one process has.
type server struct {
	t    testing.TB
	cat  *catalog.Catalog
	sync *patchsync.Runner
}

func open(t testing.TB, s store.Store, w http.RoundTripper, opts patchsync.Options) *server {
	t.Helper()
	cat, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cat.Close() })
	opts.Transport = w
	r, err := patchsync.New(cat, s, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return &server{t, cat, r}
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
	res, err := s.cat.Create(s.t.Context(), d, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.Title
}

// version returns the current version that is served; "-": none.
func (s *server) version(id string) string {
	t, err := s.cat.Title(id)
	if err != nil {
		return "-"
	}
	return t.CurrentVersion
}

func (s *server) state(id string) patchsync.State {
	s.t.Helper()
	t, err := s.cat.Title(id)
	if err != nil {
		s.t.Fatal(err)
	}
	state, ok := s.sync.State(t)
	if !ok {
		s.t.Fatalf("no state of %s", id)
	}
	return state
}

// ids returns the ids of all titles.
func (s *server) ids() string {
	var ids []string
	for t := range s.cat.Find(catalog.Filter{}) {
		ids = append(ids, t.ID)
	}
	return strings.Join(ids, " ")
}
