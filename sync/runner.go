package patchsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// A Runner keeps the titles of a catalog in step with their sources. [New] makes one, and [Runner.Run] does the work.
// It is safe for concurrent use.
type Runner struct {
	*settings
	states  *stateStore
	agenda  *agenda
	rounds  roundCounts
	watches *Watches
	running atomic.Bool // a call of Run has not ended
	shared  bool        // other servers may use the same store
	leading atomic.Bool // this server holds the lease
}

// New returns a Runner that keeps the titles of c in step and its own state in s. It returns an error if c or s is
// nil, or if an option or a mirror is invalid, such as a mirror whose address cannot be contacted under opts.
func New(c *catalog.Catalog, s store.Store, opts *Options) (*Runner, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	switch {
	case c == nil:
		return nil, errors.New("patchsync: New needs a catalog")
	case s == nil:
		return nil, errors.New("patchsync: New needs a store")
	case o.Interval < 0:
		return nil, fmt.Errorf("patchsync: the interval %v is negative", o.Interval)
	case o.Lease < 0:
		return nil, fmt.Errorf("patchsync: the lease of %v is negative", o.Lease)
	}
	set := &settings{
		catalog:        c,
		fetcher:        newFetcher(&o),
		allowDowngrade: o.AllowDowngrade,
		interval:       cmp.Or(o.Interval, defaultInterval),
		lease:          cmp.Or(o.Lease, defaultLease),
		log:            o.Logger,
		now:            o.Now,
	}
	if set.log == nil {
		set.log = slog.New(slog.DiscardHandler)
	}
	if set.now == nil {
		set.now = time.Now
	}
	var err error
	if set.mirrors, err = completeMirrors(o.Mirrors, set); err != nil {
		return nil, fmt.Errorf("patchsync: %w", err)
	}
	watches, err := newWatches(set, s, &o)
	if err != nil {
		return nil, fmt.Errorf("patchsync: %w", err)
	}
	_, shared := store.As[store.Watcher](s)
	return &Runner{
		shared:   shared,
		settings: set,
		states:   newStateStore(s, set.log),
		agenda:   newAgenda(set.now),
		watches:  watches,
	}, nil
}

// Rounds counts rounds by their outcome.
type Rounds struct{ Changed, Unchanged, Failed uint64 }

// roundCounts are the counters behind [Rounds].
type roundCounts struct{ changed, unchanged, failed atomic.Uint64 }

// Rounds returns the number of rounds since the Runner was made.
func (r *Runner) Rounds() Rounds {
	return Rounds{
		Changed:   r.rounds.changed.Load(),
		Unchanged: r.rounds.unchanged.Load(),
		Failed:    r.rounds.failed.Load(),
	}
}

// Watches returns the watches of release feeds.
func (r *Runner) Watches() *Watches { return r.watches }

// Fetcher returns the Fetcher that the Runner uses.
func (r *Runner) Fetcher() *Fetcher { return r.fetcher }

// Sync runs a round of the source that a title follows and waits for its end; if a mirror brought the title, that is
// a round of the whole source. Sync does not need [Runner.Run], and runs the round on this server, even if another one
// over the store is running one: both then ask the source, and the one that ends later runs a round again, with the
// state that the other has saved.
//
// The error is catalog.ErrNotFound, [ErrNotFollowed], [ErrUpstream], catalog.ErrUnavailable or that of ctx.
func (r *Runner) Sync(ctx context.Context, id string) (State, error) {
	j, err := r.jobOf(id)
	if err != nil {
		return State{}, err
	}
	err = r.runRound(ctx, j)
	return r.agenda.stateOf(j), err
}

// Trigger makes [Runner.Run] ask the source that a title follows soon, and returns at once. A source is asked at most
// once in ten seconds this way. If several servers share the store, the leader asks: a request reaches it through the
// store. A request that the leader has accepted is lost if it dies.
//
// The error is catalog.ErrNotFound or [ErrNotFollowed].
func (r *Runner) Trigger(id string) error {
	j, err := r.jobOf(id)
	if err != nil {
		return err
	}
	r.agenda.request(j)
	return nil
}

// TriggerMirror is [Runner.Trigger] for a whole source, by the name of its mirror, redacted or not. If several
// mirrors have that redacted name, all of them are triggered. The error is [ErrNotFollowed].
func (r *Runner) TriggerMirror(name string) error {
	r.reconcile()
	found := false
	for _, j := range r.agenda.all() {
		if j.mirror != nil && (j.mirror.Name == name || RedactURL(j.mirror.Name) == name) {
			r.agenda.request(j)
			found = true
		}
	}
	if !found {
		return &notFollowedError{fmt.Sprintf("there is no mirror %q", RedactURL(name))}
	}
	return nil
}

// A notFollowedError is an [ErrNotFollowed] with a text of its own.
type notFollowedError struct{ text string }

// Error implements error.
func (e *notFollowedError) Error() string { return e.text }

// Is reports whether target is [ErrNotFollowed].
func (e *notFollowedError) Is(target error) bool { return target == ErrNotFollowed }

// jobOf returns the job that follows the source of a title.
func (r *Runner) jobOf(id string) (*job, error) {
	title, err := r.catalog.Title(id)
	if err != nil {
		return nil, err
	}
	if title.Follows == "" {
		return nil, &notFollowedError{fmt.Sprintf("the title %q follows no source", title.ID)}
	}
	r.reconcile()
	if j := r.agenda.job(keyOf(title)); j != nil {
		return j, nil
	}
	return nil, &notFollowedError{fmt.Sprintf("the title %q is no longer followed: %s is not among the sources of "+
		"this server", title.ID, RedactURL(title.Source))}
}

// State returns the state of the source that a title follows. Of a title that a mirror brought, it is the state of
// the whole source with the error of this title, if there is one. ok is false if the title follows no source, or one
// that this Runner does not follow.
func (r *Runner) State(t catalog.Title) (s State, ok bool) {
	if t.Follows == "" {
		return State{}, false
	}
	r.reconcile()
	j := r.agenda.job(keyOf(t))
	if j == nil {
		return State{}, false
	}
	return r.agenda.stateOfTitle(j, t), true
}

// States yields the states of all sources: the mirrors, and then the titles that are followed on their own in the
// order of their ids.
func (r *Runner) States() iter.Seq[State] {
	return func(yield func(State) bool) {
		r.reconcile()
		jobs := r.agenda.all()
		slices.SortFunc(jobs, func(a, b *job) int {
			return cmp.Or(cmp.Compare(a.title.id, b.title.id), cmp.Compare(a.key, b.key))
		})
		for _, j := range jobs {
			if !yield(r.agenda.stateOf(j)) {
				return
			}
		}
	}
}

// Failing returns the ids of the titles whose state has an error, and of those that belong to a mirror that this Runner
// does not follow. Its cost grows with the number of sources and failing titles.
func (r *Runner) Failing() []string {
	r.reconcile()
	ids, rejected, mirrors := r.agenda.failing()
	for _, pair := range rejected {
		if t, err := r.catalog.Title(pair.id); err == nil && t.Source == pair.mirror {
			ids = append(ids, t.ID)
		}
	}
	for _, name := range mirrors {
		for t := range r.catalog.Find(catalog.Filter{Source: name}) {
			ids = append(ids, t.ID)
		}
	}
	return ids
}
