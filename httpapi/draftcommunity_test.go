package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
)

// The limit of titles of a contributor counts those that are disabled.
func TestTitleLimitCountsDisabledTitles(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	ann := p.register(t, "Ann")
	last := 0
	for i := range 110 {
		id := fmt.Sprintf("App%d", i)
		w := p.do("PUT", "/api/v1/titles/"+id+"/draft", definition(id, "1"), ann...)
		last = w.Code
		if last != 201 {
			break
		}
	}
	if last == 201 {
		t.Errorf("110 drafts were made; the limit is 100")
	}
	for i := range 110 {
		p.do("POST", fmt.Sprintf("/api/v1/titles/App%d/draft/publish", i), "", ann...)
	}
	if n := p.catalog.Count(catalog.Filter{}); n > 100 {
		t.Errorf("%d titles are served; the limit is 100", n)
	}
}

// The drafts of a contributor whose name is released are not those of the next contributor of the name.
func TestReleasedNameHasNoDrafts(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	ann := p.register(t, "Ann")
	require(t, p.do("PUT", "/api/v1/titles/Secret/draft", definition("Secret", "1"), ann...), 201)
	w := p.asAdmin("POST", "/api/v1/contributors/Ann/release", "")
	if w.Code >= 300 {
		t.Skipf("the name is not released while there are titles: %d %s", w.Code, w.Body)
	}
	body := `{"name":"Ann","email":"other@example.com"}`
	require(t, p.do("POST", "/api/v1/contributors/register", body), 201)
	require(t, p.do("GET", linkIn(t, p.box.last(t)), ""), 200)
	next := bearer(tokenIn(p.box.last(t)))
	w = p.do("GET", "/api/v1/drafts", "", next...)
	if strings.Contains(w.Body.String(), "Secret") {
		t.Errorf("the next Ann has the drafts %s", w.Body)
	}
	w = p.do("GET", "/api/v1/titles/Secret/draft", "", next...)
	if w.Code == 200 {
		t.Errorf("the next Ann reads the draft: %s", w.Body)
	}
}

// The name of an author whose only title is disabled cannot be registered by somebody else.
func TestNameOfDisabledTitleIsTaken(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	require(t, p.do("POST", "/api/v1/title", publication("Bob", "bob@example.com", "App")), 201)
	token := bearer(tokenIn(p.box.last(t)))
	register := func() int {
		return p.do("POST", "/api/v1/contributors/register", `{"name":"Bob","email":"eve@example.com"}`).Code
	}
	if code := register(); code != 409 {
		t.Skipf("the name is free while the title is served: %d", code)
	}
	require(t, p.do("POST", "/api/v1/titles/App_Bob/disable", "", token...), 200)
	if code := register(); code != 409 {
		t.Errorf("the name is registered with status %d while the author's title is disabled, want 409", code)
	}
}

// The author of a title that is disabled gets another token by mail, as for a title that is served.
func TestResetOfDisabledTitle(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	require(t, p.do("POST", "/api/v1/title", publication("Bob", "bob@example.com", "App")), 201)
	token := bearer(tokenIn(p.box.last(t)))
	require(t, p.do("POST", "/api/v1/titles/App_Bob/disable", "", token...), 200)
	before := len(p.box.messages)
	if err := p.community.Reset(t.Context(), "App_Bob", "bob@example.com"); err != nil {
		t.Error(err)
	}
	if err := p.community.Close(); err != nil { // it waits for the mail
		t.Error(err)
	}
	if len(p.box.messages) == before {
		t.Error("no mail was sent")
	}
}
