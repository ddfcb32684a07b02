package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
)

// The holder of an author's leaked token neither sees nor revokes the one that is mailed to the author.
func TestMailedTokenIsOutOfReach(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	def := parse(t, definition("App", "1"))
	res, err := p.catalog.Create(t.Context(), def, &catalog.CreateOptions{Author: "Ann"})
	if err != nil {
		t.Fatal(err)
	}
	grant := auth.Grant{Kind: auth.TitleToken, Titles: []string{res.Title.UID}}
	leaked := bearer(p.token(grant))
	mailed, id, err := p.auth.Recover(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	lacks(t, p.do("GET", "/api/v1/tokens", "", leaked...).Body.String(), id)
	expect(t, p.do("POST", "/api/v1/tokens/"+id+"/invalidate", "", leaked...), 404)
	expect(t, p.asAdmin("GET", "/api/v1/tokens", ""), 200, id)
	expect(t, p.do("POST", "/api/v1/title/App/version", versionJSON("2"), bearer(mailed)...), 201)
	expect(t, p.do("GET", "/api/v1/token", "", leaked...), 401)
}

// An administrator's token that expires manages the tokens of authors, which do not, and no administrator's that lasts
// longer.
func TestAdministratorThatExpires(t *testing.T) {
	b := withTokens(t)
	b.create("App")
	app, err := b.catalog.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	_, author, err := b.auth.Issue(t.Context(), auth.Grant{Kind: auth.TitleToken, Titles: []string{app.UID}})
	if err != nil {
		t.Fatal(err)
	}
	short := bearer(b.token(auth.Grant{Kind: auth.Administrator, Expires: time.Now().Add(time.Hour)}))
	expect(t, b.do("POST", "/api/v1/tokens/"+adminID(t, b)+"/invalidate", "", short...), 404)
	expect(t, b.do("POST", "/api/v1/tokens/"+author+"/invalidate", "", short...), 204)
}

// A call that is repeated does not mean another title than it did the first time.
func TestPlainIDsOfWholeIDs(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	token := bearer(p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"}))
	opts := &catalog.CreateOptions{Author: "macman", Contributor: "macman"}
	for _, id := range []string{"Zoom", "Zoom_macman"} {
		def := parse(t, definition(id, "1"))
		if err := def.Namespace("macman"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.catalog.Create(t.Context(), def, opts); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{200, 404} {
		expect(t, p.do("DELETE", "/api/v1/titles/Zoom_macman", "", token...), want)
	}
	if _, err := p.catalog.Title("Zoom_macman_macman"); err != nil {
		t.Error(err)
	}
}

// A token that is in a path by mistake is not logged.
func TestTokensAreNotLogged(t *testing.T) {
	b := withTokens(t)
	logged := newAccessLog(t, b.handler, b.logger(), nil)
	answer(logged, clientRequest(1, "POST", "/api/v1/tokens/"+b.admin+"/invalidate", "", ""))
	lacks(t, b.log.String(), b.admin)
	if !strings.Contains(b.log.String(), "/api/v1/tokens/pst_…/invalidate") {
		t.Errorf("the log: %s", b.log.String())
	}
}
