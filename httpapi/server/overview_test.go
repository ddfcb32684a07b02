package server_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/store/memstore"
)

// wellMade returns a definition without a warning, whose versions were released on days before now, the newest first.
func wellMade(id string, now time.Time, ages ...int) string {
	var all []string
	for i, age := range ages {
		version := fmt.Sprint(len(ages) - i)
		all = append(all, `{"version":"`+version+`","releaseDate":"`+now.AddDate(0, 0, -age).UTC().Format(time.RFC3339)+
			`","standalone":true,"minimumOperatingSystem":"12","reboot":false,`+
			`"killApps":[{"appName":"`+id+`.app","bundleId":"com.example.`+id+`"}],`+
			`"components":[{"name":"`+id+`","version":"`+version+`","criteria":[{"name":"Application Bundle ID",`+
			`"operator":"is","value":"com.example.`+id+`","type":"recon","and":true},{"name":"Application Version",`+
			`"operator":"is","value":"`+version+`","type":"recon","and":true}]}],`+
			`"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"12",`+
			`"type":"recon","and":true}]}`)
	}
	return strings.Replace(titleWith(id,
		"REQ", `[{"name":"Application Bundle ID","operator":"is","value":"com.example.`+id+
			`","type":"recon","and":true}]`,
		"PATCHES", "["+strings.Join(all, ",")+"]"), `"appName":null,"bundleId":null`,
		`"appName":"`+id+`.app","bundleId":"com.example.`+id+`"`, 1)
}

