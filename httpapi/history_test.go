package httpapi_test

import (
	"encoding/json"
	"testing"

	"github.com/patchsource/patchsource/store/memstore"
)

func TestHistory(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	require(t, b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2")), 201)
	w := b.do("GET", "/api/v1/titles/app/history", "")
	var list struct {
		Revisions []struct {
			Number  int
			Version string
			Token   *string
			Current bool
		} `json:"editions"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Revisions) != 2 {
		t.Fatalf("the history is %s, %v", w.Body, err)
	}
	now, before := list.Revisions[0], list.Revisions[1]
	if !now.Current || now.Version != "2" || now.Token == nil || before.Number != 1 {
		t.Errorf("the history is %s", w.Body)
	}
	lacks(t, w.Body.String(), "pst_")
	for path, want := range map[string]string{
		"/history/1":           `"currentVersion":"1"`,
		"/history/2":           `"currentVersion":"2"`,
		"/history/1/diff":      "version 2 added",
		"/history/2/diff?to=1": "version 2 removed",
		"/history/2/diff":      `"changes":[]`,
	} {
		expect(t, b.do("GET", "/api/v1/titles/App"+path, ""), 200, want)
	}
	for path, want := range map[string]int{
		"/App/history/9":           404,
		"/App/history/x":           404,
		"/App/history/1/diff?to=9": 404,
		"/App/history/1/diff?to=x": 400,
		"/Nope/history":            404,
		"/Nope/history/1":          404,
	} {
		expect(t, b.do("GET", "/api/v1/titles"+path, ""), want)
	}
}

func TestRestoreRevision(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	require(t, b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2")), 201)
	const path = "/api/v1/titles/App/history/1/restore"
	expect(t, b.do("POST", path, ""), 401)
	expect(t, b.asAdmin("POST", path, ""), 200, "restored to revision 1")
	if title, err := b.catalog.Title("App"); err != nil || title.CurrentVersion != "1" {
		t.Errorf("got version %s, %v; want 1", title.CurrentVersion, err)
	}
	expect(t, b.asAdmin("POST", path, ""), 200, "already")
}
