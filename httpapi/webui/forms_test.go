package webui_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
)

// limitedAPI answers every change with 429.
func limitedAPI() *fakeAPI {
	return &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "GET" {
			w.Header().Set("Retry-After", "18")
			w.WriteHeader(429)
			fmt.Fprint(w, `{"message":"Slowly."}`)
		}
		return r.Method != "GET"
	}}
}

// A form that is refused is shown again with everything that was typed or chosen.
func TestRefusedFormsKeepTheirFields(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{API: limitedAPI(), Publishing: true})
	text := `{"id": "pasted"}`
	for _, test := range []struct {
		name, path string
		fields     []string
		status     int
		keeps      []string
	}{
		{
			"text and a URL", "/publish",
			[]string{
				"author_name", "Ann", "author_email", "a@example.com", "json", text,
				"definition_url", "https://u.example/",
			},
			400, []string{"Ann", "a@example.com", "pasted", "https://u.example/"},
		},
		{"text and a file", "/publish", []string{"json", text, "@d.json", "{}"}, 400, []string{"pasted"}},
		{
			"too many requests", "/publish", []string{"author_name", "Ann", "json", text}, 429,
			[]string{"Ann", "pasted", "Slowly."},
		},
		{
			"invalid JSON", "/publish", []string{"author_name", "Ann", "json", "oops"}, 400,
			[]string{"Ann", "oops", "this is not valid JSON"},
		},
		{
			"too large, and invalid JSON", "/publish",
			[]string{"author_name", "Ann", "@d.json", strings.Repeat("a", 10<<20+1)}, 413, []string{"Ann", "10 MiB"},
		},
		{"a byte order mark", "/publish", []string{"json", "\ufeffoops"}, 400, []string{">oops<"}},
		{"a definition", "/titles/x/edit", []string{"json", text}, 429, []string{"pasted", "Slowly."}},
		{
			"an upload", "/upload", []string{"json", text, "replace", "1"}, 429,
			[]string{"pasted", "Slowly.", "checked"},
		},
		{
			"a version", "/titles/x/version", []string{"form", "json", "json", text}, 429,
			[]string{"pasted", "Slowly."},
		},
		{"no version", "/titles/x/version", []string{"form", "json"}, 400, []string{"The form was empty"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := postForm(t, h, test.path, test.fields...)
			wantPage(t, w, test.status)
			if test.status == 429 && w.Header().Get("Retry-After") != "18" {
				t.Errorf("the header is %v", w.Header())
			}
			for _, keep := range test.keeps {
				wantPage(t, w, test.status, strings.ReplaceAll(keep, `"`, "&#34;"))
			}
		})
	}
}

// So is the form for a webhook. A webhook without events is not created, because to the API that means all events.
func TestRefusedWebhook(t *testing.T) {
	api := limitedAPI()
	h := newPage(oneTitle(), &webui.Options{API: api})
	w := sendAsAdmin(h, "POST", "/webhooks",
		"url=https%3A%2F%2Fh.example&format=slack&titles=x&event=new_title&send_definition=1")
	wantPage(t, w, 429, "https://h.example", `value="slack" selected`, `value="new_title" checked`,
		`value="title_deleted">`, `name="send_definition" value="1" checked`, `name="verify_ssl" value="1">`)
	api.requests = nil
	wantPage(t, sendAsAdmin(h, "POST", "/webhooks", "url=https%3A%2F%2Fh.example"), 400, "choose at least one event")
	if len(api.changes()) > 0 {
		t.Errorf("the API was asked %v", api.changes())
	}
}

// A form of too many or too large files changes nothing.
func TestUploadBounds(t *testing.T) {
	var many, large []string
	for i := range 201 {
		many = append(many, fmt.Sprint("@", i), "{}")
	}
	for i := range 9 {
		large = append(large, fmt.Sprint("@", i), strings.Repeat(" ", 8<<20))
	}
	for _, test := range []struct {
		name   string
		fields []string
		status int
	}{
		{"many", many, 413},
		{"large", large, 413},
		{"none", nil, 400},
	} {
		api := &fakeAPI{}
		w := postForm(t, newPage(oneTitle(), &webui.Options{API: api}), "/upload", test.fields...)
		if w.Code != test.status || len(api.changes()) > 0 {
			t.Errorf("%s: the status is %d, want %d; the API was asked %v",
				test.name, w.Code, test.status, api.requests)
		}
	}
	w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: &fakeAPI{}}), "POST", "/upload", "x",
		"Content-Type", "text/plain")
	wantPage(t, w, 400, "The form cannot be read")
}

// A file replaces the title that it belongs to, if the visitor chose to replace titles and may change it.
func TestUploadReplaces(t *testing.T) {
	text := func(id string) string {
		data, err := (&patch.Definition{
			ID:   id,
			Name: "X",
			Requirements: []patch.Criterion{
				{Name: "Application Title", Operator: "is", Value: "X", Type: "recon", And: new(true)},
			},
			Patches: []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}},
		}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	const exists = "choose to replace titles"
	for _, test := range []struct {
		name, visitor, id string
		replace           bool
		requests          []string
		status            int
		text              string
	}{
		{"a new title", "admin", "new", false, []string{"POST /api/v1/title"}, 303, ""},
		{"an existing title", "admin", "x", false, nil, 409, exists},
		{"a replaced title", "admin", "x", true, []string{"PUT /api/v1/titles/x"}, 303, ""},
		{"a contributor's new title", "mac", "fresh", true, []string{"POST /api/v1/title"}, 303, ""},
		{
			"a contributor's title by its plain id", "mac", "slack", true,
			[]string{"POST /api/v1/title", "PUT /api/v1/titles/slack_mac"}, 303, "",
		},
		{
			"a contributor's title by its id", "mac", "slack_mac", true, []string{"PUT /api/v1/titles/slack_mac"}, 303,
			"",
		},
		{"a contributor's existing title", "mac", "slack_mac", false, nil, 409, exists},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := oneTitle()
			c.titles = append(c.titles, webui.Title{ID: "slack_mac", Name: "Slack (mac)", Contributor: "mac"})
			api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.URL.Path == "/api/v1/token" && test.visitor == "mac":
					fmt.Fprint(w, `{"id":"m","kind":"contributor","contributor":"mac"}`)
				case r.Method == "POST" && test.id == "slack":
					w.WriteHeader(409)
					fmt.Fprint(w, `{"message":"The title 'slack_mac' exists.","database_conflict":"slack_mac"}`)
				default:
					return false
				}
				return true
			}}
			fields := []string{"@d.json", text(test.id)}
			if test.replace {
				fields = append(fields, "replace", "1")
			}
			w := postForm(t, newPage(c, &webui.Options{API: api}), "/upload", fields...)
			wantPage(t, w, test.status, test.text)
			if diff := cmp.Diff(test.requests, api.changes()); diff != "" {
				t.Errorf("the API was asked otherwise (-want +got):\n%s", diff)
			}
		})
	}
}

// A request that the client of the API does not send is refused in a sentence.
func TestIncompleteForm(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{API: &fakeAPI{}})
	for _, path := range []string{"/titles/x/remove", "/sources/now"} {
		wantPage(t, sendAsAdmin(h, "POST", path, ""), 400, "The request is invalid: the id or version is empty.")
	}
}
