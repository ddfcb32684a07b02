package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// newJobBench returns a bench with jobs, whose titles are in s, and the service that runs them.
func newJobBench(t *testing.T, s store.Store) (*bench, *jobs.Service) {
	t.Helper()
	b := newBench(t, s)
	service := jobs.New(memstore.New(), nil)
	t.Cleanup(service.Close)
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Tokens: b.auth,
		Jobs:   services.Jobs(service),
		Site:   "https://patches.example.com/pp",
	})
	return b, service
}

// async sends a request that is to become a job.
func (b *bench) async(path, body string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.asAdmin("POST", path, body, "Prefer", "respond-async")
}

// started returns the job in an answer.
func started(t *testing.T, w *httptest.ResponseRecorder) (j wire.Job) {
	t.Helper()
	require(t, w, 202)
	if err := json.Unmarshal(w.Body.Bytes(), &j); err != nil || j.ID == "" {
		t.Fatalf("the answer is no job: %s", w.Body)
	}
	return j
}

// job returns a job.
func (b *bench) job(id string) (j wire.Job) {
	b.t.Helper()
	w := b.asAdmin("GET", "/api/v1/jobs/"+id, "")
	require(b.t, w, 200)
	if err := json.Unmarshal(w.Body.Bytes(), &j); err != nil {
		b.t.Fatal(err)
	}
	return j
}

// decoded returns a value of JSON, or of lines of JSON as an array.
func decoded(t *testing.T, text, contentType string) (v any) {
	t.Helper()
	if contentType == "application/x-ndjson" {
		text = "[" + strings.ReplaceAll(strings.TrimSpace(text), "\n", ",") + "]"
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// A job has the same status, result and effect as the call that answers when the work is done.
func TestJobIsAsTheCall(t *testing.T) {
	good := zipped(t, "A.json", definition("A", "2"), "C.json", definition("C", "1"))
	const restore = "/api/v1/restore?mode="
	for _, c := range []struct {
		name, path, body string
		status           int
		state            string
		total            int
	}{
		{"restore", restore + "merge", good, 201, wire.JobDone, 2},
		{"not empty", restore, good, 400, wire.JobFailed, 2},
		{"not confirmed", restore + "replace", good, 400, wire.JobFailed, 2},
		{
			"invalid members", restore + "merge", zipped(t, "A.json", definition("A", "2"), "x.json", "{}"), 400,
			wire.JobFailed, 0,
		},
		{"no archive", restore + "merge", "no zip", 400, wire.JobFailed, 0},
		{
			"import", "/api/v1/titles/import?replace=1",
			definition("A", "3") + "\n{\n" + definition("<New>", "1") + "\n" + definition("New", "1"),
			200, wire.JobDone, 4,
		},
		{"import of nothing", "/api/v1/titles/import", "[]", 200, wire.JobDone, 0},
		{"import of no titles", "/api/v1/titles/import", "x", 415, wire.JobFailed, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, _ := newJobBench(t, memstore.New())
				b, _ := newJobBench(t, memstore.New())
				calls.create("A", "B")
				b.create("A", "B")
				called := calls.asAdmin("POST", c.path, c.body)
				expect(t, called, c.status)

				w := b.asAdmin("POST", c.path, c.body, "Prefer", `wait=9, RESPOND-Async; x="1,2"`)
				j := started(t, w)
				if j.Ended != nil || j.Begun == nil || j.Status != 0 || string(j.Result) != "null" {
					t.Errorf("the answer is %s", w.Body)
				}
				link := "https://patches.example.com/pp/api/v1/jobs/" + j.ID
				if h := w.Header(); h.Get("Location") != link || h.Get("Preference-Applied") != "respond-async" {
					t.Errorf("the header is %v, want the location %s", h, link)
				}
				synctest.Wait()
				j = b.job(j.ID)
				if j.State != c.state || j.Status != c.status || j.Ended == nil || j.Total != c.total ||
					c.state == wire.JobDone && j.Done != c.total {
					t.Errorf("got the job %+v, want it %s, with status %d and %d titles", j, c.state, c.status, c.total)
				}
				want := decoded(t, called.Body.String(), called.Header().Get("Content-Type"))
				if diff := cmp.Diff(want, decoded(t, string(j.Result), "")); diff != "" {
					t.Errorf("the result is not the answer (-want +got):\n%s", diff)
				}
				if got, want := b.titles(), calls.titles(); got != want {
					t.Errorf("got the titles %s, want %s", got, want)
				}
			})
		})
	}
}

