package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
)

// rows returns the ids of the titles in a table.
func rows(page string) string {
	var ids []string
	for _, part := range strings.Split(page, `<th scope="row"><a href="/titles/`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func TestTableIsFiltered(t *testing.T) {
	b := attentionBench(t)
	for query, want := range map[string]string{
		"":                         "Current Late Odd",
		"state:warnings":           "Odd",
		"stale":                    "Late",
		"state:draft":              "Current",
		"state:failing":            "",
		"source:manual late":       "Late",
		"bundle:com.example.late":  "Late",
		"example.curr":             "Current",
		"publisher:p state:stale":  "Late",
		"state:nonsense":           "",
		"publisher:nobody current": "",
	} {
		if got := rows(b.get("/?q=" + url.QueryEscape(query))); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if page := b.get("/?q=state:nonsense"); !strings.Contains(page, "A state is one of") {
		t.Error("the page does not say which states there are")
	}
	page := b.get("/")
	for _, want := range []string{"overdue", "warning", `<span class="badge warn">draft</span>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the table does not show %q", want)
		}
	}
}

// Visitors who have not signed in see neither drafts nor which titles fail, and cannot select titles.
func TestTableOfVisitors(t *testing.T) {
	b := attentionBench(t)
	html := func(h http.Header) { h.Set("Accept", "text/html") }
	page := call(b.server, "GET", "/", "", html).Body.String()
	if strings.Contains(page, ">draft<") || strings.Contains(page, `name="id"`) {
		t.Error("a visitor sees drafts, or can select titles")
	}
	page = call(b.server, "GET", "/?q=state:draft", "", html).Body.String()
	if rows(page) != "" || !strings.Contains(page, "Sign in to see") {
		t.Errorf("a visitor who asks for drafts sees %q", rows(page))
	}
	if w := call(b.server, "GET", "/overview", "", html); w.Code != 401 {
		t.Errorf("the overview: status %d", w.Code)
	}
}

func TestOverviewPage(t *testing.T) {
	b := attentionBench(t)
	page := b.get("/overview")
	for _, want := range []string{
		`<span class="number warn">1</span> Titles with warnings`, `<span class="number warn">1</span> Drafts`,
		`href="/?q=state:warnings"`, `href="/?q=state:stale"`, `<span class="number">0</span> Release feeds`,
		"2 in 14 days, of 3 titles",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the overview does not have %s", want)
		}
	}
}

func TestBulkActions(t *testing.T) {
	b := attentionBench(t)
	if _, location, _ := b.post("/bulk", url.Values{"do": {"delete"}}); location != "/" {
		t.Errorf("without a selection, the page leads to %q", location)
	}
	two := url.Values{"id": {"Late", "Odd"}}
	send := func(do string, status int) string {
		two.Set("do", do)
		_, page := b.must("/bulk", two, status)
		return page
	}
	var exported []struct{ ID string }
	if err := json.Unmarshal([]byte(send("export", 200)), &exported); err != nil || len(exported) != 2 ||
		exported[0].ID != "Late" {
		t.Errorf("the export has %+v, error %v", exported, err)
	}
	if page := send("check", 200); strings.Count(page, "nothing to check") != 2 {
		t.Errorf("checking titles without a feed: %s", page)
	}
	if page := send("delete", 200); !strings.Contains(page, "Delete 2 titles?") || b.served("Late") == "" {
		t.Errorf("the question: %s", page)
	}
	if page := send("delete for good", 200); b.served("Late")+b.served("Odd") != "" || b.served("Current") == "" ||
		!strings.Contains(page, "Deleted") {
		t.Errorf("after deleting: %s", page)
	}
	if page := send("delete", 404); !strings.Contains(page, "does not exist") {
		t.Errorf("titles that are gone: %s", page)
	}
	send("nonsense", 404)
}

// A selection that has a title of somebody else does nothing.
func TestBulkActionOnTitlesOfOthers(t *testing.T) {
	b := attentionBench(t)
	odd, err := b.server.Catalog.Title("Odd")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := b.server.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.TitleToken, Titles: []string{odd.UID}})
	if err != nil {
		t.Fatal(err)
	}
	holder := &editorBench{t, b.server, token}
	holder.must("/bulk", url.Values{"id": {"Odd", "Late"}, "do": {"delete for good"}}, 403)
	if b.served("Odd") == "" || b.served("Late") == "" {
		t.Error("titles were deleted")
	}
}

func TestAuditPage(t *testing.T) {
	b := attentionBench(t)
	b.api("DELETE", "/api/v1/titles/Odd", "", 200)
	page := b.get("/audit")
	for _, want := range []string{"Title deleted", "Title created", "Draft saved", `href="/audit?title=Odd"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	if page := b.get("/audit?title=late"); strings.Contains(page, "Title deleted") || !strings.Contains(page, "Late") {
		t.Errorf("the changes of one title: %s", page)
	}
}
