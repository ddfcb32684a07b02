package patchsync

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/sync/releases"
)

// watchMaker is the maker of the changes of a watch in the history of its title.
const watchMaker = "watch"

// A reading is what was read of a feed for a watch.
type reading struct {
	feed      string // textOf the feed
	at        time.Time
	selection releases.Selection
	// failure is why the feed could not be read, nil if it could.
	failure *FeedError
	// asked reports that a person has asked for the check, so that it is not one of those at the interval.
	asked bool
}

// errWatchChanged reports that the feed of a watch has changed since it was read.
var errWatchChanged = errors.New("the watch was changed meanwhile: check it again")

// Check asks the feed of a title now and adds or proposes its new versions, also if the feed failed before. It runs on
// this server, one check of a title at a time. With dryRun, it changes nothing, and its Plan says what a check would
// do. A watch that is paused is not asked: the Plan says so. uid is that of WatchOptions.UID.
//
// A feed that cannot be read is no error of Check: [Check].Err has it. The error is catalog.ErrNotFound,
// [ErrNotWatched], catalog.ErrUnavailable or that of ctx.
func (w *Watches) Check(ctx context.Context, id, uid string, dryRun bool) (Check, error) {
	t, err := w.titleOf(id, uid)
	if err != nil {
		return Check{}, err
	}
	if err := w.records.load(ctx); err != nil {
		return Check{}, err
	}
	var c Check
	for range maxRounds {
		saved, err := w.watched(ctx, t)
		if err != nil {
			return Check{}, err
		}
		in, err := w.readFeed(ctx, saved.record)
		if err != nil {
			return Check{}, err
		}
		if c, err = w.apply(ctx, t.UID, in, dryRun); !errors.Is(err, errWatchChanged) {
			if err == nil && !dryRun {
				w.agenda.checked(t.UID, c.Err == nil)
			}
			return c, err
		}
	}
	return c, &catalog.TitleError{ID: t.ID, Err: errWatchChanged}
}

// readFeed asks the feed of a watch for a person, unless the watch is paused. The error is that of ctx.
func (w *Watches) readFeed(ctx context.Context, rec *watchRecord) (reading, error) {
	in := reading{feed: textOf(rec.Feed), at: w.now().UTC(), asked: true}
	if rec.paused() {
		return in, nil
	}
	w.counts.requests.Add(1)
	answer, err := w.feeds.get(ctx, rec.Feed, rec.Trusted, "")
	if err == nil {
		in.selection, _, err = w.selectFrom(ctx, rec.Feed, rec.Trusted, answer.Answer)
	}
	if err != nil && !errors.As(err, &in.failure) {
		return in, err
	}
	return in, nil
}

// selectFrom returns what counts of the releases of a feed, and the number of further answers that were read. The error
// is a *[FeedError] or that of ctx.
func (w *Watches) selectFrom(
	ctx context.Context, f recipe.Feed, trusted bool, a releases.Answer,
) (s releases.Selection, more int, err error) {
	defer w.recoverFault(&err)
	found, more, err := w.feeds.read(ctx, f, a, trusted)
	if err != nil {
		return s, more, err
	}
	s = releases.Select(f, found)
	if len(s.Releases) > 0 || len(found) == 0 { // a feed that lists none at present is readable
		return s, more, nil
	}
	why := "it " + s.WhyNone()
	if len(s.Dropped) > 0 && len(s.Channels) == 0 {
		why = fmt.Sprintf("none of its releases counts: %s was left out because %s", shorten(s.Dropped[0].Version),
			s.Dropped[0].Reason)
	}
	return s, more, &FeedError{Err: errors.New(why)}
}

// apply brings a title and the record of its watch up to date with what was read of the feed. The error is
// errWatchChanged, [ErrNotWatched], catalog.ErrNotFound, catalog.ErrUnavailable or that of ctx.
func (w *Watches) apply(ctx context.Context, uid string, in reading, dryRun bool) (Check, error) {
	turn := w.records.turn(uid)
	if err := turn.lock(ctx); err != nil {
		return Check{}, err
	}
	defer turn.unlock()
	var out Check
	err := store.RetryConflicts(ctx, func() error {
		saved, err := w.settled(ctx, uid)
		if err != nil {
			return err
		}
		if textOf(saved.record.Feed) != in.feed {
			return errWatchChanged
		}
		c := &check{Watches: w, saved: saved, next: saved.record.clone(), in: in, now: w.now().UTC()}
		out, err = c.run(ctx, dryRun)
		return err
	})
	if errors.Is(err, store.ErrConflict) {
		err = &watchStoreError{err}
	}
	return out, err
}

// A check brings the title and the record of a watch up to date with a reading. The caller holds the record's turn.
type check struct {
	*Watches
	saved savedWatch
	next  *watchRecord // becomes the record
	in    reading
	now   time.Time
	title catalog.Title
	def   *patch.Definition
	// selection is what counts of the reading and of the releases that the record keeps.
	selection releases.Selection
	// proposed reports that the check proposes a version that was not proposed before.
	proposed  bool
	withdrawn []withdrawal
}

