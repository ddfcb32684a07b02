package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A picky store refuses some writes for a while.
type picky struct {
	store.Store
	prefix string // of the ids that it refuses
	left   int
}

// Put implements store.Store.
func (p *picky) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if key.Kind == "deliveries" && strings.HasPrefix(key.ID, p.prefix) && p.left > 0 {
		p.left--
		return "", errors.New("the disk is full")
	}
	return p.Store.Put(ctx, key, value, cond)
}

// An event that one queue could not be given is not put into the others again.
func TestTakeInPart(t *testing.T) {
	ctx := t.Context()
	st := &picky{Store: single{memstore.New()}}
	hooks, err := webhook.Open(ctx, st, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 2 {
		id, err := hooks.Create(ctx, webhook.Hook{URL: "https://h.example/", Enabled: true})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	st.prefix, st.left = ids[0], 3
	n := catalog.Notice{ID: "x-1", Kind: catalog.Created}
	n.Title.ID = "App"
	for try := 1; ; try++ {
		if err := hooks.Take(ctx, n); err == nil {
			if try != 4 {
				t.Errorf("taken at try %d", try)
			}
			break
		}
	}
	if c := count(t, st, "deliveries"); c != 2 || hooks.Pending() != 2 {
		t.Errorf("%d deliveries, %d wait", c, hooks.Pending())
	}
}

// A certificate that nobody has signed is good enough for who says so, and for nobody
// else; and a real receiver, over a real connection, is told.
func TestVerifySSL(t *testing.T) {
	var told atomic.Int32
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	defer receiver.Close()
	receiver.Config.ErrorLog = nil
	hooks, err := webhook.Open(t.Context(), single{memstore.New()}, &webhook.Options{AllowPrivateNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = hooks.Run(t.Context()) }()
	ids := map[bool]string{}
	for _, verify := range []bool{true, false} {
		if ids[verify], err = hooks.Create(t.Context(), webhook.Hook{URL: receiver.URL, VerifySSL: verify}); err != nil {
			t.Fatal(err)
		}
		if err := hooks.Test(t.Context(), ids[verify]); err != nil {
			t.Fatal(err)
		}
	}
	states := func() (strict, lenient webhook.Status) {
		for _, s := range hooks.List() {
			if s.Hook.ID == ids[true] {
				strict = s
			} else {
				lenient = s
			}
		}
		return strict, lenient
	}
	for range 1000 {
		if strict, lenient := states(); strict.Failures > 0 && lenient.Pending == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if strict, lenient := states(); strict.Failures == 0 || strict.Pending != 1 || lenient.Failures != 0 ||
		lenient.Pending != 0 ||
		told.Load() != 1 {
		t.Errorf("strict %+v, lenient %+v, told %d times", strict, lenient, told.Load())
	}
}
