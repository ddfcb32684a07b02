package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// progressInterval is the minimum time between two writes of a job's progress.
	progressInterval = time.Second
	// beats is the number of these intervals after which a record without progress is written, as a heartbeat.
	beats = 10
	// maxFinalTries bounds the attempts to write the outcome of a job. The pause between them grows by a second each.
	maxFinalTries = 20
	// writeTimeout bounds a write, and thus the time for which a store that does not answer delays Close.
	writeTimeout = 30 * time.Second
)

// A run is a job of this server that waits or runs. Its record belongs to it alone.
type run struct {
	service *Service
	work    Work
	release func() // called when the work has ended

	mu  sync.Mutex
	job Job // as it is; its record may be older
}

// key returns the key of the job's record.
func (r *run) key() store.Key { return store.Key{Kind: recordKind, ID: r.job.ID} }

// create writes the job's record for the first time.
func (r *run) create(ctx context.Context) error {
	value, err := encode(r.job, r.service.now())
	if err != nil {
		return err
	}
	return store.Finish(ctx, func(ctx context.Context) error {
		_, err := r.service.store.Put(ctx, r.key(), value, store.IfAbsent())
		return err
	})
}

// do waits for the job's turn, does its work and writes the outcome. It renews the record all the while.
func (r *run) do(ctx context.Context) {
	renewing, end := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	written := r.current()
	renewal.Go(func() { r.renew(renewing, written) })
	status, result := r.inTurn(ctx)
	end()
	renewal.Wait()
	r.finish(ctx, status, result)
}

// inTurn does the work when it is the job's turn.
func (r *run) inTurn(ctx context.Context) (status int, result json.RawMessage) {
	defer r.release()
	select {
	case <-ctx.Done():
		return 0, nil
	case r.service.turn <- struct{}{}:
	}
	defer func() { <-r.service.turn }()
	if ctx.Err() != nil {
		return 0, nil
	}
	return r.work(ctx, r.progress)
}

// progress notes the progress of the work.
func (r *run) progress(done, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.job.Done, r.job.Total = done, total
}

// current returns the job as it is.
func (r *run) current() Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job
}

// renew writes the progress, and a heartbeat, until ctx ends or the record is removed. Of several failures in a row, it
// logs the first. written is the job as its record has it.
func (r *run) renew(ctx context.Context, written Job) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	failing := false
	for idle := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		j := r.current()
		if idle++; j.Done == written.Done && j.Total == written.Total && idle < beats {
			continue
		}
		err := r.write(ctx, j)
		if err == nil {
			written, idle, failing = j, 0, false
			continue
		}
		if ctx.Err() == nil && !failing {
			r.service.log.ErrorContext(ctx, "the progress of a job could not be saved", "job", j.ID, "error", err)
		}
		if errors.Is(err, errRemoved) {
			return
		}
		failing = true
	}
}

// finish writes the outcome of the job. It retries for some minutes, or until the service is closed.
func (r *run) finish(ctx context.Context, status int, result json.RawMessage) {
	j := r.current()
	j.Status, j.Result = status, result
	switch {
	case status == 0:
		j.State, j.Result = Interrupted, nil
	case status < http.StatusBadRequest:
		j.State, j.Ended = Done, r.service.now().UTC()
	default:
		j.State, j.Ended = Failed, r.service.now().UTC()
	}
	for try := 1; ; try++ {
		// A job that is stopped writes its record all the same, once.
		err := r.write(context.WithoutCancel(ctx), j)
		if err == nil {
			return
		}
		r.service.log.ErrorContext(ctx, "the outcome of a job could not be saved", "job", j.ID, "error", err)
		if try == maxFinalTries || errors.Is(err, errRemoved) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
}

// errRemoved means that the record of a job has been removed.
var errRemoved = errors.New("the record of the job was removed")

// write writes a job if its record still exists.
func (r *run) write(ctx context.Context, j Job) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	_, err := store.Update(ctx, r.service.store, r.key(), func(old store.Record) ([]byte, error) {
		if old.Revision == "" {
			return nil, errRemoved
		}
		if _, err := decode(old); err != nil {
			return nil, err
		}
		return encode(j, r.service.now())
	})
	return err
}
