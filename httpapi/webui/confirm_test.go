package webui_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// changes returns what an API was asked by a page, without the questions who the visitor is and
// which tokens there are.
func (d *desk) changes() (all []string) {
	for _, a := range d.asked {
		if method, rest, _ := strings.Cut(a, " "); method != "GET" {
			all = append(all, method+" "+strings.TrimSuffix(rest, " admin"))
		}
	}
	return all
}

const asAdmin = "patchsource_token=admin"

// archive posts a form with fields in front of a file, as a browser sends them.
func archive(t *testing.T, h http.Handler, path, file string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	var err error
	for i := 0; i+1 < len(fields) && err == nil; i += 2 {
		err = m.WriteField(fields[i], fields[i+1])
	}
	if file != "" && err == nil {
		var part io.Writer
		if part, err = m.CreateFormFile("file", "patch_archive.zip"); err == nil {
			_, err = io.WriteString(part, file)
		}
	}
	if err == nil {
		err = m.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return send(h, "POST", path, b.String(), "Content-Type", m.FormDataContentType(), "Cookie", asAdmin)
}

// What deletes titles is shown first, and made when the number of titles that it deletes is typed.
func TestRestoreTakesTwoSteps(t *testing.T) {
	var deleted []string
	for i := range 25 {
		deleted = append(deleted, fmt.Sprintf("gone%02d", i))
	}
	names, _ := json.Marshal(deleted)
	plan := `{"create":["new"],"replace":["old"],"unchanged":[],"skip":["<i>followed</i>"],"delete":` + string(names) +
		`,"counts":{"create":1,"replace":1,"delete":1200,"skip":1}}`
	for _, c := range []struct {
		name, path string
		fields     []string
		answer     string
		status     int
		asks       string
		says       []string
	}{
		{
			"a plan", "?mode=replace", nil, plan, 200, "POST /api/v1/restore?dry_run=1&mode=replace",
			[]string{
				"Nothing has been changed yet", "<strong>1200</strong>: gone00, gone01", "gone19, and 1180 more",
				"Type 1200.", `name="confirm" required`, "&lt;i&gt;followed&lt;/i&gt;", "<strong>1</strong>: old",
			},
		},
		{
			"a plan that deletes nothing", "?mode=replace", nil, `{"create":["new"],"counts":{"create":1}}`, 200,
			"POST /api/v1/restore?dry_run=1&mode=replace", []string{`type="hidden" name="confirm" value="0"`},
		},
		{
			"a plan without counts", "?mode=replace", nil, `{"delete":["x"]}`, 200,
			"POST /api/v1/restore?dry_run=1&mode=replace", []string{"Type 1.", "Restore, and delete 1 title<"},
		},
		{
			"confirmed", "?mode=replace", []string{"confirm", " 1200 "}, `[{"id":"new"},{"id":"f","skipped":"s"}]`, 303,
			"POST /api/v1/restore?confirm=1200&mode=replace", nil,
		},
		{
			"confirmed, nothing typed", "?mode=replace", []string{"confirm", ""}, plan, 200,
			"POST /api/v1/restore?dry_run=1&mode=replace", []string{"Type 1200."},
		},
		{"keeping other titles", "?mode=merge", nil, `[{"id":"new"}]`, 303, "POST /api/v1/restore?mode=merge", nil},
		{"where there is nothing", "", nil, `[{"id":"new"}]`, 303, "POST /api/v1/restore", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == "POST" {
					fmt.Fprint(w, c.answer)
				}
				return r.Method == "POST"
			}}
			w := archive(t, newPage(some(), &webui.Options{API: d}), "/backup/restore"+c.path, "PK\x03\x04zip",
				c.fields...)
			if diff := cmp.Diff([]string{c.asks}, d.changes()); diff != "" || w.Code != c.status ||
				d.bodies[len(d.bodies)-1] != "PK\x03\x04zip" {
				t.Errorf("%d %q %s", w.Code, d.bodies, diff)
			}
			for _, want := range c.says {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("it does not say %s: %s", want, w.Body)
				}
			}
			if strings.Contains(w.Body.String(), "gone20") {
				t.Error("more titles are named than can be read")
			}
		})
	}
}

