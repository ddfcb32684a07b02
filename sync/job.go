package patchsync

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// A job is something that is followed.
type job struct {
	key    string // of its state
	source Source
	mirror *Mirror // nil: a title that is followed by itself
	id     string  // of that title
	uid    string
	// turn holds a token while nobody runs the job.
	turn chan struct{}
	// first says, to the holder of turn, that this round is the first of this
	// server: it tries what was refused before the start once more.
	first bool
	// written is the essence of what the store has, as far as it is known. For who has
	// the turn, and under Runner.mu for who has not, while the job does not run.
	written string

	// The rest is under Runner.mu.
	state   state
	rev     store.Revision // of state in the store; empty: it is not there
	running bool
	tried   bool      // by this server
	again   bool      // as soon as it has run
	asked   time.Time // when it last was, here
	next    time.Time
	at      int // in the queue; -1: not there
	// errors are what is wrong with titles of a whole source, by their ids here.
	errors map[string]string
}

// become gives a job another state. Who calls it has Runner.mu.
func (j *job) become(s state) {
	j.state = s
	j.errors = nil
	for _, it := range s.Items {
		if it.Error != "" && it.Title != "" && j.mirror != nil {
			if j.errors == nil {
				j.errors = map[string]string{}
			}
			j.errors[it.Title] = it.Error
		}
	}
}

func newJob(key string, source Source) *job {
	j := &job{key: key, source: source, turn: make(chan struct{}, 1), at: -1}
	j.turn <- struct{}{}
	return j
}

// shown returns the key of the source as it may be shown.
func (j *job) shown() string { return RedactURL(j.source.Key()) }

func (j *job) interval(r *Runner) time.Duration {
	if j.mirror != nil {
		return j.mirror.Interval
	}
	return r.interval
}

