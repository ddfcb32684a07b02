package webui_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// tokensAPI returns an API with four tokens: the visitor's, an editor's, a title's that was made with the editor's, and
// one that was made with the title's.
func tokensAPI(more func(w http.ResponseWriter, r *http.Request) bool) *fakeAPI {
	return &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if more != nil && more(w, r) {
			return true
		}
		switch {
		case r.Method == "GET" && r.URL.Path == "/api/v1/tokens":
			fmt.Fprint(w, `{"tokens":[
				{"id":"a","name":"mine","kind":"administrator","titles_in_scope":null,"created":"2026-01-01T00:00:00Z"},
				{"id":"b","name":"<b>build</b>","kind":"editor","created":"2026-01-01T00:00:00Z"},
				{"id":"c","kind":"title","titles_in_scope":["x","y"],"made_with":"b","created":"2026-01-01T00:00:00Z"},
				{"id":"d","kind":"title","titles_in_scope":["x"],"made_with":"c","created":"2026-01-01T00:00:00Z"}]}`)
		case strings.HasSuffix(r.URL.Path, "/invalidate"):
			w.WriteHeader(204)
		default:
			return false
		}
		return true
	}}
}

// No link and no single click revokes a token: a page asks for confirmation, and says what happens.
func TestRevokingATokenAsks(t *testing.T) {
	for _, test := range []struct {
		name, id string
		status   int
		texts    []string
		not      string
	}{
		{
			"the visitor's own", "a", 200,
			[]string{"Revoke mine?", "you will be signed out", "administrator’s token", "not made with it"},
			"type its id",
		},
		{
			"another's", "b", 200,
			[]string{
				"Revoke &lt;b&gt;build&lt;/b&gt;?", "all titles (editor)", "do the 2 tokens that were made with it",
				"<code>c</code>", "<code>d</code>",
			},
			"signed out",
		},
		{
			"without a name", "c", 200,
			[]string{"Revoke c?", "x, y", "does the token that was made with it", "<code>d</code>"}, "signed out",
		},
		{"with none below it", "d", 200, []string{"Revoke d?", "stops working at once."}, "made with it"},
		{"missing", "z", 404, []string{"This token does not exist."}, "Revoke the token"},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := tokensAPI(nil)
			w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "GET", "/tokens/"+test.id+"/invalidate", "")
			wantPage(t, w, test.status, test.texts...)
			wantTexts(t, w, map[string]bool{test.not: false})
			if len(api.changes()) > 0 {
				t.Errorf("the API was asked %v", api.changes())
			}
		})
	}
	// The list has links to these pages, and no form that revokes a token at once.
	w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: tokensAPI(nil)}), "GET", "/tokens", "")
	if n := strings.Count(w.Body.String(), `/invalidate"`); n != 4 {
		t.Errorf("the list has %d links: %s", n, w.Body)
	}
	wantTexts(t, w, map[string]bool{
		`/invalidate"><button`: false, "mine<br>": true, "&lt;b&gt;build&lt;/b&gt;": true, "all titles (editor)": true,
		"x, y": true,
	})
}

func TestRevokeAToken(t *testing.T) {
	last := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" || r.URL.Query().Get("confirm") == "last-administrator" {
			return false
		}
		w.WriteHeader(409)
		fmt.Fprint(w, `{"message":"This is the last administrator's token."}`)
		return true
	}
	with := func(n string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Revoked-Tokens", n)
			return false
		}
	}
	for _, test := range []struct {
		name, id, form string
		api            func(http.ResponseWriter, *http.Request) bool
		status         int
		requests       []string
		text           string // on this page, or on the next
		signedOut      bool
	}{
		{
			"another's", "b", "", nil, 303, []string{"POST /api/v1/tokens/b/invalidate"}, "The token b was revoked.",
			false,
		},
		{
			"with one below it", "b", "", with("1"), 303, []string{"POST /api/v1/tokens/b/invalidate"},
			"The token b was revoked, together with the token that was made with it.", false,
		},
		{
			"with many below it", "b", "", with("7"), 303, []string{"POST /api/v1/tokens/b/invalidate"},
			"The token b was revoked, together with the 7 tokens that were made with it.", false,
		},
		{
			"the visitor's own", "a", "", nil, 303, []string{"POST /api/v1/tokens/a/invalidate"},
			"Your token was revoked, and you are signed out.", true,
		},
		{
			"the last administrator's", "a", "", last, 409, []string{"POST /api/v1/tokens/a/invalidate"},
			"This is the last administrator&#39;s token.", false,
		},
		{"the last, nothing typed", "a", "confirm=", last, 400, nil, "This is not the id of the token", false},
		{"the last, another id typed", "a", "confirm=b", last, 400, nil, "This is not the id of the token", false},
		{
			"the last, its id typed", "a", "confirm=+a+", last, 303,
			[]string{"POST /api/v1/tokens/a/invalidate?confirm=last-administrator"}, "you are signed out", true,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := tokensAPI(test.api)
			h := newPage(oneTitle(), &webui.Options{API: api})
			w := sendAsAdmin(h, "POST", "/tokens/"+test.id+"/invalidate", test.form)
			if diff := cmp.Diff(test.requests, api.changes()); diff != "" {
				t.Errorf("the API was asked otherwise (-want +got):\n%s", diff)
			}
			if c := cookie(w, "patchsource_token"); (c != nil && c.MaxAge < 0) != test.signedOut {
				t.Errorf("the token's cookie is %v, want it deleted: %v", c, test.signedOut)
			}
			if test.status == 303 {
				wantPage(t, notice(t, h, w), 200, test.text)
			} else {
				wantPage(t, w, test.status, test.text, `name="confirm" required`)
			}
		})
	}
}

