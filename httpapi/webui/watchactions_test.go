package webui_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// The buttons of a feed call the API, and the next page says what has happened.
func TestWatchActions(t *testing.T) {
	watch := fmt.Sprintf(watchJSON, "propose", "ok", 0, "null", "null", "")
	for _, test := range []struct{ path, request, body, notice string }{
		{"/titles/x/watch/pause", "PUT /api/v1/titles/x/watch", `"mode":"off"`, "paused"},
		{"/titles/x/watch/resume", "PUT /api/v1/titles/x/watch", `"mode":"add"`, "followed again"},
		{"/titles/x/watch/resume?mode=propose", "PUT /api/v1/titles/x/watch", `"mode":"propose"`, "followed again"},
		{"/titles/x/watch/end", "DELETE /api/v1/titles/x/watch", "", "Its versions stay."},
		{"/titles/x/watch/check", "POST /api/v1/titles/x/watch/check", "", "Added: 2. The newest release is 2."},
		{"/proposals/p1/approve", "POST /api/v1/proposals/p1/approve", "", "Done."},
		{"/proposals/p1/reject", "POST /api/v1/proposals/p1/reject", "", "Done."},
	} {
		t.Run(test.path, func(t *testing.T) {
			api := feedAPI(watch, proposalJSON)
			answer := api.answer
			api.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.HasSuffix(r.URL.Path, "/check") {
					fmt.Fprint(w, `{"message":"Added: 2.","newest":{"version":"2"},
						"skipped":[{"version":"3","reason":"a person removed it"}]}`)
					return true
				}
				return answer(w, r)
			}
			h := newPage(watchedTitle(), &webui.Options{API: api})
			if w := sendAsAdmin(h, "POST", test.path, "", "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
				t.Errorf("from another site, the status is %d, want 403", w.Code)
			}
			if w := send(h, "POST", test.path, ""); w.Code != 401 {
				t.Errorf("without signing in, the status is %d, want 401", w.Code)
			}
			w := sendAsAdmin(h, "POST", test.path, "")
			if diff := cmp.Diff([]string{test.request}, api.changes()); diff != "" {
				t.Fatalf("the API was asked otherwise (-want +got):\n%s", diff)
			}
			if !strings.Contains(api.lastBody(), test.body) {
				t.Errorf("the page sent %s, want %s", api.lastBody(), test.body)
			}
			wantPage(t, notice(t, h, w), 200, test.notice)
		})
	}
}

// Visitors see and use the feeds of the titles that they may change only. Kinds that can read any page are not offered
// to them.
func TestWatchRights(t *testing.T) {
	c := watchedTitle()
	c.titles = append(c.titles, webui.Title{ID: "y", Name: "Y"})
	h := newPage(c, &webui.Options{API: feedAPI("", "")})
	cookie := []string{"Cookie", "patchsource_token=title"}
	for _, path := range []string{"/titles/y/watch", "/titles/y/watch/end"} {
		wantPage(t, send(h, "GET", path, "", cookie...), 403, "does not allow you to change this title")
		wantPage(t, send(h, "POST", path, "", cookie...), 403)
	}
	w := send(h, "GET", "/titles/x/watch", "", cookie...)
	wantPage(t, w, 200, `value="json" data-known disabled`)
	wantTexts(t, w, map[string]bool{`value="github" data-known disabled`: false})
	wantTexts(t, sendAsAdmin(h, "GET", "/titles/x/watch", ""), map[string]bool{" disabled": false})
	wantPage(t, send(h, "GET", "/titles/none/watch", "", cookie...), 404)
}

// The notice of a check names the newest release once.
func TestCheckNoticeNamesTheNewestOnce(t *testing.T) {
	h := newPage(watchedTitle(), &webui.Options{API: answering(200, `{"message":"Held back: 2.",
		"newest":{"version":"2"},"held":[{"version":"2","until":null}]}`)})
	wantTexts(t, notice(t, h, sendAsAdmin(h, "POST", "/titles/x/watch/check", "")), map[string]bool{
		"Held back: 2.": true, "The newest release is": false,
	})
}
