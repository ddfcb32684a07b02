package webui_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
)

// A fakeCatalog has titles that all have the same definition.
type fakeCatalog struct {
	titles []webui.Title
	def    *patch.Definition
	err    error
}

func (c *fakeCatalog) Page(o webui.PageOptions) webui.Page {
	compare := map[string]func(a, b webui.Title) int{
		"name": func(a, b webui.Title) int {
			return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		},
		"publisher": func(a, b webui.Title) int { return cmp.Compare(a.Publisher, b.Publisher) },
		"author":    func(a, b webui.Title) int { return cmp.Compare(a.Author, b.Author) },
		"version":   func(a, b webui.Title) int { return patch.CompareVersions(a.Version, b.Version) },
		"changed":   func(a, b webui.Title) int { return b.Changed.Compare(a.Changed) },
		"source":    func(a, b webui.Title) int { return cmp.Compare(rank(a), rank(b)) },
	}[o.Order]
	var found []webui.Title
	for _, t := range c.titles {
		text := strings.ToLower(t.ID + "\n" + t.Name + "\n" + t.Publisher + "\n" + t.Author)
		if strings.Contains(text, strings.ToLower(o.Query)) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b webui.Title) int {
		order := compare(a, b)
		if o.Reverse {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a.ID, b.ID))
	})
	pages := slices.Collect(slices.Chunk(found, o.Size))
	p := webui.Page{Number: min(o.Number, max(len(pages)-1, 0)), Matches: len(found), Total: len(c.titles)}
	if len(pages) > 0 {
		p.Titles = pages[p.Number]
	}
	return p
}

// rank returns the position of a title in the order "source".
func rank(t webui.Title) int {
	switch {
	case t.Trouble != "":
		return 1
	case t.Follows != "":
		return 2
	}
	return 3
}

func (c *fakeCatalog) Find(id string) (webui.Title, bool) {
	for _, t := range c.titles {
		if t.ID == id {
			return t, true
		}
	}
	return webui.Title{}, false
}

func (c *fakeCatalog) Bytes(string) int64 { return 1 }

func (c *fakeCatalog) Title(_ context.Context, id string) (webui.Title, *patch.Definition, error) {
	for _, t := range c.titles {
		if t.ID == id {
			return t, c.def, c.err
		}
	}
	return webui.Title{}, nil, webui.ErrNotFound
}

func (c *fakeCatalog) History(context.Context, string) ([]webui.Revision, error) {
	return []webui.Revision{
		{Number: 2, At: time.Now(), Version: "2", Current: true},
		{Number: 1, At: time.Now(), Version: "1"},
	}, nil
}

// oneTitle returns a catalog with the title x.
func oneTitle() *fakeCatalog {
	return &fakeCatalog{
		titles: []webui.Title{{ID: "x", Name: "X", Version: "1"}},
		def:    &patch.Definition{ID: "x", Name: "X", Patches: []patch.Patch{{Version: "1"}}},
	}
}

// A fakeAPI records the requests of the page. It knows the tokens admin and title, and answers every change with
// "Done".
type fakeAPI struct {
	requests  []string // method, path and token
	addresses []string // remote address and X-Forwarded-For
	bodies    []string
	// answer, if not nil, answers the requests for which it returns true.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	body, _ := io.ReadAll(r.Body)
	a.requests = append(a.requests, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+token))
	a.addresses = append(a.addresses, strings.TrimSpace(r.RemoteAddr+" "+r.Header.Get("X-Forwarded-For")))
	a.bodies = append(a.bodies, string(body))
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/titles/import") {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	if a.answer != nil && a.answer(w, r) {
		return
	}
	switch {
	case token == "admin" && r.URL.Path == "/api/v1/token":
		fmt.Fprint(w, `{"id":"a","kind":"administrator","titles_in_scope":null,"contributor":null,"expires":null}`)
	case token == "title" && r.URL.Path == "/api/v1/token":
		fmt.Fprint(w, `{"id":"t","kind":"title","titles_in_scope":["x"],"contributor":null,"expires":null}`)
	case r.Method == "GET" && r.URL.Path == "/api/v1/webhooks":
		fmt.Fprint(w, `[]`)
	case token != "admin" && token != "title":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"message":"No."}`)
	default:
		fmt.Fprint(w, `{"message":"Done","id":"x"}`)
	}
}

// lastRequest returns the last request, and lastBody its body.
func (a *fakeAPI) lastRequest() string { return a.requests[len(a.requests)-1] }
func (a *fakeAPI) lastBody() string    { return a.bodies[len(a.bodies)-1] }

// changes returns the requests other than GET, without the administrator's token.
func (a *fakeAPI) changes() (all []string) {
	for _, request := range a.requests {
		if !strings.HasPrefix(request, "GET ") {
			all = append(all, strings.TrimSuffix(request, " admin"))
		}
	}
	return all
}

// answering returns a fakeAPI that answers each POST with a status and a body.
func answering(status int, body string) *fakeAPI {
	return &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
		return r.Method == "POST"
	}}
}

// newPage returns the page of a catalog. It panics if the options are invalid.
func newPage(c webui.Catalog, opts *webui.Options) http.Handler {
	h, err := webui.New(c, opts)
	if err != nil {
		panic(err)
	}
	return h
}

// asAdmin is the cookie of an administrator.
const asAdmin = "patchsource_token=admin"

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

// sendAsAdmin is send with an administrator's cookie.
func sendAsAdmin(h http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	return send(h, method, path, body, append(headers, "Cookie", asAdmin)...)
}

// multipartForm returns a form with these fields, in order: names and values. A name that begins with @ is a file.
func multipartForm(t *testing.T, fields ...string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		var part io.Writer
		var err error
		if name, ok := strings.CutPrefix(fields[i], "@"); ok {
			part, err = m.CreateFormFile("file", name)
		} else {
			part, err = m.CreateFormField(fields[i])
		}
		if err == nil {
			_, err = io.WriteString(part, fields[i+1])
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

// postForm posts a multipartForm as an administrator.
func postForm(t *testing.T, h http.Handler, path string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	contentType, body := multipartForm(t, fields...)
	return sendAsAdmin(h, "POST", path, body, "Content-Type", contentType)
}

// cookie returns a cookie that a response sets, or nil.
func cookie(w *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// notice returns the page that shows the notice of a redirect.
func notice(t *testing.T, h http.Handler, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	c := cookie(w, "patchsource_said")
	if w.Code != 303 || c == nil {
		t.Fatalf("the response has status %d and no notice: %s", w.Code, w.Body)
	}
	return send(h, "GET", "/publish", "", "Cookie", "patchsource_said="+c.Value)
}

// wantPage checks the status of a page and that the page contains texts.
func wantPage(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("the status is %d, want %d: %.2000s", w.Code, status, w.Body)
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("the page does not contain %q: %.4000s", text, w.Body)
		}
	}
}

// wantTexts checks that a page contains each text that maps to true, and none that maps to false.
func wantTexts(t *testing.T, w *httptest.ResponseRecorder, texts map[string]bool) {
	t.Helper()
	for text, want := range texts {
		if strings.Contains(w.Body.String(), text) != want {
			t.Errorf("the page contains %q: %v, want %v: %.4000s", text, !want, want, w.Body)
		}
	}
}
