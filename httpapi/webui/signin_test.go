package webui_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
)

func TestSignIn(t *testing.T) {
	for _, test := range []struct {
		name, site, token, next string
		status                  int
		location                string
		secure                  bool
	}{
		{"an administrator", "", "admin", "/", 303, "/", false},
		{"back to the page", "", "admin", "/titles/x/version", 303, "/titles/x/version", false},
		{"a title's token", "", "title", "/", 303, "/titles/x", false},
		{"over TLS", "https://p.example.com", "admin", "/", 303, "/", true},
		{"under a prefix", "https://p.example.com/patch", "admin", "/", 303, "/patch/", true},
		{"another site", "", "admin", "https://evil.example/", 303, "/", false},
		{"another site by two slashes", "", "admin", "//evil.example/", 303, "/", false},
		{"another site by backslashes", "", "admin", `/\evil.example`, 303, "/", false},
		{"a scheme", "", "admin", "javascript:alert(1)", 303, "/", false},
		{"an unknown token", "", "nobody", "/", 401, "", false},
		{"a text with line breaks", "", "adm%0Ain", "/", 401, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newPage(oneTitle(), &webui.Options{API: &fakeAPI{}, Site: test.site})
			w := send(h, "POST", "/signin",
				"token=+"+test.token+"+&next="+strings.ReplaceAll(test.next, "/", "%2F"))
			if w.Code != test.status || w.Header().Get("Location") != test.location {
				t.Fatalf("the status is %d, to %q", w.Code, w.Header().Get("Location"))
			}
			got := cookie(w, "patchsource_token")
			if test.status != 303 {
				if got != nil || strings.Contains(w.Body.String(), test.token) {
					t.Errorf("the token is in the cookie %v or in the page: %s", got, w.Body)
				}
				return
			}
			path := strings.TrimPrefix(test.site, "https://p.example.com") + "/"
			if got == nil || got.Value != test.token || !got.HttpOnly || got.Path != path || got.MaxAge != 0 ||
				got.SameSite != http.SameSiteStrictMode || got.Secure != test.secure {
				t.Errorf("the cookie is %+v", got)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("the header is %v", w.Header())
			}
		})
	}
}

func TestSession(t *testing.T) {
	api := &fakeAPI{}
	h := newPage(oneTitle(), &webui.Options{API: api})
	w := sendAsAdmin(h, "GET", "/titles/x", "")
	wantPage(t, w, 200, "Sign out", "Add a version")
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the header is %v", w.Header())
	}

	// A token that is no longer valid is forgotten, but not because the server fails.
	w = send(h, "GET", "/", "", "Cookie", "patchsource_token=ended")
	wantPage(t, w, 200, "your token is no longer valid")
	if c := cookie(w, "patchsource_token"); c == nil || c.MaxAge >= 0 {
		t.Errorf("the cookie of an invalid token is %v", c)
	}
	api.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(503)
		return true
	}
	w = sendAsAdmin(h, "GET", "/", "")
	if c := cookie(w, "patchsource_token"); c != nil || w.Code != 200 {
		t.Errorf("while the API fails, the page has status %d and sets the cookie %v", w.Code, c)
	}
	api.answer = nil

	// The page offers what a title's token allows.
	w = send(h, "GET", "/titles/x", "", "Cookie", "patchsource_token=title")
	wantTexts(t, w, map[string]bool{"Exchange it": true, "Webhooks": false, "/upload": false})
}

// The result of a change is shown once, on the next page.
func TestNotice(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{API: &fakeAPI{}})
	w := sendAsAdmin(h, "POST", "/titles/x/delete", "")
	c := cookie(w, "patchsource_said")
	if w.Code != 303 || c == nil || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Fatalf("the status is %d, the cookie is %v", w.Code, c)
	}
	w = notice(t, h, w)
	wantPage(t, w, 200, "Done.")
	if c := cookie(w, "patchsource_said"); c == nil || c.MaxAge >= 0 {
		t.Errorf("the cookie is %v, want it deleted", c)
	}
}

// The page offers an editor what editors may do.
func TestEditor(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/token" {
			_, _ = io.WriteString(w, `{"id":"e","kind":"editor","titles_in_scope":null,"contributor":null}`)
		}
		return r.URL.Path == "/api/v1/token"
	}}
	w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "GET", "/titles/x", "")
	wantTexts(t, w, map[string]bool{
		"<span>Editor</span>": true, "Add a version": true, `href="/upload"`: true, `href="/webhooks"`: false,
		`href="/backup"`: false,
	})
}

