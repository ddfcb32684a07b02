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

// withTokens is a bench whose handler makes tokens.
func withTokens(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth})
	return b
}

func made(t *testing.T, w *httptest.ResponseRecorder) (token, id string) {
	t.Helper()
	var body struct {
		ID       string
		APIToken string `json:"api_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 201 ||
		w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return body.APIToken, body.ID
}

func TestTokens(t *testing.T) {
	b := withTokens(t)
	b.create("A", "B")
	scoped, id := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"titles_in_scope":["a","A"],"expires_in_days":30}`))
	other, _ := made(t, b.asAdmin("POST", "/api/v1/tokens", ""))
	if w := b.do("POST", "/api/v1/title", definition("C", "1"), "Authorization", "Bearer "+other); w.Code != 201 {
		t.Errorf("an administrator's: %d %s", w.Code, w.Body)
	}
	for _, c := range []struct {
		name, method, path, body, token string
		status                          int
		place                           string
	}{
		{"in scope", "POST", "/api/v1/title/A/version", versionJSON("2"), scoped, 201, ""},
		{"out of scope", "POST", "/api/v1/title/B/version", versionJSON("2"), scoped, 403, ""},
		{"a wider one", "POST", "/api/v1/tokens", `{}`, scoped, 403, ""},
		{"another's", "POST", "/api/v1/tokens", `{"titles_in_scope":["B"]}`, scoped, 403, ""},
		{"the same", "POST", "/api/v1/tokens", `{"titles_in_scope":["A"]}`, scoped, 201, ""},
		{"an empty scope is none", "POST", "/api/v1/tokens", `{"titles_in_scope":[]}`, b.admin, 201, ""},
		{"an administrator bound to titles", "POST", "/api/v1/tokens", `{"titles_in_scope":["A"],"administrator":true}`, b.admin, 400, "/administrator"},
		{"an end and none", "POST", "/api/v1/tokens", `{"never_expires":true,"expires_in_days":3}`, b.admin, 400, "/never_expires"},
		{"without end, by no administrator", "POST", "/api/v1/tokens", `{"never_expires":true,"titles_in_scope":["A"]}`, scoped, 403, ""},
		{"administration, by no administrator", "POST", "/api/v1/tokens", `{"administrator":true}`, other, 403, ""},
		{"a title that is not there", "POST", "/api/v1/tokens", `{"titles_in_scope":["A","No"]}`, b.admin, 400, "/titles_in_scope/1"},
		{"a scope of the wrong type", "POST", "/api/v1/tokens", `{"titles_in_scope":"A"}`, b.admin, 400, "/titles_in_scope"},
		{"too long", "POST", "/api/v1/tokens", `{"expires_in_days":366}`, b.admin, 400, "/expires_in_days"},
		{"no time", "POST", "/api/v1/tokens", `{"expires_in_days":0}`, b.admin, 400, "/expires_in_days"},
		{"days in words", "POST", "/api/v1/tokens", `{"expires_in_days":"1"}`, b.admin, 400, "/expires_in_days"},
		{"no object", "POST", "/api/v1/tokens", `[]`, b.admin, 400, ""},
		{"a slip in the scope", "POST", "/api/v1/tokens", `{"titles":["A"]}`, b.admin, 400, "/titles"},
		{"a slip in the time", "POST", "/api/v1/tokens", `{"titles_in_scope":["A"],"expires_in_day":3}`, b.admin, 400, "/expires_in_day"},
		{"nobody", "POST", "/api/v1/tokens", `{}`, "", 401, ""},
		{"nobody lists", "GET", "/api/v1/tokens", "", "", 401, ""},
		{"nobody ends", "POST", "/api/v1/tokens/" + id + "/invalidate", "", "", 401, ""},
		{"not one's own", "POST", "/api/v1/tokens/" + adminID(t, b) + "/invalidate", "", scoped, 404, ""},
		{"claimed", "POST", "/api/v1/token", "", "", 403, ""},
	} {
		w := b.do(c.method, c.path, c.body, "Authorization", "Bearer "+c.token)
		if c.token == "" {
			w = b.do(c.method, c.path, c.body)
		}
		if w.Code != c.status {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if c.place != "" && (len(problem(t, w).Errors) == 0 || problem(t, w).Errors[0].Path != c.place) {
			t.Errorf("%s: %s, want the place %s", c.name, w.Body, c.place)
		}
	}
	w := b.do("GET", "/api/v1/tokens", "", "Authorization", "Bearer "+scoped)
	if w.Code != 200 || strings.Count(w.Body.String(), `"id"`) != 2 ||
		!strings.Contains(w.Body.String(), `"titles_in_scope":["A"]`) ||
		strings.Contains(w.Body.String(), "pst_") {
		t.Errorf("what a holder sees: %d %s", w.Code, w.Body)
	}
	if !strings.Contains(w.Body.String(), `"made_with":"`+id+`"`) {
		t.Errorf("it does not say what a token was made with: %s", w.Body)
	}
	if w := b.asAdmin("POST", "/api/v1/tokens/"+id+"/invalidate", ""); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do("POST", "/api/v1/title/A/version", versionJSON("3"), "Authorization", "Bearer "+scoped); w.Code != 401 {
		t.Errorf("a revoked token: %d", w.Code)
	}
	if w := b.asAdmin("POST", "/api/v1/tokens/"+id+"/invalidate", ""); w.Code != 404 {
		t.Errorf("again: %d", w.Code)
	}
}