// The work goes on after its caller has hung up, and its progress is seen.
func TestJobOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		writes := func(n int64) error {
			if n == 251 {
				<-next
			}
			return nil
		}
		b, _ := newJobBench(t, &interceptedStore{Store: memstore.New(), write: writes})
		var lines []string
		for n := range 300 {
			lines = append(lines, definition(fmt.Sprintf("T%d", n), "1"))
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/titles/import", strings.NewReader(
			strings.Join(lines, "\n")))
		r.Header.Set("Authorization", "Bearer "+b.admin)
		r.Header.Set("Prefer", "respond-async")
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		cancel()
		j := started(t, w)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		running := b.job(j.ID)
		if running.State != wire.JobRunning || running.Done < 200 || running.Done > 299 || running.Status != 0 {
			t.Errorf("while it runs, the job is %+v", running)
		}
		close(next)
		synctest.Wait()
		if done := b.job(j.ID); done.State != wire.JobDone || done.Done != 300 || b.catalog.Len() != 300 {
			t.Errorf("the job is %+v, and there are %d titles", done, b.catalog.Len())
		}
	})
}

// A restore that the server stops leaves nothing half made.
func TestStoppedRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		writes := func(n int64) error {
			if n == 3 { // the two before are of the title A, and of a restored one
				<-next
			}
			return nil
		}
		b, service := newJobBench(t, &interceptedStore{Store: memstore.New(), write: writes})
		b.create("A")
		archive := zipped(t, "A.json", definition("A", "2"), "B.json", definition("B", "1"),
			"C.json", definition("C", "1"))
		j := started(t, b.async("/api/v1/restore?mode=merge", archive))
		synctest.Wait()
		go service.Close()
		synctest.Wait()
		close(next)
		synctest.Wait()
		stopped := b.job(j.ID)
		if stopped.State != wire.JobInterrupted || stopped.Status != 0 || string(stopped.Result) != "null" {
			t.Errorf("the job is %+v", stopped)
		}
		if got := b.titles(); got != "A 1" {
			t.Errorf("got the titles %s, want A 1", got)
		}
		expect(t, b.async("/api/v1/restore?mode=merge", archive), 503)
	})
}

func TestPanicInJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newJobBench(t, &interceptedStore{
			Store: memstore.New(),
			write: func(int64) error { return panicInStore() },
		})
		j := started(t, b.async("/api/v1/titles/import", definition("A", "1")))
		synctest.Wait()
		failed := b.job(j.ID)
		if failed.State != wire.JobFailed || failed.Status != 500 ||
			!strings.Contains(string(failed.Result), `"internal"`) {
			t.Errorf("the job is %+v with %s", failed, failed.Result)
		}
		lacks(t, string(failed.Result), "a fault of the store")
	})
}

// Jobs are for administrators alone, who find them in the list without their results. A job that does not exist is not
// found.
func TestJobCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newJobBench(t, memstore.New())
		expect(t, b.asAdmin("GET", "/api/v1/jobs", ""), 200, `{"jobs":[]}`)
		j := started(t, b.async("/api/v1/titles/import", definition("A", "1")))
		synctest.Wait()
		time.Sleep(time.Second)
		later := started(t, b.async("/api/v1/titles/import", definition("B", "1")))
		synctest.Wait()
		w := b.asAdmin("GET", "/api/v1/jobs", "")
		var list wire.JobList
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, one := range list.Jobs {
			ids = append(ids, one.ID)
			if one.State != wire.JobDone || string(one.Result) != "null" {
				t.Errorf("the list has %+v", one)
			}
		}
		if !slices.Equal(ids, []string{later.ID, j.ID}) {
			t.Errorf("got the jobs %v, want %s and %s", ids, later.ID, j.ID)
		}
		unknown := b.asAdmin("GET", "/api/v1/jobs/NOPE", "")
		expect(t, unknown, 404, "There is no job with this id.")
		if _, ok := problem(t, unknown).Rest["not_found"]; !ok {
			t.Errorf("the error has another code: %s", unknown.Body)
		}
		editor := bearer(b.token(auth.Grant{Kind: auth.Editor}))
		for _, path := range []string{"/api/v1/jobs", "/api/v1/jobs/" + j.ID, "/api/v1/jobs/NOPE"} {
			expect(t, b.do("GET", path, ""), 401)
			expect(t, b.do("GET", path, "", editor...), 403)
		}
		for _, path := range []string{"/api/v1/restore", "/api/v1/titles/import"} {
			expect(t, b.do("POST", path, "", append(editor, "Prefer", "respond-async")...), 403)
		}
	})
}

