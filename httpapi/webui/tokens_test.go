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

// tokensDesk is an API with four tokens: the visitor's, an editor's, a title's that was made with that, and one
// that was made with the title's.
func tokensDesk(more func(w http.ResponseWriter, r *http.Request) bool) *desk {
	return &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
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

// No link and no single click ends a token: a page asks first, and says what happens.
func TestRevokingATokenAsks(t *testing.T) {
	for _, c := range []struct {
		name, id string
		status   int
		says     []string
		not      string
	}{
		{
			"one's own", "a", 200,
			[]string{"Revoke mine?", "you are signed out then", "administrator’s token", "not made with it"},
			"type its id",
		},
		{
			"another's", "b", 200, []string{"Revoke &lt;b&gt;build&lt;/b&gt;?", "every title (editor)", "do the 2 tokens that were made with it", "<code>c</code>", "<code>d</code>"},
			"signed out",
		},
		{"without a name", "c", 200, []string{"Revoke c?", "x, y", "does the token that was made with it", "<code>d</code>"}, "signed out"},
		{"with nothing below it", "d", 200, []string{"Revoke d?", "opens nothing from then on."}, "made with it"},
		{"one that is not there", "z", 404, []string{"There is no such token."}, "Revoke the token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := tokensDesk(nil)
			h := newPage(some(), &webui.Options{API: d})
			w := send(h, "GET", "/tokens/"+c.id+"/invalidate", "", "Cookie", asAdmin)
			if w.Code != c.status || strings.Contains(w.Body.String(), c.not) || len(d.changes()) > 0 {
				t.Errorf("%d %v %s", w.Code, d.changes(), w.Body)
			}
			for _, want := range c.says {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("it does not say %s: %s", want, w.Body)
				}
			}
		})
	}
	// The list has links to these pages, and no form that ends a token at once.
	body := send(newPage(some(), &webui.Options{API: tokensDesk(nil)}), "GET", "/tokens", "", "Cookie",
		asAdmin).Body.String()
	if n := strings.Count(body, `/invalidate"`); n != 4 || strings.Contains(body, `/invalidate"><button`) {
		t.Errorf("%d links: %s", n, body)
	}
	for _, want := range []string{"mine<br>", "&lt;b&gt;build&lt;/b&gt;", "every title (editor)", "x, y"} {
		if !strings.Contains(body, want) {
			t.Errorf("the list does not say %s", want)
		}
	}
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
	for _, c := range []struct {
		name, id, form string
		api            func(http.ResponseWriter, *http.Request) bool
		status         int
		asks           []string
		says           string // on this page, or on the next
		signedOut      bool
	}{
		{
			"another's", "b", "", nil, 303, []string{"POST /api/v1/tokens/b/invalidate"}, "The token b was revoked.",
			false,
		},
		{
			"with one below it", "b", "", with("1"), 303, []string{"POST /api/v1/tokens/b/invalidate"},
			"The token b was revoked, with the one made with it.", false,
		},
		{
			"with many below it", "b", "", with("7"), 303, []string{"POST /api/v1/tokens/b/invalidate"},
			"The token b was revoked, with the 7 made with it.", false,
		},
		{
			"one's own", "a", "", nil, 303, []string{"POST /api/v1/tokens/a/invalidate"},
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
		t.Run(c.name, func(t *testing.T) {
			d := tokensDesk(c.api)
			h := newPage(some(), &webui.Options{API: d})
			w := send(h, "POST", "/tokens/"+c.id+"/invalidate", c.form, "Cookie", asAdmin)
			if diff := cmp.Diff(c.asks, d.changes()); diff != "" || w.Code != c.status {
				t.Errorf("%d %s", w.Code, diff)
			}
			text := w.Body.String()
			if w.Code == 303 {
				text = send(h, "GET", "/publish", "", "Cookie", "patchsource_said="+cookie(w,
					"patchsource_said").Value).Body.String()
			} else if !strings.Contains(text, `name="confirm" required`) {
				t.Errorf("it does not ask for the id: %s", text)
			}
			out := cookie(w, "patchsource_token")
			if !strings.Contains(text, c.says) || (out != nil && out.MaxAge < 0) != c.signedOut {
				t.Errorf("%v %s", out, text)
			}
		})
	}
}

