package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A token that was mailed to an owner who has lost control of another one is not seen, and not ended, with that one.
func TestMailedTokenIsOutOfReach(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	def := parse(t, definition("App", "1"))
	res, err := p.cat.Create(t.Context(), def, &catalog.CreateOptions{Author: "Ann"})
	if err != nil {
		t.Fatal(err)
	}
	g := auth.Grant{Kind: auth.TitleToken, Titles: []string{res.Title.UID}}
	leaked := p.token(g)
	mailed, id, err := p.auth.Recover(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if w := p.do("GET", "/api/v1/tokens", "", "Authorization", "Bearer "+leaked); strings.Contains(
		w.Body.String(),
		id,
	) {
		t.Errorf("it is listed: %s", w.Body)
	}
	if w := p.do("POST", "/api/v1/tokens/"+id+"/invalidate", "", "Authorization", "Bearer "+leaked); w.Code != 404 {
		t.Errorf("it is ended: %d %s", w.Code, w.Body)
	}
	if w := p.asAdmin("GET", "/api/v1/tokens", ""); !strings.Contains(w.Body.String(), id) {
		t.Errorf("an administrator does not see it: %s", w.Body)
	}
	if w := p.do("POST", "/api/v1/title/App/version", versionJSON("2"), "Authorization", "Bearer "+mailed); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.do("GET", "/api/v1/token", "", "Authorization", "Bearer "+leaked); w.Code != 401 {
		t.Errorf("the leaked one: %d %s", w.Code, w.Body)
	}
}

// An administrator's token with an end manages every author's, which have none, and no administrator's that lives longer.
func TestAdministratorWithAnEnd(t *testing.T) {
	b := withTokens(t)
	b.create("App")
	app, err := b.cat.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	_, author, err := b.auth.Issue(t.Context(), auth.Grant{Kind: auth.TitleToken, Titles: []string{app.UID}})
	if err != nil {
		t.Fatal(err)
	}
	short := b.token(auth.Grant{Kind: auth.Administrator, Expires: time.Now().Add(time.Hour)})
	if w := b.do("POST", "/api/v1/tokens/"+adminID(t, b)+"/invalidate", "", "Authorization", "Bearer "+short); w.Code != 404 {
		t.Errorf("an administrator's that never ends: %d %s", w.Code, w.Body)
	}
	if w := b.do("POST", "/api/v1/tokens/"+author+"/invalidate", "", "Authorization", "Bearer "+short); w.Code != 204 {
		t.Errorf("an author's: %d %s", w.Code, w.Body)
	}
}

// A call that is made once more does not mean another title than it did the first time.
func TestPlainIDsOfWholeIDs(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"})
	for _, id := range []string{"Zoom", "Zoom_macman"} {
		def := parse(t, definition(id, "1"))
		if err := def.Namespace("macman"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.cat.Create(t.Context(), def, &catalog.CreateOptions{Author: "macman", Contributor: "macman"}); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{200, 404} {
		if w := p.do("DELETE", "/api/v1/titles/Zoom_macman", "", "Authorization", "Bearer "+token); w.Code != want {
			t.Errorf("time %d: %d %s", i, w.Code, w.Body)
		}
	}
	if _, err := p.cat.Title("Zoom_macman_macman"); err != nil {
		t.Error(err)
	}
}
