package webui_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// A mirror of which some titles are refused is not failing. The sources with errors come first.
func TestSourceStates(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/sync" {
			_, _ = io.WriteString(w, `{"sources":[
				{"title":null,"mirror":"part","url":"u","failures":0,"last_success":"2026-01-01T00:00:00Z",
				"last_error":"one is not JSON","titles":3,"refused":{"x":"it is not JSON"}},
				{"title":null,"mirror":"down","url":"u","failures":2,"last_error":"it answered 503","titles":3},
				{"title":"x","mirror":null,"url":"u","failures":0,"last_success":"2026-01-01T00:00:00Z",
				"last_error":null,"titles":1}]}`)
		}
		return r.URL.Path == "/api/v1/sync"
	}}
	w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "GET", "/sources", "")
	var got []string
	badges := regexp.MustCompile(`<span class="badge[^>]*>([^<]*)</span>`)
	for _, m := range badges.FindAllStringSubmatch(w.Body.String(), -1) {
		got = append(got, m[1])
	}
	if s := strings.Join(got, ", "); s != "failing, partly refused, up to date" {
		t.Errorf("the sources are %s", s)
	}
	wantPage(t, w, 200, "it answered 503 (2 times in a row)", "<dt>x</dt><dd>it is not JSON</dd>")
}

// A source is polled by the name of its title or mirror.
func TestSyncNow(t *testing.T) {
	for form, want := range map[string]string{
		"title=x":       "POST /api/v1/titles/x/sync",
		"mirror=down+1": "POST /api/v1/sync",
	} {
		api := &fakeAPI{}
		h := newPage(oneTitle(), &webui.Options{API: api})
		w := sendAsAdmin(h, "POST", "/sources/now", form)
		if got := api.changes(); len(got) != 1 || got[0] != want || w.Code != 303 {
			t.Errorf("%s has status %d; the API was asked %v", form, w.Code, got)
		}
		if strings.HasPrefix(form, "mirror") && api.lastBody() != `{"mirror":"down 1"}` {
			t.Errorf("%s sent %s", form, api.lastBody())
		}
		wantPage(t, notice(t, h, w), 200, "will be polled in a moment")
	}
}
