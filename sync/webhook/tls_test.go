package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

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
	if strict, lenient := states(); strict.Failures == 0 || strict.Pending != 1 || lenient.Failures != 0 || lenient.Pending != 0 || told.Load() != 1 {
		t.Errorf("strict %+v, lenient %+v, told %d times", strict, lenient, told.Load())
	}
}
