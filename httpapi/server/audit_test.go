package server_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/store/memstore"
)

// Changes are in the audit log with the token that they were made with, also those through Title Editor's API.
func TestAudit(t *testing.T) {
	records := memstore.New()
	s := open(t, server.Config{Store: records})
	b := &editorBench{t, s, adminToken(t, s)}
	token, id, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Editor, Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	ci := &editorBench{t, s, token}
	b.api("POST", "/api/v1/title", titleWith("App"), 201)
	ci.api("POST", "/api/v1/title/App/version", versionOf("2"), 201)
	b.api("POST", "/api/v1/title", titleWith("Other"), 201)
	ci.api("GET", "/api/v1/audit", "", 403)
	if w := call(s, "GET", "/api/v1/audit", "", nil); w.Code != 401 {
		t.Errorf("without a token: status %d", w.Code)
	}
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	c, err := client.New(listener.URL, &client.Options{Token: b.token})
	if err != nil {
		t.Fatal(err)
	}
	actions := func(f *client.AuditFilter) string {
		var all []string
		for e, err := range c.Audit(t.Context(), f) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Action+" "+e.Details["title"])
		}
		return strings.Join(all, ", ")
	}
	if got := actions(nil); got != "title created Other, versions added App, title created App" {
		t.Errorf("the log has %s", got)
	}
	if got := actions(&client.AuditFilter{Title: "app"}); got != "versions added App, title created App" {
		t.Errorf("of the title App, the log has %s", got)
	}
	if got := actions(&client.AuditFilter{Token: id}); got != "versions added App" {
		t.Errorf("of the token ci, the log has %s", got)
	}
	var page wire.AuditPage
	if err := json.Unmarshal([]byte(b.api("GET", "/api/v1/audit?limit=1&token="+id, "", 200)), &page); err != nil {
		t.Fatal(err)
	}
	if e := page.Entries[0]; e.Token == nil || e.Token.Name != "ci" || e.Token.ID != id || e.At.IsZero() {
		t.Errorf("the entry is %+v", e)
	}
	for _, limit := range []string{"0", "1001", "x"} {
		b.api("GET", "/api/v1/audit?limit="+limit, "", 400)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, server.Config{Store: records})
	w := call(again, "GET", "/api/v1/audit", "", bearer(b.token))
	if w.Code != 200 || strings.Count(w.Body.String(), `"action"`) != 3 {
		t.Errorf("after the server was opened again: status %d: %s", w.Code, w.Body)
	}
}
