package webui_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
)

// A desk is an API that writes down what it is asked, and knows two tokens.
type desk struct {
	asked  []string // method, path and who asks
	from   []string // remote address and X-Forwarded-For
	bodies []string
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	body, _ := io.ReadAll(r.Body)
	d.asked = append(d.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+who))
	d.from = append(d.from, strings.TrimSpace(r.RemoteAddr+" "+r.Header.Get("X-Forwarded-For")))
	d.bodies = append(d.bodies, string(body))
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/titles/import") {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	if d.answer != nil && d.answer(w, r) {
		return
	}
	switch {
	case who == "admin" && r.URL.Path == "/api/v1/token":
		fmt.Fprint(w, `{"id":"a","kind":"administrator","titles_in_scope":null,"contributor":null,"expires":null}`)
	case who == "title" && r.URL.Path == "/api/v1/token":
		fmt.Fprint(w, `{"id":"t","kind":"title","titles_in_scope":["x"],"contributor":null,"expires":null}`)
	case r.Method == "GET" && r.URL.Path == "/api/v1/webhooks":
		fmt.Fprint(w, `[]`)
	case who != "admin" && who != "title":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message":"No."}`)
	default:
		fmt.Fprint(w, `{"message":"Done","id":"x"}`)
	}
}

// some is a shelf of one title.
func some() *shelf {
	return &shelf{
		titles: []webui.Title{{ID: "x", Name: "X", Version: "1"}},
		def:    &patch.Definition{ID: "x", Name: "X", Patches: []patch.Patch{{Version: "1"}}},
	}
}

// send sends a request to a page. headers are names and values.
func send(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func cookie(w *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Without an API, the page can be read, and nothing else.
func TestReadOnly(t *testing.T) {
	h := newPage(some(), &webui.Options{Publishing: true})
	if w := send(h, "GET", "/titles/x", "", "Cookie", "patchsource_token=admin"); w.Code != 200 ||
		strings.Contains(w.Body.String(), "Sign in") ||
		strings.Contains(w.Body.String(), "Delete") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for path, want := range map[string]int{"GET /signin": 404, "POST /signin": 404, "POST /titles/x/delete": 404, "GET /titles/x/edit": 404, "POST /publish": 405, "GET /tokens": 404, "GET /titles/x/history/1": 404} {
		method, path, _ := strings.Cut(path, " ")
		if w := send(h, method, path, ""); w.Code != want {
			t.Errorf("%s %s: %d, want %d", method, path, w.Code, want)
		}
	}
}

func TestSignIn(t *testing.T) {
	for _, c := range []struct {
		name, site, token, next string
		status                  int
		location                string
		secure                  bool
	}{
		{"an administrator", "", "admin", "/", 303, "/", false},
		{"back to where they were", "", "admin", "/titles/x/version", 303, "/titles/x/version", false},
		{"a title's token leads to the title", "", "title", "/", 303, "/titles/x", false},
		{"over TLS", "https://p.example.com", "admin", "/", 303, "/", true},
		{"under a prefix", "https://p.example.com/patch", "admin", "/", 303, "/patch/", true},
		{"not to another site", "", "admin", "https://evil.example/", 303, "/", false},
		{"nor by two slashes", "", "admin", "//evil.example/", 303, "/", false},
		{"nor by backslashes", "", "admin", `/\evil.example`, 303, "/", false},
		{"nor by a scheme", "", "admin", "javascript:alert(1)", 303, "/", false},
		{"a wrong token", "", "nobody", "/", 401, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := send(
				newPage(some(), &webui.Options{API: &desk{}, Site: c.site}),
				"POST",
				"/signin",
				"token=+"+c.token+"+&next="+strings.ReplaceAll(c.next, "/", "%2F"),
			)
			if w.Code != c.status || w.Header().Get("Location") != c.location {
				t.Fatalf("%d to %q", w.Code, w.Header().Get("Location"))
			}
			got := cookie(w, "patchsource_token")
			if c.status != 303 {
				if got != nil || strings.Contains(w.Body.String(), c.token) {
					t.Errorf("%v %s", got, w.Body)
				}
				return
			}
			prefix := strings.TrimPrefix(strings.TrimPrefix(c.site, "https://p.example.com"), "http://")
			if got == nil || got.Value != c.token || !got.HttpOnly || got.SameSite != http.SameSiteStrictMode ||
				got.Secure != c.secure ||
				got.Path != prefix+"/" ||
				got.MaxAge != 0 {
				t.Errorf("%+v", got)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%v", w.Header())
			}
		})
	}
}

func TestSession(t *testing.T) {
	d := &desk{}
	h := newPage(some(), &webui.Options{API: d})
	w := send(h, "GET", "/titles/x", "", "Cookie", "patchsource_token=admin")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Sign out") ||
		!strings.Contains(w.Body.String(), "Add a version") ||
		w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	// One that has ended is forgotten; a failure of the server's is no reason for that.
	w = send(h, "GET", "/", "", "Cookie", "patchsource_token=ended")
	if c := cookie(w, "patchsource_token"); c == nil || c.MaxAge >= 0 ||
		!strings.Contains(w.Body.String(), "the token has ended") {
		t.Errorf("%v %s", c, w.Body)
	}
	d.answer = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(503)
		return true
	}
	w = send(h, "GET", "/", "", "Cookie", "patchsource_token=admin")
	if c := cookie(w, "patchsource_token"); c != nil || w.Code != 200 {
		t.Errorf("%v %d", c, w.Code)
	}
	d.answer = nil
	// What was done is said once.
	w = send(h, "POST", "/titles/x/delete", "", "Cookie", "patchsource_token=admin")
	said := cookie(w, "patchsource_said")
	if w.Code != 303 || said == nil || !said.HttpOnly || said.SameSite != http.SameSiteStrictMode {
		t.Fatalf("%d %v", w.Code, said)
	}
	w = send(h, "GET", "/", "", "Cookie", "patchsource_said="+said.Value)
	if c := cookie(w, "patchsource_said"); c == nil || c.MaxAge >= 0 || !strings.Contains(w.Body.String(), "Done.") {
		t.Errorf("%v %s", c, w.Body)
	}
	// A title's token is offered what it is for.
	w = send(h, "GET", "/titles/x", "", "Cookie", "patchsource_token=title")
	if body := w.Body.String(); !strings.Contains(body, "Exchange it") || strings.Contains(body, "Webhooks") ||
		strings.Contains(body, "/upload") {
		t.Errorf("%s", body)
	}
}