// Without the preference, for a dry run, and on a server without jobs, the answer comes when the work is done.
func TestNoJob(t *testing.T) {
	b, _ := newJobBench(t, memstore.New())
	body := definition("A", "1")
	expect(t, b.asAdmin("POST", "/api/v1/titles/import", body, "Prefer", "respond-sync"), 200, `"created"`)
	expect(t, b.async("/api/v1/titles/import?dry_run=1", body), 200, `"unchanged"`)
	expect(t, b.async("/api/v1/restore?mode=merge&dry_run=1", zipped(t, "A.json", body)), 200, `"unchanged":["A"]`)
	expect(t, b.asAdmin("GET", "/api/v1/jobs", ""), 200, `{"jobs":[]}`)

	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
	expect(t, b.async("/api/v1/titles/import", body), 200, `"unchanged"`)
	w := b.async("/api/v1/restore?mode=merge", zipped(t, "A.json", body))
	expect(t, w, 201, `[{"id":"A"}]`)
	if applied := w.Header().Get("Preference-Applied"); applied != "" {
		t.Errorf("the preference %s was applied", applied)
	}
	expect(t, b.asAdmin("GET", "/api/v1/jobs", ""), 404)
}

// One job runs and four wait. More are refused, and their files are given up.
func TestTooManyJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		b, _ := newJobBench(t, &interceptedStore{Store: memstore.New(), write: func(int64) error {
			<-next
			return nil
		}})
		for n := range 5 {
			started(t, b.async("/api/v1/titles/import", definition(fmt.Sprintf("T%d", n), "1")))
		}
		w := b.async("/api/v1/titles/import", definition("Late", "1"))
		expect(t, w, 503, `"busy"`, "Too many restores and imports wait")
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("the header is %v", w.Header())
		}
		close(next)
		synctest.Wait()
		if n := b.catalog.Len(); n != 5 {
			t.Errorf("got %d titles, want 5", n)
		}
	})
}

// A result that is too large keeps its counts and the first titles that were not stored.
func TestLargeResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newJobBench(t, memstore.New())
		lines := []string{definition("A", "1")}
		var members []string
		for n := range 1200 {
			lines = append(lines, fmt.Sprintf(`{"id":"%d","%s":1}`, n, strings.Repeat("x", 300)))
			members = append(members, fmt.Sprintf("%s%d.json", strings.Repeat("m", 200), n), `{"id":7}`)
		}
		imported := started(t, b.async("/api/v1/titles/import", strings.Join(lines, "\n")))
		restored := started(t, b.async("/api/v1/restore?mode=merge", zipped(t, members...)))
		synctest.Wait()
		j := b.job(imported.ID)
		var summary wire.JobSummary
		if err := json.Unmarshal(j.Result, &summary); err != nil {
			t.Fatal(err)
		}
		first := len(summary.Refused)
		if summary.Counts["created"] != 1 || summary.Counts["refused"] != 1200 || first == 0 || first == 1200 ||
			summary.Refused[0].Item != "line 2" || summary.Message == "" || len(j.Result) > 256<<10 {
			t.Errorf("the result has %d bytes, the counts %v and %d titles", len(j.Result), summary.Counts, first)
		}
		j = b.job(restored.ID)
		var failed wire.Error
		if err := json.Unmarshal(j.Result, &failed); err != nil {
			t.Fatal(err)
		}
		if n := len(failed.Failures); n == 0 || len(j.Result) > 256<<10 || failed.Code != wire.CodeRestoreFailure ||
			!strings.HasSuffix(failed.Message, fmt.Sprintf("Only the first %d of 1000 failures are kept.", n)) {
			t.Errorf("the result has %d bytes and %d failures: %s", len(j.Result), n, failed.Message)
		}
	})
}
