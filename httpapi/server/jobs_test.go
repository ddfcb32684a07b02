package server_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/store/memstore"
)

// A job of one server is known to another one, and on the page. A server that closes ends its jobs first.
func TestJobsOfServers(t *testing.T) {
	shared := memstore.New()
	first, second := open(t, server.Config{Store: shared}), open(t, server.Config{Store: shared})
	token := adminToken(t, first)
	w := call(first, "POST", "/api/v1/titles/import", definition("A", "1"), func(h http.Header) {
		bearer(token)(h)
		h.Set("Prefer", "respond-async")
	})
	var j wire.Job
	if err := json.Unmarshal(w.Body.Bytes(), &j); err != nil || w.Code != 202 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	waitFor(t, "the end of the job", func() bool {
		w := call(second, "GET", "/api/v1/jobs/"+j.ID, "", bearer(token))
		if w.Code != 200 {
			t.Fatalf("got status %d: %s", w.Code, w.Body)
		}
		j = wire.Job{}
		return json.Unmarshal(w.Body.Bytes(), &j) == nil && j.State != wire.JobRunning
	})
	if j.State != wire.JobDone || first.Catalog.Len() != 1 {
		t.Errorf("the job is %+v, and there are %d titles", j, first.Catalog.Len())
	}
	page := call(second, "GET", "/jobs/"+j.ID, "", func(h http.Header) {
		h.Set("Accept", "text/html")
		h.Set("Cookie", "patchsource_token="+token)
	})
	if page.Code != 200 {
		t.Errorf("the page has status %d: %s", page.Code, page.Body)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	w = call(first, "POST", "/api/v1/titles/import", definition("B", "1"), func(h http.Header) {
		bearer(token)(h)
		h.Set("Prefer", "respond-async")
	})
	if w.Code != 503 {
		t.Errorf("after Close, the status is %d: %s", w.Code, w.Body)
	}
}
