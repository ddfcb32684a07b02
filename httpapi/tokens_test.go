package httpapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/store/memstore"
)

// withTokens returns a bench whose handler makes tokens.
func withTokens(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
	return b
}

// made returns the token in an answer, and its id.
func made(t *testing.T, w *httptest.ResponseRecorder) (token, id string) {
	t.Helper()
	require(t, w, 201)
	var body struct {
		ID       string
		APIToken string `json:"api_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the answer with a token may be kept: %v", w.Header())
	}
	return body.APIToken, body.ID
}

// adminID returns the id of the administrator's token.
func adminID(t *testing.T, b *bench) string {
	t.Helper()
	p, err := b.auth.Authenticate(t.Context(), b.admin)
	if err != nil {
		t.Fatal(err)
	}
	return p.TokenID
}

// A token makes tokens that reach no further than itself.
func TestTokens(t *testing.T) {
	b := withTokens(t)
	b.create("A", "B")
	scoped, id := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"titles_in_scope":["a","A"],"expires_in_days":30}`))
	editor, _ := made(t, b.asAdmin("POST", "/api/v1/tokens", ""))
	expect(t, b.do("POST", "/api/v1/title", definition("C", "1"), bearer(editor)...), 201)
	expect(t, b.do("POST", "/api/v1/title/A/version", versionJSON("2"), bearer(scoped)...), 201)
	expect(t, b.do("POST", "/api/v1/title/B/version", versionJSON("2"), bearer(scoped)...), 403)
	for _, c := range []struct {
		name, body, token string
		status            int
		place             string
	}{
		{"no titles", `{}`, scoped, 403, ""},
		{"another title", `{"titles_in_scope":["B"]}`, scoped, 403, ""},
		{"same title", `{"titles_in_scope":["A"]}`, scoped, 201, ""},
		{"empty scope", `{"titles_in_scope":[]}`, b.admin, 201, ""},
		{"administrator of titles", `{"titles_in_scope":["A"],"administrator":true}`, b.admin, 400, "/administrator"},
		{"two lifetimes", `{"never_expires":true,"expires_in_days":3}`, b.admin, 400, "/never_expires"},
		{"endless, by a title's", `{"never_expires":true,"titles_in_scope":["A"]}`, scoped, 403, ""},
		{"administrator, by an editor", `{"administrator":true}`, editor, 403, ""},
		{"unknown title", `{"titles_in_scope":["A","No"]}`, b.admin, 400, "/titles_in_scope/1"},
		{"scope of the wrong type", `{"titles_in_scope":"A"}`, b.admin, 400, "/titles_in_scope"},
		{"too long", `{"expires_in_days":366}`, b.admin, 400, "/expires_in_days"},
		{"too short", `{"expires_in_days":0}`, b.admin, 400, "/expires_in_days"},
		{"days of the wrong type", `{"expires_in_days":"1"}`, b.admin, 400, "/expires_in_days"},
		{"no object", `[]`, b.admin, 400, ""},
		{"misspelled scope", `{"titles":["A"]}`, b.admin, 400, "/titles"},
		{"misspelled lifetime", `{"titles_in_scope":["A"],"expires_in_day":3}`, b.admin, 400, "/expires_in_day"},
		{"no token", `{}`, "", 401, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := b.do("POST", "/api/v1/tokens", c.body, bearer(c.token)...)
			expect(t, w, c.status)
			if c.place != "" && places(t, w) != c.place {
				t.Errorf("got failures at %q, want %q", places(t, w), c.place)
			}
		})
	}
	expect(t, b.do("GET", "/api/v1/tokens", ""), 401)
	expect(t, b.do("POST", "/api/v1/token", ""), 403) // the server has an administrator

	// The holder of a token sees it, and the one that it made.
	w := b.do("GET", "/api/v1/tokens", "", bearer(scoped)...)
	expect(t, w, 200, `"titles_in_scope":["A"]`, `"made_with":"`+id+`"`)
	lacks(t, w.Body.String(), "pst_")
	if n := strings.Count(w.Body.String(), `"id"`); n != 2 {
		t.Errorf("got %d tokens, want 2: %s", n, w.Body)
	}
}