// Requests to the API come from the visitor's address and have the visitor's token, except those that
// need no permission.
func TestRequestsOfTheVisitor(t *testing.T) {
	api := &fakeAPI{}
	h := newPage(oneTitle(), &webui.Options{API: api})
	sendAsAdmin(h, "POST", "/titles/x/delete", "", "X-Forwarded-For", "203.0.113.7")
	if got := api.lastRequest(); got != "DELETE /api/v1/titles/x admin" {
		t.Errorf("the API was asked %s", got)
	}
	if got := api.addresses[len(api.addresses)-1]; got != "192.0.2.1:1234 203.0.113.7" {
		t.Errorf("the request came from %s", got)
	}
	sendAsAdmin(h, "POST", "/titles/x/token", "author_email=a%40example.com")
	if api.lastRequest() != "POST /api/v1/title/x/token" || api.lastBody() != `{"author_email":"a@example.com"}` {
		t.Errorf("the API was asked %s: %s", api.lastRequest(), api.lastBody())
	}
	// A version may have any characters.
	sendAsAdmin(h, "POST", "/titles/x/remove?version=1%2F2+%3F%23%0A", "")
	if got := api.lastRequest(); got != "DELETE /api/v1/titles/x/versions/1%2F2%20%3F%23%0A admin" {
		t.Errorf("the API was asked %s", got)
	}
}

// While the API cannot tell who the visitor is, the visitor is not asked to sign in.
func TestUnknownVisitor(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(503)
		_, _ = io.WriteString(w, `{"message":"Later."}`)
		return true
	}}
	w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "POST", "/titles/x/delete", "")
	wantPage(t, w, 503, "Later.")
	if w.Header().Get("Retry-After") != "5" || cookie(w, "patchsource_token") != nil {
		t.Errorf("the header is %v", w.Header())
	}
}

// A request from another origin changes nothing.
func TestOtherOrigins(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"this page", []string{"Sec-Fetch-Site", "same-origin"}, 303},
		{"no browser", []string{"Sec-Fetch-Site", ""}, 303},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another port", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"an old browser, another site", []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, 403},
		{"an old browser, this site", []string{"Sec-Fetch-Site", "", "Origin", "https://p.example.com"}, 303},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := &fakeAPI{}
			h := newPage(oneTitle(), &webui.Options{API: api, Site: "https://p.example.com"})
			w := sendAsAdmin(h, "POST", "/titles/x/delete", "", test.headers...)
			if w.Code != test.status || (len(api.changes()) > 0) != (test.status == 303) {
				t.Errorf("the status is %d, want %d; the API was asked %v", w.Code, test.status, api.requests)
			}
		})
	}
}

// The page shows the message of an error of the API, when to try again, and the id of the line in the log.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		status           int
		body, retryAfter string
		want             string
	}{
		{403, `{"message":"Not you & not now."}`, "", "Not you &amp; not now."},
		{503, `{"message":"Later.","internal":"ABC123"}`, "7", "Later. (ABC123)"},
		{429, `{"message":"Slowly."}`, "60", "Slowly."},
		{500, `oops`, "", "Internal Server Error."},
		{401, `{"message":"No."}`, "", "Sign in first"},
	} {
		api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "DELETE" {
				return false
			}
			if test.retryAfter != "" {
				w.Header().Set("Retry-After", test.retryAfter)
			}
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
			return true
		}}
		w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "POST", "/titles/x/delete", "")
		wantPage(t, w, test.status, test.want)
		if got := w.Header().Get("Retry-After"); got != test.retryAfter {
			t.Errorf("%d: Retry-After is %q, want %q", test.status, got, test.retryAfter)
		}
	}
}

// An answer that is not one of the API is an error without details.
func TestUnexpectedAnswer(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>hunter2</html>")
		}
		return r.Method == "DELETE"
	}}
	w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: api}), "POST", "/titles/x/delete", "")
	wantPage(t, w, 502, "cannot be read")
	wantTexts(t, w, map[string]bool{"hunter2": false, "text/html": false})
}
