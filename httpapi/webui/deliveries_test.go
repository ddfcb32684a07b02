package webui_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// The page of a webhook's deliveries shows each with its state in words, and retries one.
func TestDeliveries(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Method + " " + r.URL.EscapedPath() {
		case "GET /api/v1/webhooks":
			fmt.Fprint(w, `[{"id":"h1","url":"https://one.example/<x>"},{"id":"h2","url":"https://two.example/"}]`)
		case "GET /api/v1/webhooks/h1/deliveries":
			fmt.Fprint(w, `{"deliveries":[
				{"id":"U-3","event":"title_deleted","title":"App","version":"3","at":"2026-05-03T12:00:00Z",
					"state":"pending","attempts":0,"last_attempt":null,"status":0,"error":"","next_attempt":null},
				{"id":"U-2","event":"title_updated","title":"App","version":"2","at":"2026-05-02T12:00:00Z",
					"state":"pending","attempts":4,"last_attempt":"2026-05-02T12:01:00Z","status":503,
					"error":"the receiver answered 503 <b>","next_attempt":"2026-05-02T12:05:00Z"},
				{"id":"a?b","event":"watch_failed","title":"Web","version":"1","at":"2026-05-01T12:00:00Z",
					"state":"dropped","attempts":7,"last_attempt":"2026-05-01T12:01:00Z","status":0,
					"error":"the connection was refused","next_attempt":null},
				{"id":"U-1","event":"new_title","title":"App","version":"1","at":"2026-05-01T12:00:00Z",
					"state":"delivered","attempts":1,"last_attempt":"2026-05-01T12:00:00Z","status":204,
					"error":"","next_attempt":null}]}`)
		case "GET /api/v1/webhooks/h2/deliveries":
			fmt.Fprint(w, `{"deliveries":[]}`)
		case "POST /api/v1/webhooks/h1/deliveries/gone/retry":
			w.WriteHeader(404)
			fmt.Fprint(w, `{"message":"The webhook has no such delivery.","not_found":"x"}`)
		default:
			return false
		}
		return true
	}}
	h := newPage(oneTitle(), &webui.Options{API: api})
	wantPage(t, sendAsAdmin(h, "GET", "/webhooks", ""), 200, `href="/webhooks/h1/deliveries"`)
	wantPage(t, sendAsAdmin(h, "GET", "/webhooks/h1/deliveries", ""), 200, "https://one.example/&lt;x&gt;",
		"2026-05-03 12:00 UTC", `<td data-label="Event">Deleted title</td>`, `<td data-label="Answer">none yet</td>`,
		`<span class="badge warn">pending</span>`, "503 &lt;b&gt;", "next <time",
		`<span class="badge bad">dropped</span>`, "The connection was refused.", "Release feed fails",
		`<span class="badge good">delivered</span>`, `<td data-label="Answer">204</td>`,
		`<form method="post" action="/webhooks/h1/deliveries/U-1/retry">`, `/deliveries/a%3Fb/retry"`)
	wantPage(t, sendAsAdmin(h, "GET", "/webhooks/h2/deliveries", ""), 200, "No events yet.")
	wantPage(t, sendAsAdmin(h, "GET", "/webhooks/nope/deliveries", ""), 404, "This webhook does not exist.")
	if w := send(h, "GET", "/webhooks/h1/deliveries", ""); w.Code == 200 {
		t.Errorf("the page is shown to a visitor who has not signed in: %.300s", w.Body)
	}
	if len(api.changes()) > 0 {
		t.Errorf("the API was asked %v", api.changes())
	}
	w := sendAsAdmin(h, "POST", "/webhooks/h1/deliveries/a%3Fb/retry", "")
	if diff := cmp.Diff([]string{"POST /api/v1/webhooks/h1/deliveries/a%3Fb/retry"}, api.changes()); diff != "" {
		t.Errorf("the API was asked otherwise (-want +got):\n%s", diff)
	}
	if to := w.Header().Get("Location"); to != "/webhooks/h1/deliveries" {
		t.Errorf("the form leads to %q", to)
	}
	wantPage(t, notice(t, h, w), 200, "The event is being delivered.")
	wantPage(t, sendAsAdmin(h, "POST", "/webhooks/h1/deliveries/gone/retry", ""), 404,
		"The webhook has no such delivery.", "<h1>Not found</h1>")
}