// The API is asked as the visitor would, from where they are; what is for anybody is
// asked as anybody.
func TestAsksAsTheVisitor(t *testing.T) {
	d := &desk{}
	h := newPage(some(), &webui.Options{API: d})
	send(h, "POST", "/titles/x/delete", "", "Cookie", "patchsource_token=admin", "X-Forwarded-For", "203.0.113.7")
	last := len(d.asked) - 1
	if d.asked[last] != "DELETE /api/v1/titles/x admin" || d.from[last] != "192.0.2.1:1234 203.0.113.7" {
		t.Errorf("%s from %s", d.asked[last], d.from[last])
	}
	send(h, "POST", "/titles/x/token", "author_email=a%40example.com", "Cookie", "patchsource_token=admin")
	last = len(d.asked) - 1
	if d.asked[last] != "POST /api/v1/title/x/token" || d.bodies[last] != `{"author_email":"a@example.com"}` {
		t.Errorf("%s: %s", d.asked[last], d.bodies[last])
	}
	// A version is a version, whatever stands in it.
	send(h, "POST", "/titles/x/remove?version=1%2F2+%3F%23%0A", "", "Cookie", "patchsource_token=admin")
	if got := d.asked[len(d.asked)-1]; got != "DELETE /api/v1/titles/x/versions/1%2F2%20%3F%23%0A admin" {
		t.Errorf("%s", got)
	}
}

// What a page does not do is said with what it does.
func TestMethods(t *testing.T) {
	h := newPage(some(), &webui.Options{API: &desk{}})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/", 405, "GET, HEAD"},
		{"DELETE", "/titles/x", 405, "GET, HEAD"},
		{"PUT", "/signin", 405, "GET, HEAD, POST"},
		{"GET", "/signout", 405, "POST"},
		{"HEAD", "/titles/x/sync", 405, "POST"},
		{"GET", "/titles/x/nope", 404, ""},
		{"GET", "/titles//x", 404, ""},
		{"GET", "/titles/x/", 404, ""},
		{"GET", "/titles/../titles/x", 404, ""},
		{"HEAD", "/titles/x", 200, ""},
	} {
		w := send(h, c.method, c.path, "")
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %d, %q", c.method, c.path, w.Code, w.Header().Get("Allow"))
		}
	}
}

