package webui_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// archive is the file of the forms for backups.
const archive = "PK\x03\x04zip"

// postArchive posts a form with fields in front of a file.
func postArchive(t *testing.T, h http.Handler, path, file string, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	if file != "" {
		fields = append(fields[:len(fields):len(fields)], "@patch_archive.zip", file)
	}
	return postForm(t, h, path, fields...)
}

// Before a restore that deletes titles, the page shows its effects, and asks for the number of these titles.
func TestRestoreIsConfirmed(t *testing.T) {
	var deleted []string
	for i := range 25 {
		deleted = append(deleted, fmt.Sprintf("gone%02d", i))
	}
	names, _ := json.Marshal(deleted)
	plan := `{"create":["new"],"replace":["old"],"unchanged":[],"skip":["<i>followed</i>"],"delete":` + string(names) +
		`,"counts":{"create":1,"replace":1,"delete":1200,"skip":1},"confirm":"1200-abc"}`
	const planned = "POST /api/v1/restore?dry_run=1&mode=replace"
	for _, test := range []struct {
		name, path string
		fields     []string
		answer     string
		status     int
		request    string
		texts      []string
	}{
		{
			"a plan", "?mode=replace", nil, plan, 200, planned,
			[]string{
				"Nothing has been changed yet", "<strong>1200</strong>: gone00, gone01", "gone19, and 1180 more",
				"Type 1200.", `name="confirm" required`, `name="digest" value="-abc"`, "&lt;i&gt;followed&lt;/i&gt;",
				"<strong>1</strong>: old",
			},
		},
		{
			"a plan that deletes nothing", "?mode=replace", nil, `{"create":["new"],"counts":{"create":1}}`, 200,
			planned, []string{`type="hidden" name="confirm" value="0"`},
		},
		{
			"a plan without counts", "?mode=replace", nil, `{"delete":["x"]}`, 200, planned,
			[]string{"Type 1.", "Restore and delete 1 title<"},
		},
		{
			"confirmed", "?mode=replace", []string{"confirm", " 1200 ", "digest", "-abc"},
			`[{"id":"new"},{"id":"f","skipped":"s"}]`, 303,
			"POST /api/v1/restore?confirm=1200-abc&mode=replace", nil,
		},
		{
			"confirmed with nothing", "?mode=replace", []string{"confirm", ""}, plan, 200, planned,
			[]string{"Type 1200."},
		},
		{"keeping other titles", "?mode=merge", nil, `[{"id":"new"}]`, 303, "POST /api/v1/restore?mode=merge", nil},
		{"to an empty server", "", nil, `[{"id":"new"}]`, 303, "POST /api/v1/restore", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := answering(200, test.answer)
			h := newPage(oneTitle(), &webui.Options{API: api})
			w := postArchive(t, h, "/backup/restore"+test.path, archive, test.fields...)
			wantPage(t, w, test.status, test.texts...)
			if diff := cmp.Diff([]string{test.request}, api.changes()); diff != "" || api.lastBody() != archive {
				t.Errorf("the API was asked otherwise (-want +got):\n%s\nwith %q", diff, api.lastBody())
			}
			if strings.Contains(w.Body.String(), "gone20") {
				t.Error("the page names too many titles")
			}
			if test.name == "confirmed" {
				wantPage(t, notice(t, h, w), 200,
					"1 title was restored. 1 title that follows a source was not changed.")
			}
		})
	}
}

// The page shows the API's error. Without a file, it does not ask the API.
func TestRestoreRefused(t *testing.T) {
	api := answering(400, `{"message":"3 titles would be deleted: confirm it with 3.","restore_failure":"x"}`)
	h := newPage(oneTitle(), &webui.Options{API: api})
	for _, fields := range [][]string{nil, {"confirm", "2"}} {
		wantPage(t, postArchive(t, h, "/backup/restore?mode=replace", "zip", fields...), 400, "confirm it with 3.")
	}
	asked := len(api.changes())
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprint(i), "x")
	}
	for _, path := range []string{"/backup/restore", "/backup/import"} {
		wantPage(t, postArchive(t, h, path, ""), 400, "No file was chosen")
		wantPage(t, sendAsAdmin(h, "POST", path, "file=x"), 400) // not a form with files
		wantPage(t, postArchive(t, h, path, "zip", many...), 400)
	}
	if changes := api.changes(); len(changes) != asked {
		t.Errorf("the API was asked %v", changes[asked:])
	}
}