// What the API has against a restore is said, and nothing is asked of it without a file.
func TestRestoreRefused(t *testing.T) {
	d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"message":"3 titles would be deleted: confirm it with 3.","restore_failure":"x"}`)
		}
		return r.Method == "POST"
	}}
	h := newPage(some(), &webui.Options{API: d})
	for _, fields := range [][]string{nil, {"confirm", "2"}} {
		if w := archive(t, h, "/backup/restore?mode=replace", "zip", fields...); w.Code != 400 ||
			!strings.Contains(w.Body.String(), "confirm it with 3.") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	asked := len(d.changes())
	for _, path := range []string{"/backup/restore", "/backup/import"} {
		if w := archive(t, h, path, ""); w.Code != 400 || !strings.Contains(w.Body.String(), "No file was chosen") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := send(h, "POST", path, "file=x", "Cookie", asAdmin); w.Code != 400 {
			t.Errorf("%s, no form with a file: %d", path, w.Code)
		}
		var many []string
		for i := range 300 {
			many = append(many, fmt.Sprint(i), "x")
		}
		if w := archive(t, h, path, "zip", many...); w.Code != 400 {
			t.Errorf("%s, very many fields: %d", path, w.Code)
		}
	}
	if n := len(d.changes()); n != asked {
		t.Errorf("%v", d.changes()[asked:])
	}
}

// An import replaces what is there if that is asked for, and not otherwise.
func TestImportReplaces(t *testing.T) {
	for _, c := range []struct {
		name, path string
		fields     []string
		asks       string
		checked    bool
	}{
		{"an import", "", nil, "POST /api/v1/titles/import", false},
		{"tried", "?dry_run=1", nil, "POST /api/v1/titles/import?dry_run=1", false},
		{"replacing", "", []string{"replace", "1"}, "POST /api/v1/titles/import?replace=1", true},
		{
			"replacing, tried", "?dry_run=1", []string{"replace", "1"},
			"POST /api/v1/titles/import?dry_run=1&replace=1", true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == "POST" {
					fmt.Fprintln(w, `{"item":"1","id":"x","result":"refused","message":"It exists, and differs."}`)
				}
				return r.Method == "POST"
			}}
			w := archive(t, newPage(some(), &webui.Options{API: d}), "/backup/import"+c.path, "[]", c.fields...)
			if diff := cmp.Diff([]string{c.asks}, d.changes()); diff != "" || w.Code != 200 ||
				d.bodies[len(d.bodies)-1] != "[]" {
				t.Errorf("%d %q %s", w.Code, d.bodies, diff)
			}
			if body := w.Body.String(); !strings.Contains(body, "It exists, and differs.") ||
				strings.Contains(body, `name="replace" value="1" checked`) != c.checked {
				t.Errorf("%s", body)
			}
		})
	}
}

// Deleting a webhook asks first.
func TestDeletingAWebhookAsks(t *testing.T) {
	d := &desk{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "GET" && r.URL.Path == "/api/v1/webhooks" {
			fmt.Fprint(w,
				`[{"id":"h1","url":"https://one.example/<x>","signed":true,"pending":3},
				{"id":"h2","url":"https://two.example/"}]`)
			return true
		}
		return false
	}}
	h := newPage(some(), &webui.Options{API: d})
	if body := send(h, "GET", "/webhooks", "", "Cookie", asAdmin).Body.String(); strings.Contains(body,
		`action="/webhooks/h1/delete"`) || !strings.Contains(body, `href="/webhooks/h1/delete"`) {
		t.Errorf("the list deletes at once: %s", body)
	}
	w := send(h, "GET", "/webhooks/h1/delete", "", "Cookie", asAdmin)
	for _, want := range []string{
		"https://one.example/&lt;x&gt;", "3 that wait", "secret is deleted", `action="/webhooks/h1/delete"`,
	} {
		if w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%d: it does not say %s: %s", w.Code, want, w.Body)
		}
	}
	if w := send(h, "GET", "/webhooks/nope/delete", "", "Cookie", asAdmin); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	if len(d.changes()) > 0 {
		t.Errorf("%v", d.changes())
	}
	w = send(h, "POST", "/webhooks/h1/delete", "", "Cookie", asAdmin)
	if diff := cmp.Diff([]string{"DELETE /api/v1/webhooks/h1"}, d.changes()); diff != "" || w.Code != 303 {
		t.Errorf("%d %s", w.Code, diff)
	}
}
