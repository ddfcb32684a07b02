package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// A corrupt record of the store is an error of the server, whose details are not shown.
func TestCorruptRecord(t *testing.T) {
	s := memstore.New()
	b := newBench(t, s)
	b.create("App")
	key := store.Key{Kind: "titles", ID: "app"}
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	corrupt := bytes.Replace(r.Value, []byte(`"patches":[`), []byte(`"patches":{`), 1)
	if _, err := s.Put(t.Context(), key, corrupt, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2"))
	expect(t, w, 503)
	lacks(t, w.Body.String(), "offset")
	lacks(t, w.Body.String(), "line 1")
}

// Without authentication nothing can be changed. An embedder's own decides if there is one.
func TestOwnAuthentication(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, nil)
	expect(t, b.asAdmin("POST", "/api/v1/title", definition("New", "1")), 401)
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Authenticate: byHeader})
	expect(t, b.do("POST", "/api/v1/title", definition("New", "1"), "X-Forwarded-User", "ann"), 201)
	expect(t, b.do("DELETE", "/api/v1/title/New", "", "X-Forwarded-User", "broken"), 500)
	expect(t, b.do("DELETE", "/api/v1/title/New", ""), 401)
}

// An outage of the store is a 503 and never a 404. Its cause is logged, and not shown.
func TestOutage(t *testing.T) {
	s := &failing{Store: memstore.New()}
	b := newBench(t, s)
	b.create("App")
	cold, err := catalog.Open(t.Context(), s, nil) // its cache is empty
	if err != nil {
		t.Fatal(err)
	}
	defer cold.Close()
	var log bytes.Buffer
	b.handler = newHandler(t, cold, &httpapi.Options{
		Authenticate: httpapi.BearerTokens(b.auth),
		Logger:       slog.New(slog.NewTextHandler(&log, nil)),
	})
	s.down.Store(true)
	for _, c := range [][2]string{
		{"GET", "/jamf/v1/patch/App"},
		{"GET", "/api/v1/titles/App"},
		{"GET", "/readyz"},
		{"DELETE", "/api/v1/title/App"},
		{"POST", "/api/v1/title"},
		{"POST", "/api/v1/restore?mode=merge&dry_run=1"}, // of nothing that would have to be written
	} {
		log.Reset()
		w := b.asAdmin(c[0], c[1], definition("New", "1"))
		expect(t, w, 503)
		id, _ := problem(t, w).Rest["internal"].(string)
		if h := w.Header(); id == "" || h.Get("X-Request-Id") != id || h.Get("Retry-After") == "" {
			t.Errorf("%v: got the id %q and the header %v", c, id, h)
		}
		lacks(t, w.Body.String(), "hunter2")
		if !strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), id) {
			t.Errorf("%v: the log has no cause with the id %q: %s", c, id, log.String())
		}
	}
	expect(t, b.do("GET", "/jamf/v1/software", ""), 200, "App")
	expect(t, b.do("GET", "/healthz", ""), 200)
	s.down.Store(false)
	expect(t, b.do("GET", "/readyz", ""), 200)
}

// A failing store fails while it is down.
type failing struct {
	store.Store
	down atomic.Bool
}

var errDown = errors.New("dial db: password hunter2 refused")

func (f *failing) Ping(context.Context) error {
	if f.down.Load() {
		return errDown
	}
	return nil
}

func (f *failing) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if f.down.Load() {
		return store.Record{}, errDown
	}
	return f.Store.Get(ctx, k)
}

func (f *failing) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if f.down.Load() {
		return "", errDown
	}
	return f.Store.Put(ctx, k, v, c)
}

func (f *failing) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return f.Store.List(ctx, kind)
}

// A panic is an internal error, which is logged and not shown.
func TestPanic(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Authenticate: panicking, Logger: b.logger()})
	w := b.do("POST", "/api/v1/title", "{}")
	expect(t, w, 500, `"internal"`)
	lacks(t, w.Body.String(), "oops")
	if !strings.Contains(b.log.String(), "oops") {
		t.Errorf("the log lacks the panic: %s", b.log.String())
	}
}
