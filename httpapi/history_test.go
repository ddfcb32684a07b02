package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/store/memstore"
)

func TestHistoryByHTTP(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	if w := b.asAdmin("POST", "/api/v1/title/App/version", versionJSON("2")); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := b.do("GET", "/api/v1/titles/app/history", "")
	var list struct {
		Editions []struct {
			Number  int
			Version string
			Token   *string
			Current bool
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Editions) != 2 ||
		!list.Editions[0].Current ||
		list.Editions[0].Version != "2" ||
		list.Editions[0].Token == nil ||
		list.Editions[1].Number != 1 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "pst_") {
		t.Error("it shows a token")
	}
	for path, want := range map[string]string{
		"/history/1":           `"currentVersion":"1"`,
		"/history/2":           `"currentVersion":"2"`,
		"/history/1/diff":      "version 2 added",
		"/history/2/diff?to=1": "version 2 removed",
		"/history/2/diff":      `"changes":[]`,
	} {
		if w := b.do("GET", "/api/v1/titles/App"+path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for path, want := range map[string]int{"/api/v1/titles/App/history/9": 404, "/api/v1/titles/App/history/x": 404, "/api/v1/titles/App/history/1/diff?to=9": 404, "/api/v1/titles/App/history/1/diff?to=x": 400, "/api/v1/titles/Nope/history": 404, "/api/v1/titles/Nope/history/1": 404} {
		if w := b.do("GET", path, ""); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := b.do("POST", "/api/v1/titles/App/history/1/restore", ""); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	if w := b.asAdmin("POST", "/api/v1/titles/App/history/1/restore", ""); w.Code != 200 ||
		!strings.Contains(w.Body.String(), "restored to revision 1") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if title, _ := b.cat.Title("App"); title.CurrentVersion != "1" {
		t.Errorf("%s", title.CurrentVersion)
	}
	if w := b.asAdmin("POST", "/api/v1/titles/App/history/1/restore", ""); w.Code != 200 ||
		!strings.Contains(w.Body.String(), "already") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