// An incomplete form creates no token.
func TestCreateAToken(t *testing.T) {
	const scope, lifetime = "choose a scope", "a number from 1 to 365"
	for _, test := range []struct {
		name, form string
		want       string // the request for the API; empty: there is none
		texts      []string
	}{
		{
			"an empty form", "", "",
			[]string{"No token was created", "enter a name", scope, lifetime},
		},
		{"no name", "for=all&days=365", "", []string{"enter a name"}},
		{"no scope", "name=n&days=365", "", []string{scope}},
		{"an unknown scope", "name=n&for=nonsense&days=365", "", []string{scope}},
		{"no lifetime", "name=n&for=all", "", []string{lifetime}},
		{"a long lifetime", "name=n&for=all&days=366", "", []string{lifetime}},
		{"no days", "name=n&for=all&days=0", "", []string{lifetime}},
		{"an invalid lifetime", "name=n&for=all&days=soon", "", []string{lifetime, `value="soon"`}},
		{"no titles", "name=n&for=titles&days=7&titles=+%2C+", "", []string{"enter at least one title"}},
		{
			"titles, but all of them", "name=n&for=all&days=7&titles=x", "",
			[]string{"leave this empty", `value="x"`},
		},
		{
			"titles, but an administrator's", "name=n&for=administrator&days=7&titles=x", "",
			[]string{"leave this empty"},
		},
		{"an editor's", "name=+n+&for=all&days=365&titles=", `{"name":"n","expires_in_days":365}`, []string{"pst_new"}},
		{
			"titles", "name=n&for=titles&days=7&titles=x%2C+y",
			`{"name":"n","expires_in_days":7,"titles_in_scope":["x","y"]}`, []string{"pst_new"},
		},
		{
			"an administrator's", "name=n&for=administrator&days=30",
			`{"name":"n","expires_in_days":30,"administrator":true}`, []string{"pst_new"},
		},
		{
			"without an end", "name=n&for=administrator&days=365&never=1",
			`{"name":"n","never_expires":true,"administrator":true}`, []string{"pst_new"},
		},
		{
			"without an end and without days", "name=n&for=all&never=1", `{"name":"n","never_expires":true}`,
			[]string{"pst_new"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := tokensAPI(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == "POST" {
					fmt.Fprint(w, `{"message":"The token is shown this once.","id":"n","api_token":"pst_new"}`)
				}
				return r.Method == "POST"
			})
			w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "POST", "/tokens", test.form)
			if test.want == "" {
				wantPage(t, w, 400, test.texts...)
				if len(api.changes()) > 0 {
					t.Errorf("the API was asked %v", api.changes())
				}
				return
			}
			wantPage(t, w, 200, test.texts...)
			if diff := cmp.Diff(object(t, test.want), object(t, api.lastBody())); diff != "" {
				t.Errorf("the request differs (-want +got):\n%s", diff)
			}
		})
	}
}

// object decodes a JSON object.
func object(t *testing.T, text string) (value map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%s is not an object: %v", text, err)
	}
	return value
}

// The form offers the scopes that the visitor's own token can make.
func TestTokenFormOffers(t *testing.T) {
	for kind, want := range map[string]string{
		`"administrator"`:                  "all* titles administrator never",
		`"editor"`:                         "all* titles",
		`"contributor","contributor":"me"`: "all* titles",
		`"title","titles_in_scope":["x"]`:  "titles*",
	} {
		api := tokensAPI(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/api/v1/token" {
				fmt.Fprint(w, `{"id":"a","kind":`+kind+`}`)
			}
			return r.URL.Path == "/api/v1/token"
		})
		body := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "GET", "/tokens", "").Body.String()
		var got []string
		for _, m := range regexp.MustCompile(`name="for" value="([a-z]+)"( checked)?`).FindAllStringSubmatch(body, -1) {
			got = append(got, m[1]+strings.Repeat("*", len(m[2])/len(" checked")))
		}
		if strings.Contains(body, `name="never"`) {
			got = append(got, "never")
		}
		if strings.Join(got, " ") != want || !strings.Contains(body, `name="days" value="365"`) {
			t.Errorf("%s is offered %v, want %s", kind, got, want)
		}
	}
}

// The page shows the API's errors at the fields that they belong to, and the others with their paths.
func TestTokenRefused(t *testing.T) {
	api := tokensAPI(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"message":"Refused.","errors":[{"path":"/name","message":"is too long"},
				{"path":"/titles_in_scope/0","message":"there is no title 'q'"}]}`)
		}
		return r.Method == "POST"
	})
	h := newPage(oneTitle(), &webui.Options{API: api})
	w := sendAsAdmin(h, "POST", "/tokens", "name=n&for=titles&titles=q&days=7")
	wantPage(t, w, 400, "Refused.", `id="fault-name" role="alert">is too long`,
		"<code>/titles_in_scope/0</code> there is no title", `value="q"`, `value="titles" checked`)
}
