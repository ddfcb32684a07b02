package webui_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// A webhook is deleted after a page has asked for confirmation.
func TestDeletingAWebhookAsks(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == "GET" && r.URL.Path == "/api/v1/webhooks":
			fmt.Fprint(w, `[{"id":"h1","url":"https://one.example/<x>","signed":true,"pending":3},
				{"id":"h2","url":"https://two.example/"}]`)
		case r.Method == "DELETE":
			w.WriteHeader(204)
		default:
			return false
		}
		return true
	}}
	h := newPage(oneTitle(), &webui.Options{API: api})
	wantTexts(t, sendAsAdmin(h, "GET", "/webhooks", ""), map[string]bool{
		`action="/webhooks/h1/delete"`: false, `href="/webhooks/h1/delete"`: true,
	})
	wantPage(t, sendAsAdmin(h, "GET", "/webhooks/h1/delete", ""), 200, "https://one.example/&lt;x&gt;",
		"3 pending deliveries", "secret is deleted", `action="/webhooks/h1/delete"`)
	wantPage(t, sendAsAdmin(h, "GET", "/webhooks/nope/delete", ""), 404, "This webhook does not exist.")
	if len(api.changes()) > 0 {
		t.Errorf("the API was asked %v", api.changes())
	}
	w := sendAsAdmin(h, "POST", "/webhooks/h1/delete", "")
	if diff := cmp.Diff([]string{"DELETE /api/v1/webhooks/h1"}, api.changes()); diff != "" {
		t.Errorf("the API was asked otherwise (-want +got):\n%s", diff)
	}
	wantPage(t, notice(t, h, w), 200, "The webhook was deleted.")
}
