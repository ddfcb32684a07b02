package wire

import (
	"encoding/json"
	"time"
)

// The kinds of a [Job].
const (
	JobRestore = "restore"
	JobImport  = "import"
)

// The states of a [Job].
const (
	// JobRunning is the state of a job that works, or waits for another one to end.
	JobRunning = "running"
	// JobDone is the state of a job whose call would have been answered with a success.
	JobDone = "done"
	// JobFailed is the state of a job whose call would have been answered with an error.
	JobFailed = "failed"
	// JobInterrupted is the state of a job whose server was stopped or has died before the job ended. An interrupted
	// restore has restored all titles or none. An interrupted import may have imported some of its titles.
	JobInterrupted = "interrupted"
)

// A Job is a restore or an import that goes on after its request was answered.
type Job struct {
	ID string `json:"id"`
	// Kind is one of JobRestore and JobImport.
	Kind string `json:"kind"`
	// State is one of JobRunning, JobDone, JobFailed and JobInterrupted.
	State string     `json:"state"`
	Begun *time.Time `json:"begun"`
	// Ended is null while the job runs, and if it was interrupted.
	Ended *time.Time `json:"ended"`
	// Total is the number of titles, or 0 while it is unknown. Done is the number of those that are processed.
	Total int `json:"total"`
	Done  int `json:"done"`
	// Status is the HTTP status that the call would have been answered with. It is 0 while the job runs, and if it was
	// interrupted.
	Status int `json:"status"`
	// Result is what the call would have been answered with: an array of Restored, an array of Imported, or an Error.
	// It is a JobSummary in place of an array that is larger than 256 KiB, and an Error with fewer failures in place of
	// a larger Error. It is null while the job runs, if it was interrupted, and in lists.
	Result json.RawMessage `json:"result"`
}

// A JobList is the body that answers GET /api/v1/jobs. The newest job comes first.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

// A JobSummary is the result of a job whose answer is too large to be kept.
type JobSummary struct {
	// Message says that the result is not complete.
	Message string `json:"message"`
	// Counts has the number of titles by their result: those of an Imported, or "restored" and "skipped".
	Counts map[string]int `json:"counts"`
	// Refused has the first titles that an import refused.
	Refused []Imported `json:"refused,omitempty"`
	// Skipped has the first titles that a restore left unchanged.
	Skipped []Restored `json:"skipped,omitempty"`
}
