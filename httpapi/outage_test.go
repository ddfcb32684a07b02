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

// What is wrong with the store's own records is not the client's fault, nor its
// business.
func TestADamagedRecord(t *testing.T) {
	s := memstore.New()
	b := newBench(t, s)
	b.create("App")
	key := store.Key{Kind: "titles", ID: "app"}
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(r.Value, []byte(`"patches":[`), []byte(`"patches":{`), 1)
	if _, err := s.Put(t.Context(), key, damaged, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2"))
	if w.Code != 503 || strings.Contains(w.Body.String(), "offset") || strings.Contains(w.Body.String(), "line 1") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// With no authentication nothing can be changed, and an embedder's own decides
// where there is one.
func TestOwnAuthentication(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.cat, nil)
	if w := b.asAdmin("POST", "/api/v1/title", definition("New", "1")); w.Code != 401 {
		t.Errorf("%d", w.Code)
	}
	b.handler = newHandler(t, b.cat, &httpapi.Options{Authenticate: byHeader})
	if w := b.do("POST", "/api/v1/title", definition("New", "1"), "X-Forwarded-User", "ann"); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do("DELETE", "/api/v1/title/New", "", "X-Forwarded-User", "broken"); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do("DELETE", "/api/v1/title/New", ""); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A store that fails is a 503, never a 404, and its cause is for the log alone.
func TestOutage(t *testing.T) {
	s := &failing{Store: memstore.New()}
	b := newBench(t, s)
	b.create("App")
	cold, err := catalog.Open(t.Context(), s, nil) // nothing in its cache
	if err != nil {
		t.Fatal(err)
	}
	defer cold.Close()
	var log bytes.Buffer
	b.handler = newHandler(
		t,
		cold,
		&httpapi.Options{Authenticate: httpapi.BearerTokens(b.auth), Logger: slog.New(slog.NewTextHandler(&log, nil))},
	)
	s.down.Store(true)
	for _, c := range [][2]string{{"GET", "/jamf/v1/patch/App"}, {"GET", "/api/v1/titles/App"}, {"GET", "/readyz"}, {"DELETE", "/api/v1/title/App"}, {"POST", "/api/v1/title"}} {
		log.Reset()
		w := b.asAdmin(c[0], c[1], definition("New", "1"))
		p := problem(t, w)
		id, _ := p.Rest["internal"].(string)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || id == "" || w.Header().Get("X-Request-Id") != id {
			t.Errorf("%v: %d %v %s", c, w.Code, w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(log.String(), "hunter2") ||
			!strings.Contains(log.String(), id) {
			t.Errorf("%v: the answer %s; the log %s", c, w.Body, log.String())
		}
	}
	if w := b.do("GET", "/jamf/v1/software", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "App") {
		t.Errorf("the list: %d %s", w.Code, w.Body)
	}
	if w := b.do("GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("/healthz: %d", w.Code)
	}
	s.down.Store(false)
	if w := b.do("GET", "/readyz", ""); w.Code != 200 {
		t.Errorf("/readyz: %d", w.Code)
	}
}

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

func TestAPanicIsAnAnswer(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(
		t,
		b.cat,
		&httpapi.Options{Authenticate: panicking, Logger: slog.New(slog.NewTextHandler(&b.log, nil))},
	)
	w := b.do("POST", "/api/v1/title", "{}")
	if p := problem(t, w); w.Code != 500 || p.Rest["internal"] == nil || strings.Contains(w.Body.String(), "oops") ||
		!strings.Contains(b.log.String(), "oops") {
		t.Errorf("%d %s; the log: %s", w.Code, w.Body, b.log.String())
	}
}
