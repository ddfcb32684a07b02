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

// An event is delivered over a real connection. A certificate that cannot be verified is accepted only without
// VerifySSL.
func TestVerifySSL(t *testing.T) {
	var accepted atomic.Int32
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { accepted.Add(1) }))
	defer receiver.Close()
	receiver.Config.ErrorLog = nil
	hooks, err := webhook.Open(t.Context(), single{memstore.New()}, &webhook.Options{AllowPrivateNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = hooks.Run(t.Context()) }()
	test := func(h webhook.Hook) string {
		t.Helper()
		id, err := hooks.Create(t.Context(), h)
		if err == nil {
			err = hooks.Test(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	strictID := test(webhook.Hook{URL: receiver.URL, VerifySSL: true})
	test(webhook.Hook{URL: receiver.URL, VerifySSL: false})
	statuses := func() (strict, lenient webhook.Status) {
		for _, s := range hooks.List() {
			if s.Hook.ID == strictID {
				strict = s
			} else {
				lenient = s
			}
		}
		return strict, lenient
	}
	strict, lenient := statuses()
	for range 1000 {
		if strict.Failures > 0 && lenient.Pending == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
		strict, lenient = statuses()
	}
	if strict.Failures == 0 || strict.Pending != 1 {
		t.Errorf("with VerifySSL: %+v, want a failure", strict)
	}
	if lenient.Failures != 0 || lenient.Pending != 0 || accepted.Load() != 1 {
		t.Errorf("without VerifySSL: %+v, %d events accepted, want 1", lenient, accepted.Load())
	}
}
