package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// recordKind is the kind of the records of jobs. Their ids are those of the jobs.
	recordKind = "jobs"
	// recordFormat is the newest format of these records that this version knows.
	recordFormat = 1
)

// A record is the value of a job's record.
type record struct {
	Format int       `json:"format"`
	Kind   string    `json:"kind"`
	State  string    `json:"state"`
	Begun  time.Time `json:"begun"`
	Ended  time.Time `json:"ended,omitzero"`
	// Beat is when the server that runs the job last wrote the record.
	Beat   time.Time       `json:"beat"`
	Total  int             `json:"total"`
	Done   int             `json:"done"`
	Status int             `json:"status,omitzero"`
	Result json.RawMessage `json:"result,omitempty"`
}

// encode returns the value of a job's record that is written at a time.
func encode(j Job, now time.Time) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // the result is kept as it is
	err := encoder.Encode(record{
		Format: recordFormat,
		Kind:   j.Kind,
		State:  j.State,
		Begun:  j.Begun,
		Ended:  j.Ended,
		Beat:   now.UTC(),
		Total:  j.Total,
		Done:   j.Done,
		Status: j.Status,
		Result: j.Result,
	})
	return b.Bytes(), err
}

// decode returns the value of a record. The error is store.ErrFormat for one of a newer version.
func decode(rec store.Record) (r record, err error) {
	if err := json.Unmarshal(rec.Value, &r); err != nil {
		return r, fmt.Errorf("jobs: record %v: %w", rec.Key, err)
	}
	if r.Format > recordFormat {
		return r, store.NewerFormat(rec.Key, r.Format, recordFormat)
	}
	return r, nil
}

// job returns the job of a record that is read at a time.
func (r record) job(id string, now time.Time) Job {
	j := Job{
		ID:     id,
		Kind:   r.Kind,
		State:  r.State,
		Begun:  r.Begun,
		Ended:  r.Ended,
		Total:  r.Total,
		Done:   r.Done,
		Status: r.Status,
		Result: r.Result,
	}
	if j.State == Running && now.Sub(r.Beat) > silence {
		j.State = Interrupted
	}
	return j
}
