package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// ErrInterrupted means that the server of a job was stopped or has died before the job ended. An interrupted restore
// has restored all titles or none. An interrupted import may have imported some of its titles, and can be repeated.
var ErrInterrupted = errors.New("the job was interrupted: its server was stopped before the end")

// StartRestore is [Client.Restore] as a job: it returns when the backup has arrived, and the work goes on even if the
// client is gone. [Client.WaitJob] waits for the job, and [OutcomeOf] returns its result. A server without jobs answers
// when the work is done; the job that is returned has then no ID and has ended. The reader is not closed.
func (c *Client) StartRestore(ctx context.Context, backup io.Reader, opts *RestoreOptions) (wire.Job, error) {
	return c.startJob(ctx, wire.JobRestore, opts.call(backup))
}

// StartImport is [Client.Import] as a job, as [Client.StartRestore] describes. With DryRun, it returns when the results
// are known, in a job without an ID. The reader is not closed.
func (c *Client) StartImport(ctx context.Context, titles io.Reader, opts *ImportOptions) (wire.Job, error) {
	return c.startJob(ctx, wire.JobImport, opts.call(titles))
}

// startJob sends a call that is to be a job. If the server does not make it one, the job is made of the answer.
func (c *Client) startJob(ctx context.Context, kind string, q call) (j wire.Job, err error) {
	q.header = http.Header{"Prefer": {"respond-async"}}
	q.instead = typeNDJSON
	res, err := c.send(ctx, q)
	if err != nil {
		return j, err
	}
	defer res.Body.Close()
	data, err := c.readBody(res)
	if err != nil {
		return j, err
	}
	if res.StatusCode == http.StatusAccepted {
		if err := json.Unmarshal(data, &j); err != nil || j.ID == "" {
			return wire.Job{}, fmt.Errorf("%w: the answer of %s is not a job", ErrUnexpectedAnswer, c.addressOf(q))
		}
		return j, nil
	}
	if got, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); got == typeNDJSON {
		data = arrayOf(data)
	}
	var all []json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return j, fmt.Errorf("%w: decoding the answer of %s: %w", ErrUnexpectedAnswer, c.addressOf(q), err)
	}
	return wire.Job{
		Kind:   kind,
		State:  wire.JobDone,
		Total:  len(all),
		Done:   len(all),
		Status: res.StatusCode,
		Result: data,
	}, nil
}

// arrayOf returns lines of JSON as an array.
func arrayOf(lines []byte) []byte {
	lines = bytes.ReplaceAll(bytes.TrimSpace(lines), []byte("\n"), []byte(","))
	return append(append([]byte("["), lines...), ']')
}

// Jobs returns all jobs without their results, with the newest first. A server keeps at most 100 jobs, for a day.
func (c *Client) Jobs(ctx context.Context) ([]wire.Job, error) {
	var list wire.JobList
	err := c.get(ctx, api("jobs"), nil, &list)
	return list.Jobs, err
}

// Job returns a job. The error is ErrNotFound if there is none with this id.
func (c *Client) Job(ctx context.Context, id string) (j wire.Job, err error) {
	return j, c.get(ctx, api("jobs", id), nil, &j)
}

const (
	// firstPoll is the pause after the first request of WaitJob, and maxPoll the longest one.
	firstPoll = 100 * time.Millisecond
	maxPoll   = 5 * time.Second
)

// WaitJob asks for a job until it has ended or ctx ends, and returns it as it was last seen. The pauses between the
// requests grow from 100 ms to 5 s. progress, if not nil, is called with the job after each request. An error is that
// of a request, or of ctx; that of a job is returned by [OutcomeOf].
func (c *Client) WaitJob(ctx context.Context, id string, progress func(wire.Job)) (last wire.Job, err error) {
	for pause := firstPoll; ; pause = min(pause*3/2, maxPoll) {
		j, err := c.Job(ctx, id)
		if err != nil {
			return last, err
		}
		if last = j; progress != nil {
			progress(j)
		}
		if j.State != wire.JobRunning {
			return j, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return last, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// An Outcome is the result of a job that succeeded.
type Outcome struct {
	// Restored is the result of a restore, and Imported that of an import.
	Restored []wire.Restored
	Imported []wire.Imported
	// Summary takes their place if the result was too large to be kept. Otherwise, it is nil.
	Summary *wire.JobSummary
}

// OutcomeOf returns the outcome of a job. The error is the [*Error] that the call would have returned if the job has
// failed, [ErrInterrupted] if it was interrupted, and another one if it still runs.
func OutcomeOf(j wire.Job) (o Outcome, err error) {
	switch j.State {
	case wire.JobDone:
	case wire.JobFailed:
		return o, errorOf(j.Status, j.Result)
	case wire.JobInterrupted:
		return o, ErrInterrupted
	default:
		return o, fmt.Errorf("the job %s has not ended", j.ID)
	}
	if bytes.HasPrefix(bytes.TrimSpace(j.Result), []byte("{")) {
		err = json.Unmarshal(j.Result, &o.Summary)
	} else if j.Kind == wire.JobImport {
		err = json.Unmarshal(j.Result, &o.Imported)
	} else {
		err = json.Unmarshal(j.Result, &o.Restored)
	}
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: decoding the result of the job %s: %w", ErrUnexpectedAnswer, j.ID, err)
	}
	return o, nil
}
