// Package patchsync keeps titles in step with sources elsewhere: a definition at a URL,
// a whole external patch source (the vendor's own, with its signed definitions,
// among them), a folder of definitions, or a [Source] of one's own.
//
// # What is followed
//
// A title that was created with the URL of a definition
// (catalog.CreateOptions.Follows) is followed by itself. A [Mirror] follows a
// source with all its titles, or some of them: those that are new there are
// created here, and those that vanish there may be deleted here. Titles that
// follow something are read-only for everybody else.
//
// # How it is asked
//
// Politely: conditionally, compressed, few requests to one host at a time, at an
// interval that is never quite the same, as seldom as the source asks for
// (Retry-After and Cache-Control, within bounds), and ever more seldom when it
// fails. Of a whole source the list is asked for, and then only the definitions
// that it says have changed. What is unchanged is not written.
//
// # What is believed
//
// A source that fails, or lies, never changes what is served: what is no valid
// definition, has another id, or goes back to an older version is refused, and the
// state of the source says so. Only public addresses are connected to, unless
// [Options] says otherwise, and everything that is read is bounded. What a source
// says of dates is compared with what it said before, and with nothing here.
//
// A whole source whose list and definition agree on a current version that is not the
// first patch holds its newest back: the patches in front of it are kept with the title
// and served when the source releases them.
//
// URLs may hold secrets: states, errors and log lines show them as [RedactURL] returns
// them, and the credentials of a source nowhere.
//
// # Several servers
//
// Over a store that several servers share (a [store.Watcher]), one of them does
// the work: it holds a lease in the store, and another takes over when it stops
// or dies. Their clocks need not agree.
package patchsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

var (
	// ErrUpstream is a source that failed, or whose answer was refused. errors.As
	// finds the *[UpstreamError] that says why.
	ErrUpstream = errors.New("the source cannot be followed")
	// ErrNotFollowed is a title that follows no source.
	ErrNotFollowed = errors.New("the title follows no source")
	// ErrDowngrade is a source that has gone back to an older version.
	ErrDowngrade = errors.New("its current version is older than the one that is served")
	// ErrRunning is a second [Runner.Run] before the first has ended.
	ErrRunning = errors.New("patchsync: this Runner runs already: call Run once at a time")
)

const (
	// DefaultInterval is how often a source is asked when [Options] says nothing
	// else.
	DefaultInterval = 30 * time.Minute
	// DefaultLease is after how long another server takes over from one that has
	// died when Options says nothing else.
	DefaultLease = 30 * time.Second
	// mostIntervals bounds how long a source that fails is left alone.
	mostIntervals = 32
	// freshIntervals bounds how long one that says that its answer stays fresh is.
	freshIntervals = 4
	// homepage is where those who run a source find out who asks.
	homepage = "https://github.com/patchsource/patchsource"
)

// Options are options of [New]. Nil means the zero value.
type Options struct {
	// Mirrors are the whole sources that are followed.
	Mirrors []Mirror
	// Interval is how often a source is asked; jitter of a tenth is added. 0:
	// DefaultInterval.
	Interval time.Duration
	// AllowDowngrade takes definitions of titles that are followed by themselves
	// also when they go back to an older version.
	AllowDowngrade bool
	// AllowPrivateNetworks also connects to private networks and to this machine,
	// for labs. Whoever may name URLs reaches what is there.
	AllowPrivateNetworks bool
	// Timeout bounds one request in all. 0: 10 s.
	Timeout time.Duration
	// MaxBytes bounds a definition, or a list, as it is sent and decompressed. 0:
	// 10 MiB.
	MaxBytes int
	// PerHost and Concurrency bound the requests under way: to one host, and in
	// all. 0: 4 and 64.
	PerHost, Concurrency int
	// Contact is added to the User-Agent: the URL or address of who runs this
	// server. Empty: the project's page alone.
	Contact string
	// Lease is after how long another server takes over from one that has died.
	// 0: DefaultLease.
	Lease time.Duration
	// Logger is told what has changed, and which sources begin to fail or recover.
	// Nil: silent.
	Logger *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Transport takes the place of the one that connects to public addresses
	// only. It is for tests.
	Transport http.RoundTripper
}

// A Runner keeps the titles of a catalog in step with their sources. Make one with
// [New]. It is safe for concurrent use.
type Runner struct {
	cat      *catalog.Catalog
	store    store.Store
	log      *slog.Logger
	now      func() time.Time
	interval time.Duration
	lease    time.Duration
	mirrors  []*Mirror
	single   policy
	fetcher  *Fetcher
	wake     chan struct{}

	running atomic.Bool // Run is

	// rounds counts how they went.
	rounds struct{ changed, unchanged, failed atomic.Uint64 }

	mu         sync.Mutex
	jobs       map[string]*job  // by the key of their state
	states     map[string]saved // as they are in the store
	queue      queue            // those that wait for their time
	asked      []*job           // those that somebody has asked for
	generation uint64           // of the catalog, that jobs were made of
	reconciled bool
	tidy       bool // no state is left over
}

// Rounds are how often sources were asked, by how that went.
type Rounds struct{ Changed, Unchanged, Failed uint64 }

// Rounds returns how often this Runner has asked sources since it was made.
func (r *Runner) Rounds() Rounds {
	return Rounds{
		Changed:   r.rounds.changed.Load(),
		Unchanged: r.rounds.unchanged.Load(),
		Failed:    r.rounds.failed.Load(),
	}
}