func TestInvalidateToken(t *testing.T) {
	b := withTokens(t)
	b.create("A")
	scoped, id := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"titles_in_scope":["A"]}`))
	expect(t, b.do("POST", "/api/v1/tokens/"+id+"/invalidate", ""), 401)
	expect(t, b.do("POST", "/api/v1/tokens/"+adminID(t, b)+"/invalidate", "", bearer(scoped)...), 404)
	expect(t, b.asAdmin("POST", "/api/v1/tokens/"+id+"/invalidate", ""), 204)
	expect(t, b.do("POST", "/api/v1/title/A/version", versionJSON("3"), bearer(scoped)...), 401)
	expect(t, b.asAdmin("POST", "/api/v1/tokens/"+id+"/invalidate", ""), 404)
}

// An editor's token, which many scripts have, manages itself and the tokens that were made with it, and none of other
// scripts.
func TestEditorManagesItsOwn(t *testing.T) {
	b := withTokens(t)
	b.create("A")
	ofA := `{"titles_in_scope":["A"],"expires_in_days":3}`
	token, id := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"name":"ci"}`))
	_, another := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"name":"another"}`))
	_, titles := made(t, b.asAdmin("POST", "/api/v1/tokens", ofA))
	editor := bearer(token)
	_, own := made(t, b.do("POST", "/api/v1/tokens", ofA, editor...))
	list := b.do("GET", "/api/v1/tokens", "", editor...).Body.String()
	for _, c := range []struct {
		name, id string
		managed  bool
	}{
		{"another editor's", another, false},
		{"a title's", titles, false},
		{"an administrator's", adminID(t, b), false},
		{"one that was made with it", own, true},
		{"itself", id, true},
	} {
		if got := strings.Contains(list, `"id":"`+c.id+`"`); got != c.managed {
			t.Errorf("%s: is listed: %v, want %v", c.name, got, c.managed)
		}
		want := 404
		if c.managed {
			want = 204
		}
		expect(t, b.do("POST", "/api/v1/tokens/"+c.id+"/invalidate", "", editor...), want)
	}
}

// The last administrator's token is revoked only on confirmation. The tokens that were made with it are
// revoked, too.
func TestLastAdministrator(t *testing.T) {
	b := withTokens(t)
	_, second := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"name":"second","administrator":true}`))
	path := "/api/v1/tokens/" + adminID(t, b) + "/invalidate"
	expect(t, b.asAdmin("POST", path, ""), 409, "made with it end with it")
	expect(t, b.asAdmin("POST", "/api/v1/tokens/"+second+"/invalidate", ""), 204)
	expect(t, b.asAdmin("POST", path+"?confirm=last-administrator", ""), 204)
}

func TestClaim(t *testing.T) {
	b := newBench(t, memstore.New())
	fresh, err := auth.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: fresh})
	expect(t, b.do("POST", "/api/v1/token", `{"claim_code":"wrong"}`), 403, `"forbidden"`)
	claim := `{"claim_code":"` + fresh.ClaimCode() + `"}`
	w := b.do("POST", "/api/v1/token", claim)
	require(t, w, 201)
	var body struct {
		Token string `json:"token_created"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	expect(t, b.do("POST", "/api/v1/title", definition("A", "1"), bearer(body.Token)...), 201)
	expect(t, b.do("POST", "/api/v1/token", claim), 403)
}

// The answer to a new token says what it may do.
func TestNewTokens(t *testing.T) {
	b := withTokens(t)
	b.create("A")
	for body, says := range map[string]string{
		`{}`:                                    `"kind":"editor","titles_in_scope":null,"expires":"20`,
		`{"titles_in_scope":[]}`:                `"kind":"editor","titles_in_scope":null,"expires":"20`,
		`{"name":"build","never_expires":true}`: `"name":"build","kind":"editor","titles_in_scope":null,"expires":null`,
		`{"titles_in_scope":["a"],"expires_in_days":3}`: `"kind":"title"`,
		`{"titles_in_scope":["A"]}`:                     `"titles_in_scope":["A"]`,
		`{"expires_in_days":3,"administrator":true}`:    `"kind":"administrator","titles_in_scope":null,"expires":"20`,
	} {
		expect(t, b.asAdmin("POST", "/api/v1/tokens", body), 201, says)
	}
}

// A client learns from a token what it may do.
func TestSelf(t *testing.T) {
	b := withTokens(t)
	b.create("A", "B")
	scoped, _ := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"titles_in_scope":["b"],"expires_in_days":30}`))
	contributor := b.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"})
	for _, c := range []struct {
		name, token string
		status      int
		says        []string
	}{
		{
			"administrator's", b.admin, 200,
			[]string{`"kind":"administrator","titles_in_scope":null,"contributor":null,"expires":null`},
		},
		{
			"title's", scoped, 200,
			[]string{`"kind":"title","titles_in_scope":["B"],"contributor":null,"expires":"20`},
		},
		{
			"contributor's", contributor, 200,
			[]string{`"kind":"contributor","titles_in_scope":null,"contributor":"macman"`},
		},
		{"none", "", 401, nil},
		{"unknown", "pst_wrong", 401, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := b.do("GET", "/api/v1/token", "", bearer(c.token)...)
			expect(t, w, c.status, c.says...)
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("the answer may be kept: %v", w.Header())
			}
			if c.token != "" {
				lacks(t, w.Body.String(), c.token)
			}
		})
	}
	// A title's token is no longer valid once the title is deleted.
	require(t, b.asAdmin("DELETE", "/api/v1/title/B", ""), 204)
	expect(t, b.do("GET", "/api/v1/token", "", bearer(scoped)...), 401)
	// A server without tokens of its own tells the users of another authentication what they may do.
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Authenticate: httpapi.BearerTokens(b.auth)})
	expect(t, b.asAdmin("GET", "/api/v1/token", ""), 200)
	expect(t, b.asAdmin("POST", "/api/v1/token", ""), 405)
}