// When it cannot be found out who somebody is, they are not sent away to sign in.
func TestUnsure(t *testing.T) {
	d := &desk{answer: func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(503)
		_, _ = io.WriteString(w, `{"message":"Later."}`)
		return true
	}}
	w := send(
		newPage(some(), &webui.Options{API: d}),
		"POST",
		"/titles/x/delete",
		"",
		"Cookie",
		"patchsource_token=admin",
	)
	if w.Code != 503 || w.Header().Get("Retry-After") != "5" || !strings.Contains(w.Body.String(), "Later.") ||
		cookie(w, "patchsource_token") != nil {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// Assets are the same for everybody, and nobody is asked who they are.
func TestAssetsAreForAll(t *testing.T) {
	d := &desk{}
	h := newPage(some(), &webui.Options{API: d})
	for _, m := range regexp.MustCompile(`"(/ui/[^"]*)"`).FindAllStringSubmatch(send(h, "GET", "/", "").Body.String(), -1) {
		w := send(h, "GET", m[1], "", "Cookie", "patchsource_token=ended")
		if w.Code != 200 || len(w.Result().Cookies()) > 0 ||
			!strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", m[1], w.Code, w.Header())
		}
	}
	if len(d.asked) > 0 {
		t.Errorf("%v", d.asked)
	}
}

// What comes from another origin changes nothing.
func TestOtherOrigins(t *testing.T) {
	for _, c := range []struct {
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
		t.Run(c.name, func(t *testing.T) {
			d := &desk{}
			h := newPage(some(), &webui.Options{API: d, Site: "https://p.example.com"})
			w := send(h, "POST", "/titles/x/delete", "", append(c.headers, "Cookie", "patchsource_token=admin")...)
			deleted := strings.Contains(strings.Join(d.asked, "\n"), "DELETE")
			if w.Code != c.status || deleted != (c.status == 303) {
				t.Errorf("%d, %v", w.Code, d.asked)
			}
		})
	}
}

// Under a prefix, everything stays under it.
func TestPrefix(t *testing.T) {
	h := newPage(some(), &webui.Options{API: &desk{}, Site: "https://p.example.com/patch/", Publishing: true})
	for _, path := range []string{"/", "/titles/x", "/publish", "/signin", "/upload", "/titles/x/version", "/titles/x/edit", "/backup", "/nope", "/?q=x&sort=version"} {
		body := send(h, "GET", path, "", "Cookie", "patchsource_token=admin").Body.String()
		found := regexp.MustCompile(`(?:src|href|action|formaction)="([^"]*)"`).FindAllStringSubmatch(body, -1)
		for _, m := range found {
			if !strings.HasPrefix(m[1], "/patch/") && !strings.HasPrefix(m[1], "#") {
				t.Errorf("%s leads to %s", path, m[1])
			}
		}
		if len(found) < 8 || !strings.Contains(body, "https://p.example.com/patch/jamf/v1") {
			t.Errorf("%s: %s", path, body)
		}
	}
	if w := send(h, "POST", "/titles/x/delete", "", "Cookie", "patchsource_token=admin"); w.Header().
		Get("Location") !=
		"/patch/" {
		t.Errorf("%v", w.Header())
	}
}

func TestServes(t *testing.T) {
	for _, c := range []struct {
		path, accept string
		want         bool
	}{
		{"/", "text/html,application/xhtml+xml,*/*;q=0.8", true}, {"/", "", true}, {"/", "*/*", true}, {"/", "application/json", false}, {"/", "application/json, text/html", true},
		{"/jamf/v1/software", "text/html", false}, {"/software", "text/html", false}, {"/patch/x", "text/html", false}, {"/api/v1/titles", "text/html", false}, {"/subscribe", "text/html", false},
		{"/titles", "", true}, {"/titles/x", "application/json", true}, {"/tokens", "", true}, {"/titlesx", "", false},
		{"/api/v1/contributors/verify", "text/html", true}, {"/api/v1/contributors/verify", "*/*", false},
	} {
		r := httptest.NewRequest("GET", c.path, nil)
		r.Header.Set("Accept", c.accept)
		if got := webui.Serves(r); got != c.want {
			t.Errorf("%s as %q: %v", c.path, c.accept, got)
		}
	}
}

