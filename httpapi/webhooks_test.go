package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// Administrators see the deliveries of a webhook and retry them. An unknown webhook and an unknown delivery are not
// found, and a full queue is a limit.
func TestDeliveries(t *testing.T) {
	p := newPublic(t, httpapi.Options{})
	hooks, err := webhook.Open(t.Context(), memstore.New(), &webhook.Options{
		Key: make([]byte, 32), MaxQueueBytes: 500, // for one event
	})
	if err != nil {
		t.Fatal(err)
	}
	p.handler = newHandler(t, p.catalog, &httpapi.Options{Tokens: p.auth, Webhooks: services.Webhooks(hooks)})
	admin := bearer(p.token(auth.Grant{Kind: auth.Administrator}))
	editor := bearer(p.token(auth.Grant{Kind: auth.Editor, Expires: time.Now().Add(time.Hour)}))
	id, err := hooks.Create(t.Context(), webhook.Hook{URL: "https://example.com/?token=hunter2", Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	list := "/api/v1/webhooks/" + id + "/deliveries"
	w := p.do("GET", list, "", admin...)
	if body := strings.TrimSpace(w.Body.String()); w.Code != 200 || body != `{"deliveries":[]}` {
		t.Errorf("without events: %d %s", w.Code, body)
	}
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for i, event := range []string{"U-1", "U-2"} {
		n := catalog.Notice{ID: event, Number: uint64(i), Kind: catalog.Updated}
		n.At = at.Add(time.Duration(i) * time.Hour)
		n.Title.ID, n.Title.CurrentVersion = "App", event
		n.Changes = []string{strings.Repeat("x", 100)}
		if err := hooks.Take(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	w = p.do("GET", list, "", admin...)
	require(t, w, 200)
	checkDeliveries(t, w.Body.Bytes(), at)
	if cache := w.Header().Get("Cache-Control"); cache != "no-store" || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("the answer may be cached (%q) or has a secret: %s", cache, w.Body)
	}
	for _, c := range []struct {
		method, path string
		header       []string
		status       int
		text         string
	}{
		{"GET", list, nil, 401, ""},
		{"GET", list, editor, 403, ""},
		{"GET", "/api/v1/webhooks/nope/deliveries", admin, 404, wire.CodeWebhookNotFound},
		{"POST", list + "/U-1/retry", nil, 401, ""},
		{"POST", list + "/U-1/retry", editor, 403, ""},
		{"POST", list + "/U-1/retry", admin, 202, "will be sent in a moment"},
		{"POST", list + "/U-2/retry", admin, 403, "queue of the webhook is full"},
		{"POST", list + "/U-3/retry", admin, 404, "no delivery with this id"},
		{"POST", list + "/%2F/retry", admin, 404, "no delivery with this id"},
		{"POST", "/api/v1/webhooks/nope/deliveries/U-1/retry", admin, 404, wire.CodeWebhookNotFound},
		{"GET", list + "/U-1/retry", admin, http.StatusMethodNotAllowed, ""},
	} {
		w := p.do(c.method, c.path, "", c.header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.text) {
			t.Errorf("%s %s: got %d %s, want %d and %q", c.method, c.path, w.Code, w.Body, c.status, c.text)
		}
	}
	if n := hooks.Pending(); n != 1 {
		t.Errorf("%d events are pending, want 1", n)
	}
}

// checkDeliveries checks a list with an event that did not fit into the queue and a pending one, which is from a time.
func checkDeliveries(t *testing.T, body []byte, at time.Time) {
	t.Helper()
	var got wire.DeliveryList
	if err := json.Unmarshal(body, &got); err != nil || len(got.Deliveries) != 2 {
		t.Fatalf("the deliveries are %s, %v", body, err)
	}
	if d := got.Deliveries[0]; d.ID != "U-2" || d.State != wire.DeliveryDropped || !strings.Contains(d.Error, "full") {
		t.Errorf("the event without room is %+v", d)
	}
	if d := got.Deliveries[1]; d.ID != "U-1" || d.State != wire.DeliveryPending || d.Event != wire.EventTitleUpdated ||
		d.Title != "App" || d.Version != "U-1" || !d.At.Equal(at) || d.LastAttempt != nil || d.Attempts != 0 {
		t.Errorf("the pending event is %+v", d)
	}
}
