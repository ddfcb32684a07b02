// Package jobs runs long work in the background and keeps a record of each piece of work in a store, so that every
// server over the store can report its progress.
package jobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxWaiting is the number of jobs that wait while one runs.
	maxWaiting = 4
	// maxKept is the number of jobs that are kept, and retention the time for which an ended one is.
	maxKept   = 100
	retention = 24 * time.Hour
	// silence is the age of a heartbeat after which a job counts as interrupted. It is more than the clocks of servers
	// over one store differ by.
	silence = 5 * time.Minute
)

var (
	// ErrNotFound is returned for a job that does not exist, or is no longer kept.
	ErrNotFound = errors.New("job not found")
	// ErrBusy is returned if too many jobs wait.
	ErrBusy = errors.New("too many jobs wait on this server")
	// ErrClosed is returned by Start after Close.
	ErrClosed = errors.New("the server is stopping")
)

// The states of a job.
const (
	Running     = "running"
	Done        = "done"
	Failed      = "failed"
	Interrupted = "interrupted"
)

// A Job is a piece of work and its progress.
type Job struct {
	ID    string
	Kind  string
	State string
	Begun time.Time
	Ended time.Time // zero: it has not ended, or was interrupted
	Total int       // 0: unknown
	Done  int
	// Status and Result are the outcome of Work. They are zero unless the job is done or has failed.
	Status int
	Result json.RawMessage
}

// Work is the work of a job. It calls progress with the number of titles that are processed, and with that of all
// titles or 0 while it is unknown. It returns the status and the body of an HTTP answer, or the status 0 if ctx ended
// before the work did. Progress is cheap and safe for concurrent use.
type Work func(ctx context.Context, progress func(done, total int)) (status int, result json.RawMessage)

// Options are options of [New].
type Options struct {
	// Now is the clock. If nil, it is time.Now. The clocks of servers over one store may differ by less than five
	// minutes; otherwise, a server shows the jobs of another one as interrupted while they run.
	Now func() time.Time
	// Logger logs records that cannot be read or written. If nil, nothing is logged.
	Logger *slog.Logger
}

// A Service runs jobs, one at a time. It is safe for concurrent use.
type Service struct {
	store store.Store
	now   func() time.Time
	log   *slog.Logger

	turn chan struct{} // holds a value while a job runs

	mu      sync.Mutex
	started int  // the jobs that wait or run
	closed  bool // no further job starts
	running sync.WaitGroup
	ctx     context.Context // of all jobs
	cancel  context.CancelFunc
}

// New returns a Service whose records are in s. The caller calls Close at the end.
func New(s store.Store, opts *Options) *Service {
	v := &Service{store: s, now: time.Now, log: slog.New(slog.DiscardHandler), turn: make(chan struct{}, 1)}
	if opts != nil && opts.Now != nil {
		v.now = opts.Now
	}
	if opts != nil && opts.Logger != nil {
		v.log = opts.Logger
	}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

// Close stops all jobs and waits for them. No job starts afterwards.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
}

// Start starts a job and returns it. The job waits while another one runs. Its context has the values of ctx, and ends
// with Close alone. When the work has ended, or is not begun because of Close, release is called once. If Start returns
// an error, it is not called.
//
// The error is ErrBusy if too many jobs wait, ErrClosed, or that of the store.
func (s *Service) Start(ctx context.Context, kind string, work Work, release func()) (Job, error) {
	if err := s.admit(); err != nil {
		return Job{}, err
	}
	running := false
	defer func() {
		if !running { // an error, or a panic of the store
			s.leave()
		}
	}()
	s.Prune(ctx)
	now := s.now().UTC()
	r := &run{
		service: s,
		work:    work,
		release: release,
		job:     Job{ID: rand.Text(), Kind: kind, State: Running, Begun: now},
	}
	if err := r.create(ctx); err != nil {
		return Job{}, err
	}
	started := r.job
	running = true
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(s.ctx, cancel)
	go func() {
		defer s.leave()
		defer cancel()
		defer stop()
		r.do(ctx)
	}()
	return started, nil
}

// admit counts a job that starts.
func (s *Service) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.started > maxWaiting:
		return ErrBusy
	}
	s.started++
	s.running.Add(1)
	return nil
}

// leave is the opposite of admit.
func (s *Service) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started--
	s.running.Done()
}

// Job returns the job with an id. The error is ErrNotFound, or that of the store.
func (s *Service) Job(ctx context.Context, id string) (Job, error) {
	key := store.Key{Kind: recordKind, ID: id}
	if key.Check() != nil {
		return Job{}, ErrNotFound
	}
	rec, err := s.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return Job{}, ErrNotFound
	}
	if err != nil {
		return Job{}, err
	}
	r, err := decode(rec)
	if err != nil {
		return Job{}, err
	}
	if j := r.job(id, s.now()); !s.expired(j) {
		return j, nil
	}
	return Job{}, ErrNotFound
}

// List returns all jobs without their results, the newest first. A record that cannot be read is logged and left out.
func (s *Service) List(ctx context.Context) ([]Job, error) {
	all := []Job{}
	skip := func(_ store.Key, err error) {
		s.log.ErrorContext(ctx, "the record of a job cannot be read", "error", err)
	}
	for rec, err := range store.ListReadable(ctx, s.store, recordKind, skip) {
		if err != nil {
			return nil, err
		}
		r, err := decode(rec)
		if err != nil {
			skip(rec.Key, err)
			continue
		}
		j := r.job(rec.Key.ID, s.now())
		j.Result = nil
		if !s.expired(j) {
			all = append(all, j)
		}
	}
	slices.SortFunc(all, newestFirst)
	return all[:min(len(all), maxKept)], nil
}

func newestFirst(a, b Job) int { return cmp.Or(b.Begun.Compare(a.Begun), cmp.Compare(a.ID, b.ID)) }

// expired reports whether a job is no longer kept. A job that runs is always kept.
func (s *Service) expired(j Job) bool {
	end := j.Ended
	if end.IsZero() {
		end = j.Begun // it was interrupted
	}
	return j.State != Running && s.now().Sub(end) > retention
}

// Prune deletes the jobs that are no longer kept: those that ended a day ago, and all but the newest 100. A job that
// runs is not deleted, and neither is a record that cannot be read. Failures are logged.
func (s *Service) Prune(ctx context.Context) {
	var all []Job
	revisions := map[string]store.Revision{}
	skip := func(store.Key, error) {} // List logs it
	for rec, err := range store.ListReadable(ctx, s.store, recordKind, skip) {
		if err != nil {
			s.logPrune(ctx, err)
			return
		}
		if r, err := decode(rec); err == nil {
			all = append(all, r.job(rec.Key.ID, s.now()))
			revisions[rec.Key.ID] = rec.Revision
		}
	}
	slices.SortFunc(all, newestFirst)
	for i, j := range all {
		if j.State == Running || i < maxKept && !s.expired(j) {
			continue
		}
		key := store.Key{Kind: recordKind, ID: j.ID}
		err := s.store.Delete(ctx, key, store.IfRevision(revisions[j.ID]))
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
			s.logPrune(ctx, err)
			return
		}
	}
}

func (s *Service) logPrune(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.log.ErrorContext(ctx, "old jobs could not be deleted", "error", err)
	}
}