// An editor's token, which many scripts have, manages itself and what was made with it: not other scripts' tokens.
func TestEditorManagesItsOwn(t *testing.T) {
	b := withTokens(t)
	b.create("A")
	editor, id := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"name":"ci"}`))
	_, another := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"name":"another"}`))
	_, titles := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"titles_in_scope":["A"],"expires_in_days":3}`))
	with := []string{"Authorization", "Bearer " + editor}
	_, own := made(t, b.do("POST", "/api/v1/tokens", `{"titles_in_scope":["A"],"expires_in_days":3}`, with...))
	list := b.do("GET", "/api/v1/tokens", "", with...).Body.String()
	for _, c := range []struct {
		name, id string
		its      bool
	}{
		{"another editor's", another, false},
		{"a title's", titles, false},
		{"an administrator's", adminID(t, b), false},
		{"one that was made with it", own, true},
		{"itself", id, true},
	} {
		if listed := strings.Contains(list, `"id":"`+c.id+`"`); listed != c.its {
			t.Errorf("%s: listed: %v", c.name, listed)
		}
		want := 404
		if c.its {
			want = 204
		}
		if w := b.do("POST", "/api/v1/tokens/"+c.id+"/invalidate", "", with...); w.Code != want {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, want)
		}
	}
}

// Another administrator's token that was made with the last one ends with it, and the answer says what to do instead.
func TestReplacingTheLastAdministrator(t *testing.T) {
	b := withTokens(t)
	_, below := made(t, b.asAdmin("POST", "/api/v1/tokens", `{"name":"second","administrator":true}`))
	w := b.asAdmin("POST", "/api/v1/tokens/"+adminID(t, b)+"/invalidate", "")
	if w.Code != 409 || !strings.Contains(w.Body.String(), "made with it end with it") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.asAdmin("POST", "/api/v1/tokens/"+below+"/invalidate", ""); w.Code != 204 {
		t.Errorf("the other one: %d %s", w.Code, w.Body)
	}
}

func adminID(t *testing.T, b *bench) string {
	t.Helper()
	p, err := b.auth.Authenticate(t.Context(), b.admin)
	if err != nil {
		t.Fatal(err)
	}
	return p.TokenID
}

func TestClaimByHTTP(t *testing.T) {
	b := newBench(t, memstore.New())
	fresh, err := auth.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: fresh})
	code := fresh.ClaimCode()
	if w := b.do("POST", "/api/v1/token", `{"claim_code":"wrong"}`); w.Code != 403 ||
		problem(t, w).Rest["forbidden"] == nil {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := b.do("POST", "/api/v1/token", `{"claim_code":"`+code+`"}`)
	var body struct {
		Token string `json:"token_created"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := b.do("POST", "/api/v1/title", definition("A", "1"), "Authorization", "Bearer "+body.Token); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.do("POST", "/api/v1/token", `{"claim_code":"`+code+`"}`); w.Code != 403 {
		t.Errorf("again: %d", w.Code)
	}
}

// Who makes a token is told what it is good for.
func TestMadeTokens(t *testing.T) {
	b := withTokens(t)
	b.create("A")
	for body, says := range map[string]string{
		`{}`:                                    `"kind":"editor","titles_in_scope":null,"expires":"20`,
		`{"titles_in_scope":[]}`:                `"kind":"editor","titles_in_scope":null,"expires":"20`,
		`{"name":"build","never_expires":true}`: `"name":"build","kind":"editor","titles_in_scope":null,"expires":null`,
		`{"titles_in_scope":["a"],"expires_in_days":3}`: `"kind":"title"`,
		`{"titles_in_scope":["A"]}`:                     `"titles_in_scope":["A"]`,
	} {
		if w := b.asAdmin("POST", "/api/v1/tokens", body); w.Code != 201 || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := b.asAdmin("POST", "/api/v1/tokens", `{"expires_in_days":3,"administrator":true}`); !strings.Contains(
		w.Body.String(),
		`"kind":"administrator"`,
	) ||
		!strings.Contains(w.Body.String(), `"expires":"20`) ||
		!strings.Contains(w.Body.String(), `"titles_in_scope":null`) {
		t.Errorf("%s", w.Body)
	}
}

// A token says of itself what it is for.
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
		{"an administrator's", b.admin, 200, []string{`"kind":"administrator"`, `"titles_in_scope":null`, `"contributor":null`, `"expires":null`}},
		{"a title's", scoped, 200, []string{`"kind":"title"`, `"titles_in_scope":["B"]`, `"contributor":null`, `"expires":"20`}},
		{"a contributor's", contributor, 200, []string{`"kind":"contributor"`, `"titles_in_scope":null`, `"contributor":"macman"`}},
		{"none", "", 401, nil},
		{"a wrong one", "pst_wrong", 401, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := b.do("GET", "/api/v1/token", "", "Authorization", "Bearer "+c.token)
			if w.Code != c.status || w.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			for _, want := range c.says {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("%s: it does not say %s", w.Body, want)
				}
			}
			if c.token != "" && strings.Contains(w.Body.String(), c.token) {
				t.Error("the secret is told")
			}
		})
	}
	// The title is gone, and with it all that the token was for.
	if w := b.asAdmin("DELETE", "/api/v1/title/B", ""); w.Code != 204 {
		t.Fatalf("%d", w.Code)
	}
	if w := b.do("GET", "/api/v1/token", "", "Authorization", "Bearer "+scoped); w.Code != 401 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// Without tokens of our own, who has another authentication is told too.
	b.handler = newHandler(t, b.cat, &httpapi.Options{Authenticate: httpapi.BearerTokens(b.auth)})
	if w := b.asAdmin("GET", "/api/v1/token", ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.asAdmin("POST", "/api/v1/token", ""); w.Code != 405 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
