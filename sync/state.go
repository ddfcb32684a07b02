package patchsync

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// A State says how it goes with something that is followed. Times are UTC, zero if
// it has not happened.
type State struct {
	// Source is what is followed: a URL, or the key of another source, as
	// [RedactURL] returns it.
	Source string
	// Title is the id of the title that is followed by itself; empty: the source
	// is followed as a whole, by the mirror of the name Mirror, which is redacted
	// likewise.
	Title, Mirror string
	// LastAttempt is when it was last asked, LastSuccess when that last went
	// well, and LastChange when something last changed by it. After a restart, the
	// first two are those of when there was last something to write down.
	LastAttempt, LastSuccess, LastChange time.Time
	// NextAttempt is when it will be asked again.
	NextAttempt time.Time
	// Failures counts the attempts that failed since the last that went well.
	Failures int
	// LastError is what is wrong, in words; empty: nothing.
	LastError string
	// Status is the HTTP status that the source answered, if it is what is wrong.
	Status int
	// Signer is who signed the definition that came last, if somebody did.
	Signer string
	// Titles counts the titles that a whole source has brought.
	Titles int
	// Refused are the titles of a whole source that are not taken as they are
	// there, by their ids there, and why.
	Refused map[string]string
}

// Outcome says that something is wrong and no more of it than anybody may know: the
// status that the source answered, and nothing of its address, of the network that
// it is in or of what it sent, which LastError has. It is empty if nothing is wrong.
func (s State) Outcome() string {
	switch {
	case s.LastError == "":
		return ""
	case s.Status != 0:
		return fmt.Sprintf("the source answered with status %d", s.Status)
	}
	return "the source could not be taken; those who may change the title are told why"
}

const (
	// kind is the kind of the records of states.
	kind = "syncs"
	// stateFormat is what this version writes.
	stateFormat = 1
)

// A state is what is remembered of a source.
type state struct {
	Format      int       `json:"format"`
	LastAttempt time.Time `json:"last_attempt,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastChange  time.Time `json:"last_change,omitzero"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
	// Wait is how long that was to be: who has another clock does not wait longer.
	Wait      time.Duration `json:"wait,omitempty"`
	Failures  int           `json:"failures,omitempty"`
	LastError string        `json:"last_error,omitempty"`
	Status    int           `json:"status,omitempty"`
	Signer    string        `json:"signer,omitempty"`
	Memo      string        `json:"memo,omitempty"`
	// Items are by the id that the source has for them.
	Items map[string]item `json:"items,omitempty"`
}

// An item is what is remembered of a title of a source.
type item struct {
	// Mark is that of what was taken.
	Mark string `json:"mark,omitempty"`
	// Title is the id here, and ETag that of its definition when it was taken.
	Title string `json:"title,omitempty"`
	ETag  string `json:"etag,omitempty"`
	// Error is why what the source has now is not taken, and Refused its mark;
	// Tries counts how often, and Again is when to try once more.
	Error   string    `json:"error,omitempty"`
	Refused string    `json:"refused,omitempty"`
	Since   time.Time `json:"since,omitzero"` // when that was
	Tries   int       `json:"tries,omitempty"`
	Again   time.Time `json:"again,omitzero"`
	// Unread says that it could not be read at all, and Moved that it was new when a
	// title had vanished, so that it may be that one.
	Unread bool `json:"unread,omitempty"`
	Moved  bool `json:"moved,omitempty"`
	// Gone says that the source has it no more.
	Gone bool `json:"gone,omitempty"`
}

// isDue reports whether what was refused is to be tried again: if its time has come, or
// if that was set by a clock that is ahead of this one.
func (it *item) isDue(now time.Time) bool { return !now.Before(it.Again) || now.Before(it.Since) }

// mayBeMended reports whether trying again after a start may help: something is wrong,
// and the source did not ask to be left alone.
func (s *state) mayBeMended() bool {
	return s.LastError != "" && s.Status != http.StatusTooManyRequests && s.Status != http.StatusServiceUnavailable
}

// essence is what of a state is worth a write of its own: all but the times that
// move with every attempt.
func (s *state) essence() string {
	c := *s
	c.LastAttempt, c.LastSuccess, c.NextAttempt, c.Wait = time.Time{}, time.Time{}, time.Time{}, 0
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings, numbers and times
	}
	return string(data)
}

func (s *state) clone() state {
	c := *s
	c.Items = maps.Clone(s.Items)
	return c
}

// A saved is a state as it is in the store.
type saved struct {
	state state
	rev   store.Revision
}

func decodeState(rec store.Record) (saved, error) {
	var s state
	if err := json.Unmarshal(rec.Value, &s); err != nil {
		return saved{}, fmt.Errorf("record %s/%s: %w", kind, redactKey(rec.Key.ID), err)
	}
	if s.Format != stateFormat {
		return saved{}, store.NewerFormat(store.Key{Kind: kind, ID: redactKey(rec.Key.ID)}, s.Format, stateFormat)
	}
	return saved{s, rec.Revision}, nil
}

