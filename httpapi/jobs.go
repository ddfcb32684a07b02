package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// jobCalls are the calls about jobs.
type jobCalls struct {
	*core
	jobs Jobs
}

func (c *jobCalls) list(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.permitted(r, auth.ActionAdminister); err != nil {
		return err
	}
	all, err := c.jobs.List(r.Context())
	if err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, wire.JobList{Jobs: append([]wire.Job{}, all...)})
}

func (c *jobCalls) get(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.permitted(r, auth.ActionAdminister); err != nil {
		return err
	}
	job, err := c.jobs.Job(r.Context(), mux.Vars(r)["id"])
	if err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, job)
}

// A progressFunc receives the progress of a job: the number of titles that are processed, and that of all titles or 0
// while it is unknown.
type progressFunc func(done, total int)

// An outcome is the answer that a call would have had: the error if it is not nil, and otherwise the status and the
// result.
type outcome struct {
	status int
	result json.RawMessage
	err    error
}

// A background starts jobs for calls whose clients prefer not to wait.
type background struct {
	*core
	jobs   Jobs // if nil, all work is done before the answer
	errors problem.Writer
}

// wanted reports whether the work of a request is done in the background.
func (b background) wanted(r *http.Request) bool {
	return b.jobs != nil && prefers(r.Header["Prefer"], respondAsync)
}

// start starts a job that reads an uploaded file, and answers with the job. The work gets the request with the context
// of the job; it must not use the body of the request. start closes the file when the work has ended.
func (b background) start(
	w http.ResponseWriter, r *http.Request, kind string, file *upload.File,
	work func(*http.Request, progressFunc) outcome,
) error {
	ctx := trace.WithID(r.Context(), trace.ID(r)) // the lines of the job in the log have the id of the request
	do := func(ctx context.Context, progress func(done, total int)) (int, json.RawMessage) {
		return b.do(r.WithContext(ctx), progress, work)
	}
	job, err := b.jobs.Start(ctx, kind, do, func() { _ = file.Close() })
	if err != nil {
		_ = file.Close()
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(chunkTimeout))
	w.Header().Set("Location", b.address(r)+"/api/v1/jobs/"+job.ID)
	w.Header().Set("Preference-Applied", respondAsync)
	return replyUncached(w, http.StatusAccepted, job)
}

// do does the work of a job. It returns the status 0 if the work was stopped.
func (b background) do(r *http.Request, progress progressFunc, work func(*http.Request, progressFunc) outcome) (
	status int, result json.RawMessage,
) {
	o := recovered(func() outcome { return work(r, progress) })
	var panicked *problem.PanicError
	switch {
	case o.err == nil:
		return o.status, o.result
	case r.Context().Err() != nil && !errors.As(o.err, &panicked):
		b.log.WarnContext(r.Context(), "a job was stopped before its end", "error", o.err)
		return 0, nil
	}
	p, _ := b.errors.Report(r, o.err)
	return p.Status, errorResult(p)
}

// recovered returns the outcome of work. A panic is an error.
func recovered(work func() outcome) (o outcome) {
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(*problem.PanicError); ok {
				o = outcome{err: err}
			} else {
				o = outcome{err: problem.NewPanicError(v)}
			}
		}
	}()
	return work()
}

// maxJobResult bounds the result of a job that is kept, in bytes.
const maxJobResult = 256 << 10

// incomplete is the message of a result that is larger.
const incomplete = "The result is too large to be kept. These are the numbers of titles, and the first of those that " +
	"were not stored."

// errorResult returns an error as the result of a job, with as many of its failures as fit.
func errorResult(p problem.Problem) json.RawMessage {
	body := p.Body()
	for all := len(body.Failures); ; body.Failures = body.Failures[:len(body.Failures)/2] {
		if n := len(body.Failures); n < all {
			body.Message = fmt.Sprintf("%s Only the first %d of %d failures are kept.", p.Message, n, all)
		}
		if data := encoded(body); len(data) <= maxJobResult || len(body.Failures) == 0 {
			return data
		}
	}
}

// restoreResult returns the result of a restore.
func restoreResult(all []wire.Restored) json.RawMessage {
	if data := encoded(all); len(data) <= maxJobResult {
		return data
	}
	summary := wire.JobSummary{Message: incomplete, Counts: map[string]int{"restored": 0, "skipped": 0}}
	left := maxJobResult / 2
	for _, one := range all {
		if one.Skipped == "" {
			summary.Counts["restored"]++
			continue
		}
		summary.Counts["skipped"]++
		if left -= len(encoded(one)); left >= 0 {
			summary.Skipped = append(summary.Skipped, one)
		}
	}
	return encoded(summary)
}

// An importResult collects the results of an import that is a job. Its memory is bounded.
type importResult struct {
	progress progressFunc
	summary  wire.JobSummary
	lines    []json.RawMessage // nil if they are too large
	bytes    int               // of all lines, and of the commas between them
	refused  int               // bytes of summary.Refused
}

// Write implements importSink.
func (s *importResult) Write(line wire.Imported) error {
	data := encoded(line)
	if s.summary.Counts == nil {
		s.summary.Counts = map[string]int{}
	}
	s.summary.Counts[line.Result]++
	if s.bytes += len(data) + 1; s.bytes <= maxJobResult {
		s.lines = append(s.lines, data)
	} else {
		s.lines = nil
	}
	if line.Result == wire.ResultRefused {
		if s.refused += len(data); s.refused <= maxJobResult/2 {
			s.summary.Refused = append(s.summary.Refused, line)
		}
	}
	s.progress(s.titles(), 0)
	return nil
}

// Flush implements importSink.
func (s *importResult) Flush() {}

// titles returns the number of titles so far.
func (s *importResult) titles() (n int) {
	for _, count := range s.summary.Counts {
		n += count
	}
	return n
}

// end returns the result of the import. All titles are known then.
func (s *importResult) end() json.RawMessage {
	s.progress(s.titles(), s.titles())
	if s.bytes > maxJobResult {
		s.summary.Message = incomplete
		return encoded(s.summary)
	}
	return encoded(append([]json.RawMessage{}, s.lines...))
}

// encoded returns the JSON of a result.
func encoded(v any) json.RawMessage {
	data, err := answer.Encode(v)
	if err != nil {
		panic("httpapi: a result cannot be encoded: " + err.Error())
	}
	return data
}
