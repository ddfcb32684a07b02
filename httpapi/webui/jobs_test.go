package webui_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
)

// jobAPI returns an API with one job, whose members follow its id, kind and times.
func jobAPI(kind, members string) *fakeAPI {
	job := `{"id":"J1","kind":"` + kind + `","begun":"2026-05-01T12:00:00Z",` + members + `}`
	return &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		switch r.Method + " " + r.URL.Path {
		case "POST /api/v1/restore", "POST /api/v1/titles/import":
			if r.Header.Get("Prefer") != "respond-async" {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, job)
		case "GET /api/v1/jobs/J1":
			fmt.Fprint(w, job)
		case "GET /api/v1/jobs":
			fmt.Fprint(w, `{"jobs":[`+job+`]}`)
		case "GET /api/v1/jobs/J2":
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"There is no job with this id.","not_found":"J2"}`)
		default:
			return false
		}
		return true
	}}
}

// The forms lead to the page of the job unless the visitor wants to wait. A dry run and a plan are no jobs.
func TestFormsStartJobs(t *testing.T) {
	inBackground := []string{"background", "1"}
	for _, test := range []struct {
		name, path string
		fields     []string
		location   string // empty: the page is shown
		request    string
	}{
		{"a restore", "/backup/restore?mode=merge", inBackground, "/jobs/J1", "POST /api/v1/restore?mode=merge"},
		{
			"a confirmed restore", "/backup/restore?mode=replace",
			append([]string{"confirm", "2", "digest", "-a"}, inBackground...), "/jobs/J1",
			"POST /api/v1/restore?confirm=2-a&mode=replace",
		},
		{
			"a plan", "/backup/restore?mode=replace", inBackground, "",
			"POST /api/v1/restore?dry_run=1&mode=replace",
		},
		{
			"an import", "/backup/import", append([]string{"replace", "1"}, inBackground...), "/jobs/J1",
			"POST /api/v1/titles/import?replace=1",
		},
		{
			"an import that is tried", "/backup/import?dry_run=1", inBackground, "",
			"POST /api/v1/titles/import?dry_run=1",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			api := jobAPI("restore", `"state":"running","total":0,"done":0,"status":0,"ended":null,"result":null`)
			h := newPage(oneTitle(), &webui.Options{API: api, Site: "https://patches.example.com/pp"})
			w := postArchive(t, h, test.path, archive, test.fields...)
			status, location := 200, ""
			if test.location != "" {
				status, location = 303, "/pp"+test.location
			}
			if w.Code != status || w.Header().Get("Location") != location {
				t.Errorf("the status is %d and the location %q, want %d and %q: %s",
					w.Code, w.Header().Get("Location"), status, location, w.Body)
			}
			if got := strings.Join(api.changes(), "\n"); got != test.request || api.lastBody() != archive {
				t.Errorf("the API was asked %s with %q", got, api.lastBody())
			}
		})
	}
	w := sendAsAdmin(newPage(oneTitle(), &webui.Options{API: &fakeAPI{}}), "GET", "/backup", "")
	if n := strings.Count(w.Body.String(), `name="background" value="1" checked`); n != 2 {
		t.Errorf("%d of the two forms start a job by default", n)
	}
}

// An API without jobs has done the work when it answers: the page shows the result at once.
func TestFormsWithoutJobs(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{API: answering(201, `[{"id":"new"},{"id":"f","skipped":"s"}]`)})
	w := postArchive(t, h, "/backup/restore", archive, "background", "1")
	wantPage(t, notice(t, h, w), 200, "1 title was restored. 1 title that follows a source was not changed.")
	lines := `{"item":"1","result":"refused","message":"It differs."}` + "\n" +
		`{"item":"2","id":"x","result":"created"}` + "\n"
	h = newPage(oneTitle(), &webui.Options{API: answering(200, lines)})
	wantPage(t, postArchive(t, h, "/backup/import", "[]", "background", "1"), 200,
		"1 refused", "1 created", "It differs.")
	h = newPage(oneTitle(), &webui.Options{API: answering(503, `{"message":"Too many wait.","busy":"x"}`)})
	for _, path := range []string{"/backup/restore", "/backup/import"} {
		wantPage(t, postArchive(t, h, path, "[]", "background", "1"), 503, "Too many wait.")
	}
}

func TestJobPage(t *testing.T) {
	const refresh, leave = `<meta http-equiv="refresh" content="2">`, "You can leave this page"
	for _, test := range []struct {
		name, kind, members string
		texts               map[string]bool
	}{
		{
			"waiting", "import", `"state":"running","total":0,"done":0,"status":0,"result":null`,
			map[string]bool{
				refresh: true, leave: true, `<progress aria-label="Progress">No titles yet</progress>`: true,
				"may have to wait": true, "<dt>Ended": false,
			},
		},
		{
			"running", "restore", `"state":"running","total":1000,"done":120,"status":0,"result":null`,
			map[string]bool{
				refresh: true, leave: true, "may have to wait": false,
				`<progress value="120" max="1000" aria-label="Progress">120 of 1,000 titles</progress>`: true,
			},
		},
		{
			"an import of unknown length", "import", `"state":"running","total":0,"done":1234567,"result":null`,
			map[string]bool{`<progress aria-label="Progress">1,234,567 titles</progress>`: true},
		},
		{
			"restored", "restore", `"state":"done","ended":"2026-05-01T12:01:00Z","total":2,"done":2,"status":201,` +
				`"result":[{"id":"new"},{"id":"f","skipped":"s"}]`,
			map[string]bool{
				refresh: false, leave: false, "<progress": false, "2 of 2 titles": true, "2026-05-01 12:01 UTC": true,
				"1 title was restored. 1 title that follows a source was not changed.": true,
			},
		},
		{
			"imported", "import", `"state":"done","total":2,"done":2,"status":200,"result":[` +
				`{"item":"1","id":"<x>","result":"created"},{"item":"2","result":"refused","message":"It differs."}]`,
			map[string]bool{refresh: false, "1 created": true, "It differs.": true, "&lt;x&gt;": true, "more": false},
		},
		{
			"imported, too large", "import", `"state":"done","total":9000,"done":9000,"status":200,"result":{` +
				`"message":"m","counts":{"created":8999,"refused":1},"refused":[{"item":"2","result":"refused",` +
				`"message":"It differs."}]}`,
			map[string]bool{"8999 created": true, "It differs.": true, "There are more results": true},
		},
		{
			"restored, too large", "restore", `"state":"done","total":9000,"done":9000,"status":201,"result":{` +
				`"message":"m","counts":{"restored":9000,"skipped":0}}`,
			map[string]bool{"9000 titles were restored.": true},
		},
		{
			"failed", "restore", `"state":"failed","total":0,"done":0,"status":400,"result":{"message":"No zip.",` +
				`"restore_failure":"x","errors":[{"path":"x.json","message":"is empty"}]}`,
			map[string]bool{refresh: false, leave: false, "No zip.": true, "<code>x.json</code> is empty": true},
		},
		{
			"interrupted restore", "restore", `"state":"interrupted","total":9,"done":3,"status":0,"result":null`,
			map[string]bool{refresh: false, leave: false, "Either the whole backup was restored or nothing": true},
		},
		{
			"interrupted import", "import", `"state":"interrupted","total":0,"done":3,"status":0,"result":null`,
			map[string]bool{refresh: false, "Some of the titles may have been imported": true},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newPage(oneTitle(), &webui.Options{API: jobAPI(test.kind, test.members)})
			w := sendAsAdmin(h, "GET", "/jobs/J1", "")
			wantPage(t, w, 200)
			wantTexts(t, w, test.texts)
			wantPage(t, sendAsAdmin(h, "GET", "/jobs", ""), 200, `href="/jobs/J1"`, `data-label="Processed"`)
		})
	}
}

func TestJobPagesRefused(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{API: jobAPI("import", `"state":"running"`)})
	wantPage(t, sendAsAdmin(h, "GET", "/jobs/J2", ""), 404, "There is no job with this id.")
	for _, path := range []string{"/jobs", "/jobs/J1"} {
		wantPage(t, send(h, "GET", path, ""), 401, "Sign in first")
	}
	none := &fakeAPI{answer: func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/api/v1/jobs" {
			w.WriteHeader(http.StatusNotFound)
		}
		return r.URL.Path == "/api/v1/jobs"
	}}
	wantPage(t, sendAsAdmin(newPage(oneTitle(), &webui.Options{API: none}), "GET", "/jobs", ""), 404,
		"This server does not support this.")
}
