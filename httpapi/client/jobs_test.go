package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// ended waits for a job that was started.
func ended(t *testing.T, c *client.Client, j wire.Job, err error) wire.Job {
	t.Helper()
	if err != nil || j.ID == "" || j.State != wire.JobRunning {
		t.Fatalf("the job that was started is %+v, %v", j, err)
	}
	seen := 0
	last, err := c.WaitJob(t.Context(), j.ID, func(wire.Job) { seen++ })
	if err != nil || last.ID != j.ID || seen == 0 {
		t.Fatalf("WaitJob returned %+v, %v after %d requests", last, err, seen)
	}
	return last
}

func TestJobs(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	if _, err := c.Create(ctx, definition("A", "1")); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := c.Backup(ctx, &backup, nil); err != nil {
		t.Fatal(err)
	}
	archive := func() io.Reader { return bytes.NewReader(backup.Bytes()) }

	j, err := c.StartRestore(ctx, archive(), &client.RestoreOptions{Mode: client.RestoreMerge})
	restored := ended(t, c, j, err)
	outcome, err := client.OutcomeOf(restored)
	if diff := cmp.Diff(client.Outcome{Restored: []wire.Restored{{ID: "A"}}}, outcome); diff != "" || err != nil {
		t.Errorf("the restore: %v (-want +got):\n%s", err, diff)
	}
	j, err = c.StartImport(ctx, strings.NewReader(`[{"id":"x"}]`), nil)
	outcome, err = client.OutcomeOf(ended(t, c, j, err))
	if err != nil || len(outcome.Imported) != 1 || outcome.Imported[0].Result != wire.ResultRefused {
		t.Errorf("the import: %+v, %v", outcome, err)
	}
	j, err = c.StartRestore(ctx, archive(), nil) // there is a title
	_, err = client.OutcomeOf(ended(t, c, j, err))
	var failed *client.Error
	if !errors.As(err, &failed) || failed.Code != wire.CodeRestoreFailure || !errors.Is(err, client.ErrInvalid) {
		t.Errorf("a restore over a title: %v, want %s", err, wire.CodeRestoreFailure)
	}

	all, err := c.Jobs(ctx)
	if err != nil || len(all) != 3 {
		t.Errorf("Jobs returned %+v, %v", all, err)
	}
	if _, err := c.Job(ctx, "NOPE"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("an unknown job: %v, want ErrNotFound", err)
	}
	if _, err := c.WaitJob(ctx, "NOPE", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("waiting for an unknown job: %v, want ErrNotFound", err)
	}
	dry, err := c.StartImport(ctx, archive(), &client.ImportOptions{DryRun: true})
	if err != nil || dry.ID != "" || dry.State != wire.JobDone {
		t.Errorf("a dry run is the job %+v, %v", dry, err)
	}
	if outcome, err = client.OutcomeOf(dry); err != nil || outcome.Imported[0].Result != wire.ResultUnchanged {
		t.Errorf("the outcome of a dry run is %+v, %v", outcome, err)
	}
}

// An answer that is neither a job nor a result is an error, and so is that of another program.
func TestStartJobAnswers(t *testing.T) {
	for _, test := range []struct {
		status            int
		contentType, body string
		want              error // nil if the work is done
	}{
		{202, "application/json", `{"message":"Accepted."}`, client.ErrUnexpectedAnswer},
		{202, "application/json", `[]`, client.ErrUnexpectedAnswer},
		{201, "application/json", `{}`, client.ErrUnexpectedAnswer},
		{200, "text/html", `<p>`, client.ErrUnexpectedAnswer},
		{200, "", `[]`, client.ErrUnexpectedAnswer},
		{200, "application/x-ndjson", "{\"item\":\"1\"}\n{\"it", client.ErrUnexpectedAnswer},
		{503, "application/json", `{"message":"Too many wait.","busy":"x"}`, client.ErrUnavailable},
		{201, "application/json", `[{"id":"A"}]`, nil},
		{200, "application/x-ndjson", "{\"item\":\"1\"}\n", nil},
		{200, "application/x-ndjson", "", nil},
	} {
		preferred := ""
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			preferred = r.Header.Get("Prefer")
			w.Header().Set("Content-Type", test.contentType)
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		}))
		c := clientOf(t, s.URL, "")
		j, err := c.StartImport(t.Context(), strings.NewReader("[]"), nil)
		if !errors.Is(err, test.want) || test.want == nil && (j.State != wire.JobDone || j.Status != test.status) {
			t.Errorf("%d %s: got the job %+v, %v; want %v", test.status, test.body, j, err, test.want)
		}
		if preferred != "respond-async" {
			t.Errorf("%d: the request prefers %q", test.status, preferred)
		}
		s.Close()
	}
}

// WaitJob asks less and less often, until the job or the context ends.
func TestWaitJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var times []time.Duration
		end := time.Minute
		c, err := client.New("http://patches.example.com", &client.Options{
			HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				times = append(times, time.Since(begun))
				j := wire.Job{ID: "J", State: wire.JobRunning, Done: len(times)}
				if time.Since(begun) >= end {
					j.State = wire.JobInterrupted
				}
				body, err := json.Marshal(j)
				return &http.Response{
					StatusCode: 200,
					Header:     http.Header{"Content-Type": {"application/json"}},
					Body:       io.NopCloser(bytes.NewReader(body)),
				}, err
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		j, err := c.WaitJob(t.Context(), "J", nil)
		if err != nil || j.State != wire.JobInterrupted {
			t.Errorf("WaitJob returned %+v, %v", j, err)
		}
		if len(times) < 3 || times[0] != 0 || times[1] != 100*time.Millisecond ||
			times[len(times)-1]-times[len(times)-2] != 5*time.Second {
			t.Errorf("the requests came at %v", times)
		}
		end = time.Hour
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(io.EOF) })
		if j, err := c.WaitJob(ctx, "J", nil); !errors.Is(err, io.EOF) || j.Done != len(times) {
			t.Errorf("WaitJob returned %+v, %v; want the job as it was last seen, and the cause of the context", j, err)
		}
	})
}

func TestOutcomeOf(t *testing.T) {
	summary := &wire.JobSummary{Message: "m", Counts: map[string]int{"created": 2}}
	for _, test := range []struct {
		name string
		job  wire.Job
		want client.Outcome
		err  error // nil if there is none
	}{
		{
			"summary", wire.Job{
				Kind: wire.JobImport, State: wire.JobDone, Result: []byte(`{"message":"m","counts":{"created":2}}`),
			}, client.Outcome{Summary: summary}, nil,
		},
		{"interrupted", wire.Job{State: wire.JobInterrupted}, client.Outcome{}, client.ErrInterrupted},
		{"broken", wire.Job{State: wire.JobDone, Result: []byte(`[1]`)}, client.Outcome{}, client.ErrUnexpectedAnswer},
		{"failed", wire.Job{State: wire.JobFailed, Status: 503}, client.Outcome{}, client.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := client.OutcomeOf(test.job)
			if diff := cmp.Diff(test.want, got); diff != "" || !errors.Is(err, test.err) {
				t.Errorf("got the error %v, want %v (-want +got):\n%s", err, test.err, diff)
			}
		})
	}
	if _, err := client.OutcomeOf(wire.Job{State: wire.JobRunning}); err == nil {
		t.Error("a job that runs has an outcome")
	}
}