// run runs the check. The error is [store.ErrConflict] if the record or the title has changed meanwhile.
func (c *check) run(ctx context.Context, dryRun bool) (out Check, err error) {
	rec := c.next
	c.def, c.title, err = c.catalog.Load(ctx, rec.Title)
	switch {
	case err == nil && c.title.UID != rec.UID:
		return out, &catalog.TitleError{ID: rec.Title, Err: catalog.ErrNotFound}
	case err != nil:
		return out, err
	case rec.paused():
		out.Plan.Note = "the watch is paused: its policy has the mode off"
		out.State = c.state(c.title.ID, rec)
		return out, nil
	}
	rec.Adder = "" // no server adds a version any more; see settled
	rec.State.LastAttempt = c.in.at
	if c.in.failure != nil {
		out.Err = c.in.failure
		return c.finish(ctx, out, dryRun)
	}
	c.noteVersions()
	c.selection = c.withHeld()
	if err := c.noteHistory(ctx, c.selection.Releases); err != nil {
		return out, err
	}
	plan, err := releases.Propose(c.def, rec.watch(), c.selection, rec.seen(), c.now, c.lint)
	if err != nil {
		out.Err = err
		return c.finish(ctx, out, dryRun)
	}
	out.Plan = *plan
	c.notePlan(plan)
	if dryRun || len(plan.Add) == 0 {
		return c.finish(ctx, out, dryRun)
	}
	return c.addPlanned(ctx, out)
}

// addPlanned adds the versions of the plan of a check, and finishes it.
func (c *check) addPlanned(ctx context.Context, out Check) (Check, error) {
	ctx, cancel := store.WriteContext(ctx)
	defer cancel()
	before := c.saved.record
	patches := patchesOf(out.Plan.Add)
	var err error
	out.Added, err = c.add(ctx, patches)
	switch {
	case errors.Is(err, store.ErrConflict), isUnknown(err):
		return out, err
	case errors.Is(err, catalog.ErrNotFound):
		return out, errors.Join(err, c.release(ctx, before, patches))
	case err != nil:
		out.Err = fmt.Errorf("version %s could not be added: %w", patches[len(patches)-1].Version, err)
	}
	out, err = c.finish(ctx, out, false)
	if errors.Is(err, store.ErrConflict) && len(out.Added) == 0 {
		// The record was changed while the catalog rejected the versions: it still says that they are being added.
		if releaseErr := c.release(ctx, before, patches); releaseErr != nil {
			return out, releaseErr
		}
	}
	return out, err
}

// patchesOf returns the patches of some steps.
func patchesOf(steps []releases.Step) (patches []patch.Patch) {
	for _, step := range steps {
		patches = append(patches, step.Patch)
	}
	return patches
}

// add adds the versions of a plan to the title. The record that is then in the store says that they are being added;
// finish writes the next one. The error is [store.ErrConflict] if the record or the title has changed meanwhile, or
// that of the catalog.
func (c *check) add(ctx context.Context, patches []patch.Patch) (added []string, err error) {
	before := c.saved.record
	if c.saved, err = c.claim(ctx, c.saved, c.next, patches); err != nil {
		return nil, err
	}
	if _, err = c.edit(ctx, c.title, patches, watchMaker); err != nil {
		if errors.Is(err, catalog.ErrPrecondition) {
			if err = c.release(ctx, before, patches); err == nil {
				err = store.ErrConflict
			}
		}
		return nil, err
	}
	added = versionsIn(patches)
	c.next.noteAdded(added, c.now)
	c.counts.added.Add(uint64(len(added)))
	c.log.Info("a watch has added versions", "title", c.title.ID, "versions", added)
	return added, nil
}

// finish records the outcome of the check.
func (c *check) finish(ctx context.Context, out Check, dryRun bool) (Check, error) {
	rec := c.next
	if len(rec.Proposals) > 0 {
		out.Proposal = c.shown(&rec.Proposals[0])
	}
	if dryRun {
		if out.Proposal != nil && !hasProposal(c.saved.record, out.Proposal.ID) {
			out.Proposal.ID = ""
		}
		out.State = c.state(c.title.ID, c.saved.record)
		return out, nil
	}
	c.noteOutcome(&out)
	// The time must not be seen before the outcome, which is in the record.
	defer c.agenda.attempted(rec.UID, c.in.at, out.Err == nil)
	if err := c.save(ctx, &out); err != nil {
		return out, err
	}
	c.count(out)
	if now := c.saved.record; out.partial && now != nil && !now.Ended {
		rec = now
	}
	out.State = c.state(c.title.ID, rec)
	return out, nil
}

// save writes the record if anything but times has changed.
func (c *check) save(ctx context.Context, out *Check) error {
	rec := c.next
	changed, err := differs(c.saved.record, rec)
	if err != nil || !changed {
		return err
	}
	minor, err := isMinor(c.saved.record, rec)
	switch {
	case err != nil:
		return err
	case minor:
		c.saved.record = rec
		c.records.keep(rec.UID, c.saved)
		return nil
	}
	c.saved, err = c.records.write(ctx, rec.UID, rec, c.saved.revision)
	if errors.Is(err, store.ErrConflict) && len(out.Added) > 0 {
		// The record was changed while the versions were added. The next check notes the rest.
		out.partial = true
		c.saved, err = c.settle(ctx, rec.UID, out.Added)
	}
	if err == nil {
		c.logWithdrawn()
	}
	return err
}

// count counts the check.
func (c *check) count(out Check) {
	if out.Err != nil {
		c.counts.failed.Add(1)
	} else {
		c.counts.succeeded.Add(1)
	}
	if c.proposed {
		c.counts.proposed.Add(1)
	}
}

// differs reports whether a record differs from another in anything but times.
func differs(a, b *watchRecord) (bool, error) {
	b.trim()
	x, err := a.persistent()
	if err != nil {
		return false, err
	}
	y, err := b.persistent()
	return x != y, err
}

// versionsIn returns the versions of some patches.
func versionsIn(patches []patch.Patch) (versions []string) {
	for i := range patches {
		versions = append(versions, patches[i].Version)
	}
	return versions
}

// digestOf returns what tells an answer from others.
func digestOf(a releases.Answer) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%q\n%q\n", a.Status, a.Header["Location"], a.Header["Content-Disposition"])
	_, _ = h.Write(a.Body)
	return [sha256.Size]byte(h.Sum(nil))
}