// An import replaces titles if the form says so.
func TestImportReplaces(t *testing.T) {
	for _, test := range []struct {
		name, path string
		fields     []string
		request    string
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
		t.Run(test.name, func(t *testing.T) {
			api := answering(200, `{"item":"1","id":"x","result":"refused","message":"It exists, and differs."}`)
			h := newPage(oneTitle(), &webui.Options{API: api})
			w := postArchive(t, h, "/backup/import"+test.path, "[]", test.fields...)
			wantPage(t, w, 200)
			wantTexts(t, w, map[string]bool{
				"It exists, and differs.": true, `name="replace" value="1" checked`: test.checked,
			})
			if diff := cmp.Diff([]string{test.request}, api.changes()); diff != "" || api.lastBody() != "[]" {
				t.Errorf("the API was asked otherwise (-want +got):\n%s\nwith %q", diff, api.lastBody())
			}
		})
	}
}

// If an answer is longer than the page keeps, the page shows the results that it has.
func TestImportIsCut(t *testing.T) {
	line := `{"item":"1","id":"x","result":"created","message":"` + strings.Repeat("m", 1<<20) + `"}` + "\n"
	api := answering(200, strings.Repeat(line, 40))
	w := postArchive(t, newPage(oneTitle(), &webui.Options{API: api}), "/backup/import", "[]")
	wantPage(t, w, 200, "31 created", "There are more results, which are not shown.")
}

// A full backup is passed on as it is, with the visitor's token, to administrators only.
func TestFullBackup(t *testing.T) {
	api := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/backup" {
			w.Header().Set("Content-Type", "application/zip")
			fmt.Fprint(w, archive)
		}
		return r.URL.Path == "/api/v1/backup"
	}}
	h := newPage(oneTitle(), &webui.Options{API: api})
	w := sendAsAdmin(h, "GET", "/backup/full", "")
	if w.Code != 200 || w.Body.String() != archive || w.Header().Get("Content-Type") != "application/zip" ||
		api.lastRequest() != "GET /api/v1/backup?full=1 admin" {
		t.Errorf("the backup has status %d and the body %q; the API was asked %s", w.Code, w.Body, api.lastRequest())
	}
	wantPage(t, send(h, "GET", "/backup/full", "", "Cookie", "patchsource_token=title"), 403, "for administrators")
	wantPage(t, send(h, "GET", "/backup/full", ""), 401, "Sign in first")
}

// An endlessFile is a form with a file that does not end. It counts the bytes that are read.
type endlessFile struct {
	head  io.Reader
	count int
}

func (f *endlessFile) Read(p []byte) (int, error) {
	n, err := f.head.Read(p)
	if err == io.EOF {
		if f.count > maxRead {
			return 0, errors.New("the file does not end")
		}
		clear(p)
		n = len(p)
	}
	f.count += n
	return n, nil
}

// maxRead limits what is read of an endlessFile.
const maxRead = 1 << 20

// The rest of a file that the API refuses is not read: the visitor gets the answer at once, and cannot keep the server
// busy.
func TestRefusedFileIsNotRead(t *testing.T) {
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == "POST" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, `{"id":"t","kind":"title","titles_in_scope":["x"],"message":"Not with this token."}`)
	})
	h := newPage(oneTitle(), &webui.Options{API: api})
	for _, path := range []string{"/backup/restore", "/backup/restore?mode=replace", "/backup/import"} {
		file := &endlessFile{head: strings.NewReader(
			"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.zip\"\r\n\r\n")}
		r := httptest.NewRequest("POST", path, file)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.Header.Set("Cookie", "patchsource_token=title")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		wantPage(t, w, 403, "Not with this token.")
		if file.count > maxRead {
			t.Errorf("%s: the file was read", path)
		}
	}
}