// A form that leaves something out makes no token, least of all an administrator's.
func TestCreateAToken(t *testing.T) {
	for _, c := range []struct {
		name, form string
		want       string // the body that the API gets; empty: it is not asked
		says       []string
	}{
		{
			"an empty form", "", "",
			[]string{
				"No token was created", "give it a name", "choose what the token is for", "a number from 1 to 365",
			},
		},
		{"no name", "for=all&days=365", "", []string{"give it a name"}},
		{"no use", "name=n&days=365", "", []string{"choose what the token is for"}},
		{"a use that there is not", "name=n&for=nonsense&days=365", "", []string{"choose what the token is for"}},
		{"no end", "name=n&for=all", "", []string{"a number from 1 to 365"}},
		{"an end too far", "name=n&for=all&days=366", "", []string{"a number from 1 to 365"}},
		{"an end before now", "name=n&for=all&days=0", "", []string{"a number from 1 to 365"}},
		{
			"an end that is no number", "name=n&for=all&days=soon", "",
			[]string{"a number from 1 to 365", `value="soon"`},
		},
		{"titles, and none named", "name=n&for=titles&days=7&titles=+%2C+", "", []string{"name at least one title"}},
		{"titles named, but for all", "name=n&for=all&days=7&titles=x", "", []string{"leave this empty", `value="x"`}},
		{
			"titles named, but an administrator's", "name=n&for=administrator&days=7&titles=x", "",
			[]string{"leave this empty"},
		},
		{"an editor's", "name=+n+&for=all&days=365&titles=", `{"name":"n","expires_in_days":365}`, []string{"pst_new"}},
		{
			"for titles", "name=n&for=titles&days=7&titles=x%2C+y",
			`{"name":"n","expires_in_days":7,"titles_in_scope":["x","y"]}`, []string{"pst_new"},
		},
		{
			"an administrator's", "name=n&for=administrator&days=30",
			`{"name":"n","expires_in_days":30,"administrator":true}`, []string{"pst_new"},
		},
		{
			"for ever", "name=n&for=administrator&days=365&never=1",
			`{"name":"n","never_expires":true,"administrator":true}`, []string{"pst_new"},
		},
		{"for ever, without days", "name=n&for=all&never=1", `{"name":"n","never_expires":true}`, []string{"pst_new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := tokensDesk(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == "POST" {
					fmt.Fprint(w, `{"message":"The token is shown this once.","id":"n","api_token":"pst_new"}`)
				}
				return r.Method == "POST"
			})
			w := send(newPage(some(), &webui.Options{API: d}), "POST", "/tokens", c.form, "Cookie", asAdmin)
			if c.want == "" {
				if w.Code != 400 || len(d.changes()) > 0 {
					t.Errorf("%d %v", w.Code, d.changes())
				}
			} else if diff := cmp.Diff(object(t, c.want), object(t, d.bodies[len(d.bodies)-1])); diff != "" ||
				w.Code != 200 {
				t.Errorf("%d %s", w.Code, diff)
			}
			for _, want := range c.says {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("it does not say %s: %s", want, w.Body)
				}
			}
		})
	}
}

func object(t *testing.T, text string) (value map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}

// The form offers what the visitor's own token can make, and has what is best for most chosen.
func TestTokenFormOffers(t *testing.T) {
	for kind, want := range map[string]string{
		`"administrator"`:                  "all* titles administrator never",
		`"editor"`:                         "all* titles",
		`"contributor","contributor":"me"`: "all* titles",
		`"title","titles_in_scope":["x"]`:  "titles*",
	} {
		d := tokensDesk(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/api/v1/token" {
				fmt.Fprint(w, `{"id":"a","kind":`+kind+`}`)
			}
			return r.URL.Path == "/api/v1/token"
		})
		body := send(newPage(some(), &webui.Options{API: d}), "GET", "/tokens", "", "Cookie", asAdmin).Body.String()
		var got []string
		for _, m := range regexp.MustCompile(`name="for" value="([a-z]+)"( checked)?`).FindAllStringSubmatch(body, -1) {
			got = append(got, m[1]+strings.Repeat("*", len(m[2])/len(" checked")))
		}
		if strings.Contains(body, `name="never"`) {
			got = append(got, "never")
		}
		if strings.Join(got, " ") != want || !strings.Contains(body, `name="days" value="365"`) {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

// What the API has against a token is said at its field, or with its path.
func TestTokenRefused(t *testing.T) {
	d := tokensDesk(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			w.WriteHeader(400)
			fmt.Fprint(w,
				`{"message":"Refused.","errors":[{"path":"/name","message":"is too long"},
				{"path":"/titles_in_scope/0","message":"there is no title 'q'"}]}`)
		}
		return r.Method == "POST"
	})
	w := send(newPage(some(), &webui.Options{API: d}), "POST", "/tokens", "name=n&for=titles&titles=q&days=7",
		"Cookie", asAdmin)
	for _, want := range []string{
		"Refused.", `id="fault-name" role="alert">is too long`, "<code>/titles_in_scope/0</code> there is no title",
		`value="q"`, `value="titles" checked`,
	} {
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d: it does not say %s: %s", w.Code, want, w.Body)
		}
	}
}

// An editor is offered what an editor may do.
func TestEditor(t *testing.T) {
	d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/token" {
			fmt.Fprint(w, `{"id":"e","kind":"editor","titles_in_scope":null,"contributor":null}`)
		}
		return r.URL.Path == "/api/v1/token"
	}}
	body := send(newPage(some(), &webui.Options{API: d}), "GET", "/titles/x", "", "Cookie", asAdmin).Body.String()
	for text, want := range map[string]bool{
		"<span>Editor</span>": true, "Add a version": true, `href="/upload"`: true, `href="/webhooks"`: false,
		`href="/backup"`: false,
	} {
		if strings.Contains(body, text) != want {
			t.Errorf("%s: %v, want %v", text, !want, want)
		}
	}
}