// run asks the source, takes what has changed, and notes how it went. The error is
// what is wrong with the source, the store's, or that of ctx.
func (r *Runner) run(ctx context.Context, j *job) error {
	select {
	case <-j.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { j.turn <- struct{}{} }()
	r.mu.Lock()
	j.running, j.asked, j.first = true, r.now(), !j.tried
	s := j.state.clone()
	if j.rev != "" && j.written == "" {
		j.written = s.essence()
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		j.running = false
		r.mu.Unlock()
	}()

	began := r.now().UTC()
	out, err := r.round(ctx, j, &s)
	if ctx.Err() != nil {
		return context.Cause(ctx) // it says nothing about the source
	}
	if errors.Is(err, catalog.ErrClosed) {
		return err // nor does this
	}
	if j.mirror == nil && errors.Is(err, catalog.ErrNotFound) {
		return err // the title was deleted meanwhile, and its state goes with it
	}
	r.note(j, &s, out, err, began)
	if saveErr := r.save(ctx, j); saveErr != nil && ctx.Err() == nil {
		r.log.Error("the state of a source could not be written down",
			"source", j.shown(), "error", redactStoreError(j.key, saveErr))
	}
	return err
}

// note brings a job's state to how a round went.
func (r *Runner) note(j *job, s *state, out outcome, err error, began time.Time) {
	now := r.now().UTC()
	failed, complained := s.Failures > 0, s.LastError
	s.LastAttempt = began
	status, retryAfter := statusOf(err)
	var wait time.Duration
	switch interval := j.interval(r); {
	case errors.Is(err, catalog.ErrUnavailable):
		// Nothing is wrong with the source, and all of it is looked at again.
		s.LastError, s.Status, s.Memo = "the storage of this server is unavailable", 0, ""
		wait = interval
	case err != nil:
		s.Failures++
		s.LastError, s.Status = brief(err.Error()), status
		wait = backoff(interval, s.Failures-1)
		if isRefusal(err) {
			wait = refusalBackoff(interval, s.Failures-1)
		}
		wait = max(wait, min(retryAfter, mostIntervals*interval))
	default:
		s.LastSuccess, s.Failures, s.Status = began, 0, 0
		s.LastError = out.complaint
		wait = max(interval, min(out.maxAge, freshIntervals*interval))
	}
	if out.changed > 0 {
		s.LastChange = now
	}
	s.LastError = brief(s.LastError)
	s.Wait = jitter(wait)
	s.NextAttempt = now.Add(s.Wait)
	switch {
	case err != nil:
		r.rounds.failed.Add(1)
	case out.changed > 0:
		r.rounds.changed.Add(1)
	default:
		r.rounds.unchanged.Add(1)
	}
	attrs := []any{"source", j.shown()}
	if j.mirror == nil {
		attrs = append(attrs, "title", j.id)
	}
	switch {
	case err != nil && (!failed || s.LastError != complained):
		r.log.Warn(
			"a source cannot be followed; what it last had stays",
			append(attrs, "error", err, "next", s.NextAttempt)...)
	case err == nil && failed:
		r.log.Info("a source can be followed again", attrs...)
	}
	if err == nil && s.LastError != "" && s.LastError != complained {
		r.log.Warn(
			"a source is followed, and not all of it is taken as it is there",
			append(attrs, "refused", out.refused, "reason", s.LastError)...)
	}
	if out.changed > 0 {
		r.log.Info("a source has brought changes", append(attrs, "changed", out.changed, "refused", out.refused)...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	j.become(*s)
	j.tried = true
	j.next = s.NextAttempt
	if j.at >= 0 {
		heap.Fix(&r.queue, j.at)
	}
}

// isRefusal reports whether a source answered, and what it has was refused: it mends
// itself only if somebody mends it.
func isRefusal(err error) bool {
	for _, kind := range []error{patch.ErrInvalid, patch.ErrTooLarge, safehttp.ErrTooLarge, envelope.ErrFormat, envelope.ErrSignature, envelope.ErrSigner, catalog.ErrIDDiffers, ErrDowngrade} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// refusalBackoff is backoff for what was refused, which is read whole each time: once
// more soon, because it may have been half written, and then seldom. Who has mended it
// can ask for it.
func refusalBackoff(interval time.Duration, failures int) time.Duration {
	switch failures {
	case 0:
		return interval
	case 1:
		return mostIntervals / 2 * interval
	}
	return mostIntervals * interval
}

// jitter adds or takes off up to a tenth.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Int64N(int64(d/5)+1))
}

// An outcome is what came of a round.
type outcome struct {
	changed, refused int
	maxAge           time.Duration
	complaint        string // what is wrong although the round went well
}

// round asks a source and takes what has changed. s is what was remembered, and
// becomes what is to be remembered.
func (r *Runner) round(ctx context.Context, j *job, s *state) (out outcome, err error) {
	memo := s.Memo
	if r.wantsAll(j, s) {
		memo = ""
	}
	l, err := j.source.List(ctx, r.fetcher, memo)
	if err != nil {
		return out, upstream(j, err)
	}
	out.maxAge = l.MaxAge
	if l.Unchanged {
		text, n := complaint(s)
		if out.complaint, out.refused = s.LastError, n; s.Failures > 0 {
			out.complaint = text
		}
		return out, nil
	}
	if j.mirror == nil {
		if len(l.Items) != 1 {
			return out, upstream(j, fmt.Errorf("it has %d titles, and one was asked for", len(l.Items)))
		}
		it := l.Items[0]
		now, changed, err := r.take(ctx, j, it, s.Items[it.ID], s)
		if err != nil {
			return out, upstream(j, err)
		}
		s.Items, s.Memo = map[string]item{it.ID: now}, l.Memo
		if changed {
			out.changed++
		}
		return out, nil
	}
	return r.mirrorRound(ctx, j, s, l, out)
}

// upstream makes an error one of the source, unless it is the store's.
func upstream(j *job, err error) error {
	for _, other := range []error{ErrUpstream, catalog.ErrUnavailable, catalog.ErrClosed, context.Canceled} {
		if errors.Is(err, other) {
			return err
		}
	}
	return &UpstreamError{URL: j.source.Key(), Err: err}
}

// wantsAll reports whether a source must list everything, even if it has not
// changed: because a title here is not what was taken from there, or because what
// was refused is due for another try.
func (r *Runner) wantsAll(j *job, s *state) bool {
	now := r.now()
	for _, it := range s.Items {
		if it.Error != "" && (j.first || it.isDue(now)) {
			return true
		}
		if it.Title == "" || it.Gone {
			continue
		}
		if t, err := r.cat.Title(it.Title); err != nil || t.ETag != it.ETag {
			return true
		}
	}
	return false
}

// An unreadError is of an item that could not be read, so that nobody knows which
// title it is.
type unreadError struct{ err error }

func (e *unreadError) Error() string { return e.err.Error() }
func (e *unreadError) Unwrap() error { return e.err }

// A keeper is told what take finds out.
type keeper interface {
	claim(id, item string) error
	sign(signer string)
}

// take fetches an item and brings its title here to it. It returns what is to be
// remembered, and whether the title has changed.
func (r *Runner) take(ctx context.Context, j *job, it Item, was item, k keeper) (item, bool, error) {
	if was.Mark == it.Mark && was.Mark != "" && was.Error == "" {
		if t, err := r.cat.Title(was.Title); err == nil && t.ETag == was.ETag {
			return was, false, nil
		}
	}
	fetched, err := it.Fetch(ctx)
	if err != nil {
		return was, false, &unreadError{err}
	}
	def := *fetched.Definition
	var held []patch.Patch
	if j.mirror != nil {
		if held, err = holdBack(&def, it.Version); err != nil {
			return was, false, err
		}
	}
	res, err := r.apply(ctx, j, it, &def, held, k)
	if err != nil {
		return was, false, err
	}
	k.sign(fetched.Signer)
	now := item{Mark: it.Mark, Title: res.Title.ID, ETag: res.Title.ETag}
	if it.Version != "" && it.Version != def.Patches[0].Version {
		// The source is between two states, or sloppy: look again, ever more seldom.
		now.Tries = was.Tries
		r.refuse(j, &now, it, fmt.Errorf("its list says that the current version is %s, and its definition says %s",
			it.Version, def.Patches[0].Version))
	}
	return now, res.Changed, nil
}

// apply brings a title to a definition, or creates it. held are the patches that the
// source holds back.
func (r *Runner) apply(
	ctx context.Context, j *job, it Item, fetched *patch.Definition, held []patch.Patch, k keeper,
) (catalog.Result, error) {
	none := catalog.Result{}
	def := *fetched
	var author, from string
	allowDowngrade := r.single.allowDowngrade
	if m := j.mirror; m != nil {
		author, from, allowDowngrade = m.Author, m.Name, m.AllowDowngrade
	} else {
		title, err := r.cat.Title(j.id)
		if err == nil && title.UID != j.uid {
			err = &catalog.TitleError{ID: j.id, Err: catalog.ErrNotFound}
		}
		if err != nil {
			return none, err
		}
		author, from = title.Author, title.From()
	}
	if author != "" {
		if err := def.NamespaceStored(author); err != nil {
			return none, err
		}
	}
	if j.mirror != nil && j.mirror.Rename != nil {
		j.mirror.Rename(&def)
	}
	if j.mirror == nil && !strings.EqualFold(def.ID, j.id) {
		return none, fmt.Errorf("%w: %q", catalog.ErrIDDiffers, fetched.ID)
	}
	if err := k.claim(def.ID, it.ID); err != nil {
		return none, err
	}
	title, err := r.cat.Title(def.ID)
	if errors.Is(err, catalog.ErrNotFound) && j.mirror != nil {
		return r.cat.Create(ctx, &def, &catalog.CreateOptions{
			Author:  author,
			Follows: cmp.Or(it.URL, j.source.Key()),
			Source:  from,
			Held:    held,
		})
	}
	if err != nil {
		return none, err
	}
	if own := j.mirror == nil; title.From() != from || own != (title.Source == "") {
		return none, fmt.Errorf(
			"there is a title %q here that did not come from this source: delete it, or give the mirror an author",
			title.ID,
		)
	}
	if old, now := title.CurrentVersion, def.Patches[0].Version; !allowDowngrade &&
		patch.CompareVersions(now, old) < 0 {
		err := fmt.Errorf("%w: %s, and %s is served", ErrDowngrade, now, old)
		if len(held) > 0 {
			err = fmt.Errorf("%w; the source holds back newer ones: allow downgrades of it to follow that", err)
		}
		return none, err
	}
	return r.cat.Replace(ctx, title.ID, &def, &catalog.EditOptions{
		UID:     title.UID,
		From:    from,
		IfMatch: title.ETag,
		Rename:  j.mirror != nil, // the administrator says how a mirror's titles are named
		Held:    held,
	})
}
