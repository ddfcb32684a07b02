// Package survey finds out facts about the titles of a catalog that people filter lists by and are told of: how many
// warnings lint has, which applications a title is about, when its versions were released, and whether the next one is
// overdue.
//
// The facts are kept in memory and made from the definitions: all of them after a start, in the background, and those
// of a title soon after it has changed, also by another server. They are for people and decide nothing.
package survey

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	// interval is the time after which the catalog is looked at for changes.
	interval = 250 * time.Millisecond
	// passPace is how much longer the pause after looking at all titles is than the look, and readPace how much longer
	// the pause after reading a title is than the reading.
	passPace = 20
	readPace = 2
	// retryPause is the time after which titles that could not be read are tried again.
	retryPause = time.Minute
	// maxDays is the number of releases of a title whose days are kept.
	maxDays = 10
)

// Facts are facts about a title. The zero Facts are those of a title of which nothing is known.
type Facts struct {
	// Warnings is the number of warnings that lint has about the definition.
	Warnings int
	// Released is when the newest version was released. It is zero if the definition has no date for it.
	Released time.Time
	// Rhythm is the usual time between two releases, or 0 if it is not known; see [patch.Rhythm].
	Rhythm time.Duration

	newest  time.Time // the latest date of all versions
	recheck time.Time // when lint may say something else: the next date that is in the future; zero: never
	etag    string
	bundles string  // the bundle IDs, folded, each on a line
	apps    string  // the names of the applications, folded, each on a line
	days    []int32 // of the latest releases, counted from 1970
}

// Stale reports whether the next version is overdue at a time; see [patch.Overdue].
func (f Facts) Stale(now time.Time) bool { return patch.Overdue(f.Rhythm, f.newest, now) }

// HasBundle reports whether the definition names an application with a bundle ID, without regard to case.
func (f Facts) HasBundle(id string) bool {
	if len(id) > maxQuery {
		return false
	}
	id = fold(id)
	return id != "" && !strings.Contains(id, "\n") && strings.Contains("\n"+f.bundles, "\n"+id+"\n")
}

// Mentions reports whether a text is a part of a bundle ID or of the name of an application in the definition, without
// regard to case.
func (f Facts) Mentions(text string) bool {
	if len(text) > maxQuery {
		return false
	}
	text = fold(text)
	return text != "" && !strings.Contains(text, "\n") &&
		(strings.Contains(f.bundles, text) || strings.Contains(f.apps, text))
}

// Releases yields the days of the latest ten versions, at midnight UTC. A day is yielded once for each version.
func (f Facts) Releases(yield func(day time.Time) bool) {
	for _, d := range f.days {
		if !yield(time.Unix(int64(d)*secondsPerDay, 0).UTC()) {
			return
		}
	}
}

// maxQuery bounds a text that is looked for in each title, in bytes. Nothing is named by a longer one.
const maxQuery = 1000

const secondsPerDay = 24 * 60 * 60

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// Options are options of [New]. A nil *Options is the zero value.
type Options struct {
	// Lint configures the lint of definitions. If nil, every rule warns. Its Now is set for each definition.
	Lint *patch.LintOptions
	// Logger receives the errors of definitions that cannot be read. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// A Survey has the facts about the titles of a catalog. It is safe for concurrent use.
type Survey struct {
	catalog *catalog.Catalog
	lint    patch.LintOptions
	log     *slog.Logger
	now     func() time.Time

	mu      sync.RWMutex
	facts   map[string]Facts // by the UID of the title
	changed time.Time
	recheck time.Time // when the first title is due; zero: never

	running  sync.Mutex // held during a pass
	surveyed atomic.Uint64
	complete atomic.Bool
}

// New returns a survey of a catalog that knows nothing yet. The caller calls [Survey.Run].
func New(c *catalog.Catalog, opts *Options) *Survey {
	var o Options
	if opts != nil {
		o = *opts
	}
	s := &Survey{catalog: c, log: o.Logger, now: o.Now, facts: map[string]Facts{}}
	if o.Lint != nil {
		s.lint = *o.Lint
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Facts returns what is known of a title. It returns false if nothing is known yet. Right after a change, the facts are
// those of before.
func (s *Survey) Facts(t catalog.Title) (Facts, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f, ok := s.facts[t.UID]
	return f, ok
}

// Complete reports whether all titles have been looked at since the start.
func (s *Survey) Complete() bool { return s.complete.Load() }

// Changed returns when any of the facts last changed. It is zero if none has.
func (s *Survey) Changed() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed
}

// Run keeps the facts current until ctx ends. It returns nil then. It uses at most a third of a processor.
func (s *Survey) Run(ctx context.Context) error {
	var retry time.Time // zero: all titles could be read
	for pause := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = interval
		due := !retry.IsZero() && !time.Now().Before(retry) || s.recheckDue()
		if s.complete.Load() && s.surveyed.Load() == s.catalog.Generation() && !due {
			continue
		}
		began := time.Now()
		whole, err := s.pass(ctx, readPace)
		if err != nil {
			return nil
		}
		retry = time.Time{}
		if !whole {
			retry = time.Now().Add(retryPause)
		}
		pause = max(pause, passPace*time.Since(began)/(1+readPace))
	}
}

// Update looks at the titles that have changed, without a pause. The error is that of ctx.
func (s *Survey) Update(ctx context.Context) error {
	_, err := s.pass(ctx, 0)
	return err
}

// pass looks at all titles and reads those that have changed. The pauses are pace times as long as the reading. It
// returns false if some could not be read. The error is that of ctx.
func (s *Survey) pass(ctx context.Context, pace time.Duration) (whole bool, err error) {
	s.running.Lock()
	defer s.running.Unlock()
	generation := s.catalog.Generation() // a later change is found by the next pass
	seen, now := 0, s.now()
	var next time.Time
	whole = true
	for t := range s.catalog.Find(catalog.Filter{}) {
		seen++
		if f, ok := s.Facts(t); ok && f.etag == t.ETag && !f.due(now) {
			next = earlier(next, f.recheck)
			continue
		}
		began := time.Now()
		whole = s.read(ctx, t) && whole
		f, _ := s.Facts(t)
		next = earlier(next, f.recheck)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if pace > 0 {
			sleep(ctx, pace*time.Since(began))
		}
	}
	s.forget(seen)
	s.setRecheck(next)
	s.surveyed.Store(generation)
	s.complete.Store(true)
	return whole, nil
}

// due reports whether lint may say something else about the definition at a time than it did.
func (f Facts) due(now time.Time) bool { return !f.recheck.IsZero() && !now.Before(f.recheck) }

// earlier returns the earlier of two times, of which the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// setRecheck sets when a title has to be looked at again although it has not changed.
func (s *Survey) setRecheck(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recheck = at
}

// recheckDue reports whether a title has to be looked at again although it has not changed.
func (s *Survey) recheckDue() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.recheck.IsZero() && !s.now().Before(s.recheck)
}