// attentionBench has a title without a warning, one with warnings, one whose next version is overdue and a draft.
func attentionBench(t *testing.T) *editorBench {
	b := newEditorBench(t)
	now := time.Now()
	b.api("POST", "/api/v1/title", wellMade("Current", now, 1, 8, 15, 22), 201)
	b.api("POST", "/api/v1/title", wellMade("Late", now, 100, 107, 114, 121), 201)
	b.api("POST", "/api/v1/title", titleWith("Odd"), 201)
	b.api("PUT", "/api/v1/titles/Current/draft", titleWith("Current"), 200)
	if err := b.server.Survey.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// listed returns the ids of the titles of a list.
func (b *editorBench) listed(query string) string {
	b.Helper()
	var page wire.TitlePage
	if err := json.Unmarshal([]byte(b.api("GET", "/api/v1/titles?"+query, "", 200)), &page); err != nil {
		b.Fatal(err)
	}
	var ids []string
	for _, t := range page.Titles {
		ids = append(ids, t.ID)
	}
	return strings.Join(ids, " ")
}

func TestFiltersOfTitles(t *testing.T) {
	b := attentionBench(t)
	for query, want := range map[string]string{
		"":                                  "Current Late Odd",
		"state=warnings":                    "Odd",
		"state=stale":                       "Late",
		"state=draft":                       "Current",
		"state=failing":                     "",
		"source=manual":                     "Current Late Odd",
		"source=followed":                   "",
		"source=watched":                    "",
		"bundle=COM.example.late":           "Late",
		"bundle=com.example":                "",
		"q=example.curr":                    "Current",
		"q=late.APP":                        "Late",
		"q=odd":                             "Odd",
		"q=t":                               "Current Late",
		"q=example&state=stale":             "Late",
		"publisher=p&state=warnings&q=none": "",
	} {
		if got := b.listed(query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	b.api("GET", "/api/v1/titles?state=nonsense", "", 400)
	b.api("GET", "/api/v1/titles?source=nonsense", "", 400)
	for _, state := range []string{"failing", "draft"} {
		if w := call(b.server, "GET", "/api/v1/titles?state="+state, "", nil); w.Code != 401 {
			t.Errorf("%s without a token: status %d", state, w.Code)
		}
	}
	var page wire.TitlePage
	if err := json.Unmarshal([]byte(b.api("GET", "/api/v1/titles?q=odd", "", 200)), &page); err != nil {
		t.Fatal(err)
	}
	if one := page.Titles[0]; one.Warnings == nil || *one.Warnings == 0 || one.Released == nil || one.Updated.IsZero() {
		t.Errorf("the title in the list: %+v", one)
	}
}

// A page of a filtered list ends with a cursor that leads to the rest.
func TestPagesOfFilteredTitles(t *testing.T) {
	b := newEditorBench(t)
	for _, id := range []string{"A", "B", "C", "D"} {
		b.api("POST", "/api/v1/title", titleWith(id), 201)
	}
	if err := b.server.Survey.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	var page wire.TitlePage
	first := b.api("GET", "/api/v1/titles?state=warnings&limit=3", "", 200)
	if err := json.Unmarshal([]byte(first), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Titles) != 3 || page.Next == nil {
		t.Fatalf("%d titles, next %v", len(page.Titles), page.Next)
	}
	if got := b.listed("state=warnings&limit=3&cursor=" + *page.Next); got != "D" {
		t.Errorf("the next page has %q", got)
	}
}

func TestOverview(t *testing.T) {
	b := attentionBench(t)
	alice, _, err := b.server.Tokens.Issue(t.Context(), auth.Grant{
		Kind: auth.Contributor, Contributor: "alice", Expires: time.Now().AddDate(0, 0, 7), Name: "soon",
	})
	if err != nil {
		t.Fatal(err)
	}
	var admin, own wire.Overview
	for token, o := range map[string]*wire.Overview{b.token: &admin, alice: &own} {
		w := call(b.server, "GET", "/api/v1/overview", "", bearer(token))
		if w.Code != 200 || json.Unmarshal(w.Body.Bytes(), o) != nil {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
	if !admin.Complete || admin.Titles != 3 || len(admin.Releases) != 14 {
		t.Errorf("complete %v, %d titles, %d days", admin.Complete, admin.Titles, len(admin.Releases))
	}
	for name, c := range map[string]struct {
		got  wire.Attention
		want []string
	}{
		"warnings": {admin.Warnings, []string{"Odd"}},
		"stale":    {admin.Stale, []string{"Late"}},
		"drafts":   {admin.Drafts, []string{"Current"}},
		"sources":  {admin.Sources, []string{}},
		"feeds":    {admin.Feeds, []string{}},
	} {
		if c.got.Count != len(c.want) || !slices.Equal(c.got.IDs, c.want) {
			t.Errorf("%s: got %+v, want %v", name, c.got, c.want)
		}
	}
	if admin.Tokens.Count != 1 || own.Tokens.Count != 1 {
		t.Errorf("the token that expires in a week: %+v for administrators, %+v for its holder",
			admin.Tokens, own.Tokens)
	}
	versions := 0
	for _, d := range admin.Releases {
		versions += d.Versions
	}
	if versions != 2 { // of 1 and 8 days ago
		t.Errorf("%d versions in 14 days, want 2: %+v", versions, admin.Releases)
	}
	if own.Titles != 0 || own.Warnings.Count != 0 || own.Drafts.Count != 0 {
		t.Errorf("a contributor without titles sees %+v", own)
	}
	b.api("DELETE", "/api/v1/titles/Odd", "", 200)
	if got := b.api("GET", "/api/v1/overview", "", 200); !strings.Contains(got, `"titles":2`) ||
		!strings.Contains(got, `"warnings":{"count":0,"ids":[]}`) {
		t.Errorf("after a title was deleted: %s", got)
	}
	if w := call(b.server, "GET", "/api/v1/overview", "", nil); w.Code != 401 {
		t.Errorf("without a token: status %d", w.Code)
	}
}

// The overview of a title's token is about its title.
func TestOverviewOfTitleToken(t *testing.T) {
	b := attentionBench(t)
	odd, err := b.server.Catalog.Title("Odd")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := b.server.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.TitleToken, Titles: []string{odd.UID}})
	if err != nil {
		t.Fatal(err)
	}
	w := call(b.server, "GET", "/api/v1/overview", "", bearer(token))
	var o wire.Overview
	if w.Code != 200 || json.Unmarshal(w.Body.Bytes(), &o) != nil {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if o.Titles != 1 || o.Warnings.Count != 1 || o.Stale.Count != 0 || o.Drafts.Count != 0 {
		t.Errorf("got %+v", o)
	}
}

// Before the survey has run, lists say that nothing is known.
func TestListsBeforeTheSurvey(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New()})
	b := &editorBench{t, s, adminToken(t, s)}
	b.api("POST", "/api/v1/title", titleWith("Odd"), 201)
	if got := b.api("GET", "/api/v1/titles", "", 200); !strings.Contains(got, `"released":null,"warnings":null`) {
		t.Errorf("the list has %s", got)
	}
	if got := b.api("GET", "/api/v1/overview", "", 200); !strings.Contains(got, `"complete":false`) {
		t.Errorf("the overview is %s", got)
	}
}
