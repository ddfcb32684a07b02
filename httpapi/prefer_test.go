package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/httpapi/wire"
)

func TestPrefers(t *testing.T) {
	for _, c := range []struct {
		header []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"respond-async"}, true},
		{[]string{" Respond-ASYNC "}, true},
		{[]string{"wait=10", "return=minimal, respond-async"}, true},
		{[]string{"respond-async, wait=10"}, true},
		{[]string{"respond-async; a=b; c"}, true},
		{[]string{`respond-async=""`}, true},
		{[]string{"respond-async="}, true},
		{[]string{"respond-async=no"}, false},
		{[]string{"respond-async=no, respond-async"}, false},
		{[]string{"respond-async, respond-async=no"}, true},
		{[]string{"x-respond-async"}, false},
		{[]string{"respond-async-later"}, false},
		{[]string{"respond async"}, false},
		{[]string{`note="a, respond-async, b"`}, false},
		{[]string{`note="a\", respond-async"`}, false},
		{[]string{`note="a\\", respond-async`}, true},
		{[]string{"a; respond-async"}, false},
		{[]string{`a; b="c;d,e", respond-async`}, true},
	} {
		if got := prefers(c.header, respondAsync); got != c.want {
			t.Errorf("Prefer: %q is %v, want %v", c.header, got, c.want)
		}
	}
}

// A fakeJobs keeps the last job that was started until the test runs it.
type fakeJobs struct {
	Jobs
	work    JobWork
	release func()
	err     error
}

func (f *fakeJobs) Start(_ context.Context, kind string, work JobWork, release func()) (wire.Job, error) {
	f.work, f.release = work, release
	return wire.Job{ID: "J", Kind: kind}, f.err
}

// A closedFile notes that it was closed.
type closedFile struct {
	*os.File
	closed bool
}

func (f *closedFile) Close() error {
	f.closed = true
	return f.File.Close()
}

// The file of an upload stays until the job gives it back, and not longer than the request if there is no job.
func TestUploadOfJobIsKept(t *testing.T) {
	for _, path := range []string{"/api/v1/restore", "/api/v1/titles/import"} {
		for _, refused := range []error{nil, ErrTooManyJobs} {
			t.Run(fmt.Sprint(path, refused), func(t *testing.T) {
				a, _ := uploadAPI(t, "")
				fake := &fakeJobs{err: refused}
				a.router.calls.restore.background.jobs = fake
				a.router.calls.imports.background.jobs = fake
				var file *closedFile
				setUploads(a, func(string) (*upload.File, error) {
					f, err := os.CreateTemp(t.TempDir(), upload.Prefix)
					file = &closedFile{File: f}
					return upload.NewFile(file), err
				})
				r := httptest.NewRequest("POST", path, strings.NewReader(zipOfOne(t)))
				r.Header.Set("Prefer", "respond-async")
				w := httptest.NewRecorder()
				a.router.handler().ServeHTTP(w, r)
				if file.closed != (refused != nil) {
					t.Fatalf("after the answer %d, the file is closed: %v", w.Code, file.closed)
				}
				if refused != nil {
					return
				}
				if status, result := fake.work(t.Context(), func(int, int) {}); status == 0 || file.closed {
					t.Errorf("the work returned %d, %s; the file is closed: %v", status, result, file.closed)
				}
				if fake.release(); !file.closed {
					t.Error("the file is not closed")
				}
			})
		}
	}
}

// A restore of so many titles that its result is too large keeps their number, and those that were skipped.
func TestLargeRestoreResult(t *testing.T) {
	var all []wire.Restored
	for n := range 20_000 {
		one := wire.Restored{ID: fmt.Sprintf("Title-%d", n)}
		if n%1000 == 7 {
			one.Skipped = "it follows x"
		}
		all = append(all, one)
	}
	var summary wire.JobSummary
	data := restoreResult(all)
	if err := json.Unmarshal(data, &summary); err != nil {
		t.Fatal(err)
	}
	if len(data) > maxJobResult || summary.Counts["restored"] != 19_980 || summary.Counts["skipped"] != 20 ||
		len(summary.Skipped) != 20 || summary.Skipped[0].ID != "Title-7" {
		t.Errorf("the result is %s", data)
	}
	if small := string(restoreResult(all[:1])); small != `[{"id":"Title-0"}]`+"\n" {
		t.Errorf("a small result is %s", small)
	}
}