// sleep waits for a time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// read reads the definition of a title and keeps the facts about it. It returns false if the title has to be read again
// later.
func (s *Survey) read(ctx context.Context, t catalog.Title) bool {
	d, now, err := s.catalog.Load(ctx, t.ID)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return true
	case err != nil:
		if ctx.Err() == nil {
			s.log.Warn("the survey cannot read a title and tries again later", "title", t.ID, "error", err)
		}
		return false
	}
	f := s.factsOf(d)
	f.etag = now.ETag
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts[now.UID] = f
	s.changed = s.now()
	return true
}

// forget removes the facts about titles that do not exist any more. live is how many titles do.
func (s *Survey) forget(live int) {
	s.mu.RLock()
	known := make([]string, 0, len(s.facts))
	if len(s.facts) > live {
		for uid := range s.facts {
			known = append(known, uid)
		}
	}
	s.mu.RUnlock()
	for _, uid := range known {
		if t, err := s.catalog.ByUID(uid); errors.Is(err, catalog.ErrNotFound) || err == nil && t.Disabled {
			s.mu.Lock()
			delete(s.facts, uid)
			s.changed = s.now()
			s.mu.Unlock()
		}
	}
}

// factsOf returns the facts about a definition.
func (s *Survey) factsOf(d *patch.Definition) Facts {
	opts := s.lint
	opts.Now = s.now()
	f := Facts{Warnings: len(patch.Lint(d, &opts))}
	dates := make([]time.Time, 0, len(d.Patches))
	for i := range d.Patches {
		date, err := patch.ParseTime(d.Patches[i].ReleaseDate)
		if err != nil {
			continue
		}
		if i == 0 {
			f.Released = date
		}
		if date.After(opts.Now) {
			f.recheck = earlier(f.recheck, date)
		}
		dates = append(dates, date)
	}
	f.Rhythm, f.newest = patch.Rhythm(dates)
	slices.SortFunc(dates, func(a, b time.Time) int { return b.Compare(a) })
	for _, date := range dates[:min(len(dates), maxDays)] {
		f.days = append(f.days, int32(date.Unix()/secondsPerDay))
	}
	f.bundles, f.apps = applications(d)
	return f
}

// applications returns the bundle IDs and the names of the applications that a definition is about, folded, each on a
// line.
func applications(d *patch.Definition) (bundles, apps string) {
	ids, names := map[string]bool{}, map[string]bool{}
	add := func(to map[string]bool, s string) {
		if s = fold(s); s != "" && !strings.Contains(s, "\n") && len(to) < maxApplications {
			to[s] = true
		}
	}
	if d.BundleID != nil {
		add(ids, *d.BundleID)
	}
	if d.AppName != nil {
		add(names, *d.AppName)
	}
	for _, c := range d.Requirements {
		switch c.Name {
		case "Application Bundle ID":
			add(ids, c.Value)
		case "Application Title":
			add(names, c.Value)
		}
	}
	return linesOf(ids), linesOf(names)
}

// maxApplications bounds the bundle IDs and the names that are kept for a title.
const maxApplications = 100

// linesOf returns the keys of a set, sorted, each on a line.
func linesOf(set map[string]bool) string {
	all := make([]string, 0, len(set))
	for s := range set {
		all = append(all, s+"\n")
	}
	slices.Sort(all)
	return strings.Join(all, "")
}
