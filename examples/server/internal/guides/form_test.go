package guides_test

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch/recipe"
)

// fields matches the fields of the form on the page of a recipe.
var fields = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// newPage returns the page of a server whose API keeps the body of the last request for a new title in body.
func newPage(t *testing.T, body *[]byte) http.Handler {
	t.Helper()
	api := http.NewServeMux()
	api.HandleFunc("GET /api/v1/token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"kind":"administrator"}`)
	})
	api.HandleFunc("POST /api/v1/recipes", func(w http.ResponseWriter, r *http.Request) {
		*body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"message":"created","id":"T"}`)
	})
	page, err := webui.New(struct{ webui.Catalog }{}, &webui.Options{API: inJSON(api)})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// inJSON returns a handler whose answers are JSON.
func inJSON(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
	})
}

// The form on the page of a recipe fills in the form of the server so that it describes exactly this recipe.
func TestRecipeForm(t *testing.T) {
	h := newHandler(t)
	var body []byte
	page := newPage(t, &body)
	names, err := fs.Glob(examples.Files(), "recipes/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no recipes: %v", err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(examples.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := recipe.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{}
		text := request(h, "GET", "/docs/"+strings.TrimSuffix(name, ".json")).Body.String()
		for _, m := range fields.FindAllStringSubmatch(text, -1) {
			form.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
		body = nil
		r := httptest.NewRequest("POST", "/feeds/new", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.AddCookie(&http.Cookie{Name: "patchsource_token", Value: "pst_x"})
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if !bytes.Equal(bytes.TrimSpace(body), want) {
			t.Errorf("%s: the form with status %d makes the recipe %s, want %s", name, w.Code, body, want)
		}
	}
}