// form makes a form with files.
func form(t *testing.T, files map[string]string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for name, text := range files {
		part, err := m.CreateFormFile("file", name)
		if err == nil {
			_, err = io.WriteString(part, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return m.FormDataContentType(), b.String()
}

// Uploads are bounded, and what is too much is kept in no part.
func TestUploadBounds(t *testing.T) {
	many, large := map[string]string{}, map[string]string{}
	for i := range 201 {
		many[fmt.Sprint(i)] = "{}"
	}
	for i := range 9 {
		large[fmt.Sprint(i)] = strings.Repeat(" ", 8<<20)
	}
	for name, files := range map[string]map[string]string{"many": many, "large": large, "none": {}} {
		d := &desk{}
		contentType, body := form(t, files)
		w := send(
			newPage(some(), &webui.Options{API: d}),
			"POST",
			"/upload",
			body,
			"Content-Type",
			contentType,
			"Cookie",
			"patchsource_token=admin",
		)
		want := 413
		if name == "none" {
			want = 400
		}
		if w.Code != want || len(d.asked) != 1 { // who it is
			t.Errorf("%s: %d, %v", name, w.Code, d.asked)
		}
	}
	if w := send(newPage(some(), &webui.Options{API: &desk{}}), "POST", "/upload", "x", "Content-Type", "text/plain", "Cookie", "patchsource_token=admin"); w.Code != 400 {
		t.Errorf("%d", w.Code)
	}
}

// What the API refuses is said in its words, with what it says of when to try again, and
// the id of the line in its log.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		header string
		want   string
	}{
		{403, `{"message":"Not you & not now."}`, "", "Not you &amp; not now."},
		{503, `{"message":"Later.","internal":"ABC123"}`, "7", "Later. (ABC123)"},
		{429, `{"message":"Slowly."}`, "60", "Slowly."},
		{500, `oops`, "", "Internal Server Error."},
		{401, `{"message":"No."}`, "", "Sign in first"},
	} {
		d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "DELETE" {
				return false
			}
			if c.header != "" {
				w.Header().Set("Retry-After", c.header)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
			return true
		}}
		w := send(
			newPage(some(), &webui.Options{API: d}),
			"POST",
			"/titles/x/delete",
			"",
			"Cookie",
			"patchsource_token=admin",
		)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) ||
			w.Header().Get("Retry-After") != c.header {
			t.Errorf("%d: %d %v %s", c.status, w.Code, w.Header(), w.Body)
		}
	}
}

// What to type into Jamf Pro is said as its fields want it.
func TestJamfFields(t *testing.T) {
	for site, want := range map[string]string{
		"https://p.example.com":       "Server <code>p.example.com/jamf/v1</code>, port 443, with SSL",
		"https://p.example.com/patch": "Server <code>p.example.com/patch/jamf/v1</code>, port 443, with SSL",
		"http://p.example.com:8080":   "Server <code>p.example.com/jamf/v1</code>, port 8080, without SSL",
		"http://[2001:db8::1]":        "Server <code>[2001:db8::1]/jamf/v1</code>, port 80, without SSL",
		"":                            "Server <code>example.com/jamf/v1</code>, port 80, without SSL", // as the visitor has found it
	} {
		body := send(newPage(some(), &webui.Options{Site: site}), "GET", "/titles/x", "").Body.String()
		body = regexp.MustCompile(` <button[^>]*>Copy</button>`).ReplaceAllString(body, "")
		if !strings.Contains(body, want) {
			t.Errorf("%q: it does not say %s: %s", site, want, body)
		}
	}
}

// A source of which not all is taken is not one that fails.
func TestSourcesSayHowTheyAre(t *testing.T) {
	d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/api/v1/sync" {
			return false
		}
		_, _ = io.WriteString(
			w,
			`{"sources":[{"title":null,"mirror":"part","url":"u","failures":0,"last_success":"2026-01-01T00:00:00Z","last_error":"one is no JSON","titles":3,"refused":{"x":"it is no JSON"}},
			{"title":null,"mirror":"down","url":"u","failures":2,"last_error":"it answered 503","titles":3},{"title":"x","mirror":null,"url":"u","failures":0,"last_success":"2026-01-01T00:00:00Z","last_error":null,"titles":1}]}`,
		)
		return true
	}}
	body := send(
		newPage(some(), &webui.Options{API: d}),
		"GET",
		"/sources",
		"",
		"Cookie",
		"patchsource_token=admin",
	).Body.String()
	badges := regexp.MustCompile(`<span class="badge[^>]*>([^<]*)</span>`).FindAllStringSubmatch(body, -1)
	var got []string
	for _, b := range badges {
		got = append(got, b[1])
	}
	if s := strings.Join(got, ", "); s != "failing, not all is taken, in step" { // what is worst first
		t.Errorf("%s", s)
	}
}