// load reads all states.
func (r *Runner) load(ctx context.Context) error {
	states := map[string]saved{}
	for rec, err := range r.store.List(ctx, kind) {
		if err != nil {
			return err
		}
		s, err := decodeState(rec)
		if errors.Is(err, store.ErrFormat) {
			return err // it must not be written over
		}
		if err != nil {
			r.log.Warn("the state of a source cannot be read: it begins anew", "error", err)
			s = saved{rev: rec.Revision}
		}
		states[rec.Key.ID] = s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = states
	for key, j := range r.jobs {
		if s, ok := states[key]; ok && s.rev != j.rev && !j.running {
			j.rev, j.written = s.rev, ""
			j.become(s.state)
			if r.schedule(j); j.at >= 0 {
				heap.Fix(&r.queue, j.at)
			}
		}
	}
	return nil
}

// follow brings the states here to what other servers write, until ctx ends.
func (r *Runner) follow(ctx context.Context, w store.Watcher) {
	for ctx.Err() == nil {
		for change, err := range w.Watch(ctx, kind) {
			switch {
			case err != nil:
			case change.Key == (store.Key{}):
				err = r.load(ctx)
			default:
				err = r.learn(ctx, change)
			}
			if err != nil && ctx.Err() == nil {
				r.log.Error("the states that other servers write are seen late", "error", err)
			}
		}
		sleep(ctx, time.Second)
	}
}

// learn takes over a state that may have been written elsewhere.
func (r *Runner) learn(ctx context.Context, change store.Change) error {
	r.mu.Lock()
	known := r.states[change.Key.ID].rev
	r.mu.Unlock()
	if known == change.Revision && known != "" {
		return nil
	}
	rec, err := r.store.Get(ctx, change.Key)
	if !errors.Is(err, store.ErrNotFound) {
		err = redactStoreError(change.Key.ID, err)
	}
	var s saved
	if err == nil {
		s, err = decodeState(rec)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.jobs[change.Key.ID]
	switch {
	case err != nil:
		delete(r.states, change.Key.ID)
	case j != nil && j.rev != s.rev && !j.running:
		j.rev, j.written = s.rev, ""
		j.become(s.state)
		fallthrough
	default:
		r.states[change.Key.ID] = s
	}
	return nil
}

// save writes a job's state, if there is something worth it. Who calls it has the
// job's turn.
func (r *Runner) save(ctx context.Context, j *job) error {
	r.mu.Lock()
	s, rev := j.state.clone(), j.rev
	r.mu.Unlock()
	essence := s.essence()
	if essence == j.written && rev != "" {
		return nil
	}
	s.Format = stateFormat
	value, err := json.Marshal(&s)
	if err != nil {
		return err
	}
	key := store.Key{Kind: kind, ID: j.key}
	for range 3 { // another server may have been faster: what is here is newer
		cond := store.IfRevision(rev)
		if rev == "" {
			cond = store.IfAbsent()
		}
		var next store.Revision
		if next, err = r.store.Put(ctx, key, value, cond); err == nil {
			j.written = essence
			r.mu.Lock()
			j.rev = next
			r.states[j.key] = saved{s, next}
			r.mu.Unlock()
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		rec, getErr := r.store.Get(ctx, key)
		if getErr != nil && !errors.Is(getErr, store.ErrNotFound) {
			return getErr
		}
		rev = rec.Revision
	}
	return err
}

// forget removes the states of titles that are there no more.
func (r *Runner) forget(ctx context.Context, keys []string) {
	for _, key := range keys {
		err := r.store.Delete(ctx, store.Key{Kind: kind, ID: key}, store.Condition{})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			r.log.Warn("the state of a title that is gone is left over", "record", key, "error", err)
			return
		}
		r.mu.Lock()
		delete(r.states, key)
		r.mu.Unlock()
	}
}

// summary says how it goes with a job, without its titles. Who calls it has
// Runner.mu.
func (j *job) summary() State {
	s := &j.state
	out := State{
		Source:      j.shown(),
		Title:       j.id,
		LastAttempt: s.LastAttempt,
		LastSuccess: s.LastSuccess,
		LastChange:  s.LastChange,
		NextAttempt: j.next.UTC(),
		Failures:    s.Failures,
		LastError:   j.withoutSecrets(s.LastError),
		Status:      s.Status,
		Signer:      s.Signer,
	}
	if j.mirror != nil {
		out.Mirror = RedactURL(j.mirror.Name)
	}
	return out
}

// withoutSecrets takes the URL of the source out of a message that an earlier version
// wrote down with it.
func (j *job) withoutSecrets(message string) string {
	if key := j.source.Key(); key != "" {
		return strings.ReplaceAll(message, key, j.shown())
	}
	return message
}

// stateOfTitle says how it goes with a title.
func (r *Runner) stateOfTitle(j *job, t catalog.Title) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := j.summary()
	if j.mirror == nil || j.state.LastError == "" {
		return out
	}
	if j.state.Failures == 0 {
		out.LastError = "" // it is about other titles
	}
	if text := j.errors[t.ID]; text != "" {
		out.LastError = j.withoutSecrets(text)
	}
	return out
}

// stateOf says how it goes with a job.
func (r *Runner) stateOf(j *job) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, out := &j.state, j.summary()
	if j.mirror == nil {
		return out
	}
	for id, it := range s.Items {
		if it.Title != "" {
			out.Titles++
		}
		if it.Error != "" {
			if out.Refused == nil {
				out.Refused = map[string]string{}
			}
			out.Refused[redactID(id)] = j.withoutSecrets(it.Error)
		}
	}
	return out
}

// isTitleKey reports whether a state is of a title that is followed by itself.
func isTitleKey(key string) bool { return strings.HasPrefix(key, "title/") }

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