// New returns a Runner of the titles of cat, whose state is kept in s. The error is
// about a missing catalog or store, or about mirrors that cannot be.
func New(cat *catalog.Catalog, s store.Store, opts *Options) (*Runner, error) {
	if cat == nil || s == nil {
		return nil, errors.New("patchsync: New needs a catalog and a store")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	r := &Runner{
		cat:      cat,
		store:    s,
		log:      o.Logger,
		now:      o.Now,
		interval: o.Interval,
		lease:    o.Lease,
		single:   policy{allowDowngrade: o.AllowDowngrade},
		wake:     make(chan struct{}, 1),
		jobs:     map[string]*job{},
		states:   map[string]saved{},
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	if r.interval <= 0 {
		r.interval = DefaultInterval
	}
	if r.lease <= 0 {
		r.lease = DefaultLease
	}
	agent := "patchsource (+" + homepage
	if o.Contact != "" {
		agent += "; " + strings.Map(printable, o.Contact)
	}
	r.fetcher = &Fetcher{
		maxBytes: o.MaxBytes,
		client: safehttp.New(
			&safehttp.Options{AllowPrivate: o.AllowPrivateNetworks, Timeout: o.Timeout, MaxBytes: int64(o.MaxBytes),
				PerHost: o.PerHost, Total: o.Concurrency, UserAgent: agent + ")", Transport: o.Transport},
		),
	}
	keys := map[string]bool{}
	for _, m := range o.Mirrors {
		if err := m.complete(r.interval); err != nil {
			return nil, err
		}
		if keys[m.Name] {
			return nil, fmt.Errorf("the source %s is followed twice: give one of the mirrors a name of its own",
				RedactURL(m.Name))
		}
		keys[m.Name] = true
		r.mirrors = append(r.mirrors, &m)
	}
	return r, nil
}

func printable(r rune) rune {
	if r < ' ' || r > '~' || r == '(' || r == ')' {
		return -1
	}
	return r
}

// Fetcher returns what the Runner fetches with.
func (r *Runner) Fetcher() *Fetcher { return r.fetcher }

// Sync brings a title to what its source has now, and waits until that is done; if
// it came with a whole source, all of that.
//
// The error is catalog.ErrNotFound, [ErrNotFollowed], [ErrUpstream],
// catalog.ErrUnavailable or that of ctx.
func (r *Runner) Sync(ctx context.Context, id string) (State, error) {
	j, err := r.jobOf(id)
	if err != nil {
		return State{}, err
	}
	err = r.run(ctx, j)
	return r.stateOf(j), err
}

// Trigger has [Runner.Run] bring a title to what its source has, soon, and does not
// wait for it. A source is not asked more than once in ten seconds for that.
//
// The error is catalog.ErrNotFound or [ErrNotFollowed].
func (r *Runner) Trigger(id string) error {
	j, err := r.jobOf(id)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ask(j)
	return nil
}

// TriggerMirror is [Runner.Trigger] for a whole source, by the name of its mirror, or
// by that which [State] shows; mirrors that share it are all brought up to date. The
// error is [ErrNotFollowed].
func (r *Runner) TriggerMirror(name string) error {
	r.reconcile()
	r.mu.Lock()
	defer r.mu.Unlock()
	found := false
	for _, j := range r.jobs {
		if j.mirror != nil && (j.mirror.Name == name || RedactURL(j.mirror.Name) == name) {
			r.ask(j)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("mirror %q: %w", RedactURL(name), ErrNotFollowed)
	}
	return nil
}

// ask has a job run soon. Who calls it has Runner.mu.
func (r *Runner) ask(j *job) {
	if !slices.Contains(r.asked, j) {
		r.asked = append(r.asked, j)
	}
	r.rouse()
}

// rouse has Run look at what there is to do.
func (r *Runner) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// jobOf finds the job by which a title is followed.
func (r *Runner) jobOf(id string) (*job, error) {
	title, err := r.cat.Title(id)
	if err != nil {
		return nil, err
	}
	if title.Follows == "" {
		return nil, fmt.Errorf("title %q: %w", title.ID, ErrNotFollowed)
	}
	r.reconcile()
	r.mu.Lock()
	defer r.mu.Unlock()
	if j := r.jobs[keyOf(title)]; j != nil {
		return j, nil
	}
	return nil, fmt.Errorf("title %q: %w any more: %s is not among what this server follows",
		title.ID, ErrNotFollowed, RedactURL(title.Source))
}

// keyOf returns the key of the state of what a title follows.
func keyOf(t catalog.Title) string {
	if t.Source != "" {
		return mirrorKey(t.Source)
	}
	return "title/" + t.UID
}

// State returns how it goes with what a title follows; ok is false if it follows
// nothing, or what it follows is not known here. Of a title that came with a whole
// source, it is that of the source, but LastError is about the title if there is
// something wrong with that.
func (r *Runner) State(t catalog.Title) (s State, ok bool) {
	if t.Follows == "" {
		return State{}, false
	}
	r.reconcile()
	r.mu.Lock()
	j := r.jobs[keyOf(t)]
	r.mu.Unlock()
	if j == nil {
		return State{}, false
	}
	return r.stateOfTitle(j, t), true
}

// States yields the state of everything that is followed: the whole sources, and
// then the titles that are followed by themselves, in the order of their ids.
func (r *Runner) States() iter.Seq[State] {
	return func(yield func(State) bool) {
		r.reconcile()
		r.mu.Lock()
		jobs := make([]*job, 0, len(r.jobs))
		for _, j := range r.jobs {
			jobs = append(jobs, j)
		}
		r.mu.Unlock()
		slices.SortFunc(jobs, func(a, b *job) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.key, b.key)) })
		for _, j := range jobs {
			if !yield(r.stateOf(j)) {
				return
			}
		}
	}
}
