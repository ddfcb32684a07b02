package patchsync

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/patchsource/patchsource/store"
)

// requestAge is the time after which a request is removed whose job is not known to the leader.
const requestAge = time.Minute

// A request is the record of a request that the leader runs a round. Older versions take it for the state of a source
// that they do not know.
type request struct {
	Format int       `json:"format"`
	At     time.Time `json:"last_attempt"` // for people
}

// requestKey returns the store's key of the request for a job.
func requestKey(key string) store.Key { return store.Key{Kind: stateKind, ID: requestPrefix + key} }

// noteRequest remembers a request that the store has.
func (s *stateStore) noteRequest(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.requests[key]; !known {
		s.requests[key] = time.Now()
	}
}

// readRequest reads whether the store has a request.
func (s *stateStore) readRequest(ctx context.Context, key string) error {
	_, err := s.store.Get(ctx, requestKey(key))
	switch {
	case err == nil:
		s.noteRequest(key)
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrCorrupt):
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.requests, key)
	default:
		return redactStoreError(key, err)
	}
	return nil
}

// pendingRequests returns the keys of all requests, and those that are older than requestAge.
func (s *stateStore) pendingRequests() (all, old []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, since := range s.requests {
		all = append(all, key)
		if time.Since(since) > requestAge {
			old = append(old, key)
		}
	}
	return all, old
}

// writeRequest writes a request.
func (s *stateStore) writeRequest(ctx context.Context, key string, now time.Time) error {
	value, err := json.Marshal(request{Format: stateFormat, At: now.UTC()})
	if err != nil {
		return err
	}
	return store.Finish(ctx, func(ctx context.Context) error {
		_, err := s.store.Put(ctx, requestKey(key), value, store.Condition{})
		return err
	})
}

// removeRequest removes a request, if there is one.
func (s *stateStore) removeRequest(ctx context.Context, key string) {
	s.mu.Lock()
	_, known := s.requests[key]
	delete(s.requests, key)
	s.mu.Unlock()
	if !known {
		return
	}
	err := s.store.Delete(ctx, requestKey(key), store.Condition{})
	if err != nil && !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil {
		s.noteRequest(key)
		s.log.Warn("the request for a round could not be removed", "error", redactStoreError(key, err))
	}
}

// leads reports whether this server runs the rounds.
func (r *Runner) leads() bool { return !r.shared || r.leading.Load() }

// takeRounds returns the jobs whose rounds were requested, here or on another server, if this server runs the rounds.
// Otherwise it hands the requests over to the leader.
func (r *Runner) takeRounds(ctx context.Context) []*job {
	if !r.leads() {
		r.forward(ctx, r.agenda.takeRequests())
		return nil
	}
	if all, old := r.states.pendingRequests(); len(all) > 0 {
		r.reconcile()
		for _, key := range all {
			if j := r.agenda.job(key); j != nil {
				r.agenda.request(j)
			}
		}
		for _, key := range old {
			if r.agenda.job(key) == nil {
				r.states.removeRequest(ctx, key)
			}
		}
	}
	jobs := r.agenda.takeRequested()
	for _, j := range jobs {
		r.states.removeRequest(ctx, j.key) // before the source is read: a later request is another one
	}
	return jobs
}

// forward writes requests for the leader. Those that cannot be written are tried again.
func (r *Runner) forward(ctx context.Context, jobs []*job) {
	for _, j := range jobs {
		err := r.states.writeRequest(ctx, j.key, r.now())
		if err != nil && ctx.Err() == nil {
			r.log.Warn("a source cannot be asked yet, because the request could not be written",
				"source", j.shown(), "error", redactStoreError(j.key, err))
			sleep(ctx, lookInterval)
			r.agenda.request(j)
		}
	}
}
