package catalog

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

const (
	// commitKind is the kind of the records that make what is staged good.
	commitKind = "commits"
	// restorersAtOnce is how many titles are written at once in a restore.
	restorersAtOnce = 8
	// restoreTimeout is after how long what another server has staged, and not
	// committed, is undone.
	restoreTimeout = time.Hour
)

// ErrNotEmpty is a restore onto titles that it was not told what to do with.
var ErrNotEmpty = errors.New("there are titles already")

// A RestoreMode says what a restore does with the titles that there are.
type RestoreMode string

const (
	// RestoreEmpty restores where there is no title.
	RestoreEmpty RestoreMode = ""
	// RestoreMerge replaces titles that are restored, and leaves others alone.
	RestoreMerge RestoreMode = "merge"
	// RestoreReplace replaces titles that are restored, and deletes others.
	RestoreReplace RestoreMode = "replace"
)

// RestoreOptions are options of [Catalog.Restore]. Nil means the zero value.
type RestoreOptions struct {
	Mode RestoreMode
	// By is who restores, for [Catalog.History].
	By string
	// Progress, if not nil, is told now and then how many titles are written. It
	// is called by one goroutine at a time.
	Progress func(titles int)
	// Confirm, if not nil, is asked before titles are deleted, with their ids in order: those that RestoreReplace
	// deletes now, while nobody can change titles. Its error is that of the restore, which changes nothing then.
	Confirm func(deleted []string) error
}

// A Restored says what became of a title in a restore.
type Restored struct {
	ID string
	// Follows, if not empty, is the source that the title is kept in step with:
	// it was left as it is.
	Follows string
}

// WithoutRestore runs f while no restore is made: what f reads of the store is not half of
// one. Other changes go on. The error is [ErrUnavailable] if a restore is under way, or
// f's.
func (c *Catalog) WithoutRestore(f func() error) error {
	if !c.restoring.TryRLock() {
		return errRestoring
	}
	defer c.restoring.RUnlock()
	return f()
}

// A restore is one under way.
type restore struct {
	c     *Catalog
	opts  RestoreOptions
	batch string

	mu     sync.Mutex
	staged []string        // keys
	seen   map[string]bool // keys of the titles that are restored
	all    []Restored
}

// Restore makes the titles that defs yields live, all or none, also when the process
// is killed: what was not committed by then is undone by the next start, what was is
// finished. Nobody can change titles meanwhile (ErrUnavailable), and reads go on. A
// title that is there keeps its owner, and its history; one that follows a source is
// left alone. Definitions are read one at a time.
//
// The error is one that defs yields, [patch.ErrInvalid], [patch.ErrTooLarge],
// [ErrNotEmpty], [ErrExists] (an id twice), [ErrUnavailable] or that of ctx. After
// ErrUnavailable the restore may have happened.
func (c *Catalog) Restore(
	ctx context.Context,
	defs iter.Seq2[*patch.Definition, error],
	opts *RestoreOptions,
) ([]Restored, error) {
	r := &restore{c: c, batch: rand.Text(), seen: map[string]bool{}}
	if opts != nil {
		r.opts = *opts
	}
	if !c.closing.TryRLock() {
		return nil, ErrClosed
	}
	defer c.closing.RUnlock()
	if !c.restoring.TryLock() {
		return nil, errRestoring // another one, or a change that is under way
	}
	defer c.restoring.Unlock()
	if r.opts.Mode == RestoreEmpty && c.Len() > 0 {
		return nil, ErrNotEmpty
	}
	if err := r.commit(ctx, false); err != nil {
		return nil, err
	}
	err := r.stage(ctx, defs)
	if err == nil {
		err = r.commit(ctx, true)
	}
	if err != nil {
		// Without its record, what is staged is good for nothing. With it, and not
		// committed, it is undone by the next start.
		undo := r.forget(ctx)
		if undo == nil {
			undo = r.settle(ctx)
		}
		return nil, errors.Join(err, undo)
	}
	// Not before all is settled: the record is what the next start finishes it by.
	err = r.settle(ctx)
	if err == nil {
		err = r.forget(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("the restore is committed, and is finished by the next start: %w", err)
	}
	slices.SortFunc(r.all, func(a, b Restored) int { return cmp.Compare(a.ID, b.ID) })
	return r.all, nil
}

// commit writes the record of the restore. Before it is committed, what is staged is
// undone by a start.
func (r *restore) commit(ctx context.Context, committed bool) error {
	value, err := json.Marshal(commit{Format: plainFormat, Committed: committed, At: r.c.now().UTC()})
	if err != nil {
		return err
	}
	return r.c.settle(ctx, func(ctx context.Context) error {
		_, err := r.c.store.Put(ctx, store.Key{Kind: commitKind, ID: r.batch}, value, store.Condition{})
		return err
	})
}

// A commit says whether what is staged by its batch is good.
type commit struct {
	Format    int       `json:"format"`
	Committed bool      `json:"committed"`
	At        time.Time `json:"at"`
}

// stage writes into each title's record what it will be.
func (r *restore) stage(ctx context.Context, defs iter.Seq2[*patch.Definition, error]) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(restorersAtOnce)
	var failed error
	for def, err := range defs {
		if err != nil {
			failed = err
			break
		}
		if working.Err() != nil {
			break
		}
		key := titleKey(def.ID)
		if r.seen[key] {
			failed = &TitleError{ID: def.ID, Err: fmt.Errorf("%w: it is restored twice", ErrExists)}
			break
		}
		r.seen[key] = true
		group.Go(func() error { return r.stageOne(working, key, def) })
	}
	if err := errors.Join(failed, group.Wait()); err != nil {
		return err
	}
	if r.opts.Mode != RestoreReplace {
		return context.Cause(ctx)
	}
	var others []*entry
	var deleted []string
	for _, e := range r.c.index.Load().sorted {
		if !r.seen[e.key] && e.Follows == "" {
			others = append(others, e)
			deleted = append(deleted, e.ID)
		}
	}
	if r.opts.Confirm != nil && len(deleted) > 0 {
		if err := r.opts.Confirm(deleted); err != nil {
			return err
		}
	}
	for _, e := range others {
		if err := r.stageOne(ctx, e.key, nil); err != nil {
			return err
		}
	}
	return nil
}

// stageOne stages a definition, or the removal of a title if it is nil.
func (r *restore) stageOne(ctx context.Context, key string, def *patch.Definition) error {
	unlock, err := r.c.writers.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	old, rec, err := r.c.readSettled(ctx, key)
	fresh := errors.Is(err, store.ErrNotFound) || err == nil && rec.State != live
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	switch {
	case fresh && def == nil:
		return nil
	case fresh:
		err = r.stageNew(ctx, key, old, rec, def)
	case rec.Follows != nil && def != nil:
		r.note(Restored{ID: def.ID, Follows: rec.Follows.URL}, "")
		return nil
	case rec.Follows != nil:
		return nil // what is not in the backup because it follows a source
	default:
		err = r.stageOver(ctx, key, old, rec, def)
	}
	if errors.Is(err, store.ErrConflict) {
		err = fmt.Errorf("%w: title %q was changed elsewhere meanwhile", ErrUnavailable, key)
	}
	return err
}

// stageNew stages a title that is not there: it is pending until it is good.
func (r *restore) stageNew(
	ctx context.Context,
	key string,
	old store.Record,
	was *record,
	def *patch.Definition,
) error {
	if was != nil && was.State == pending && r.c.now().Sub(was.Since) <= reservationTimeout {
		return &TitleError{ID: def.ID, Err: fmt.Errorf("%w: it is being published at this moment", ErrExists)}
	}
	rec, _, err := r.c.newRecord(ctx, def, &CreateOptions{By: r.opts.By})
	if err != nil {
		return err
	}
	rec.State = pending
	rec.Staged = &staged{Batch: r.batch, Definition: rec.definition, By: r.opts.By}
	cond := store.IfAbsent()
	if was != nil {
		if was.State == gone {
			if err := r.c.forgetRevisions(ctx, was); err != nil {
				return err
			}
		}
		rec.Undelivered, rec.Events = was.Undelivered, was.Events
		cond = store.IfRevision(old.Revision)
	}
	if _, err := r.c.put(ctx, key, rec, cond); err != nil {
		return err
	}
	r.note(Restored{ID: def.ID}, key)
	return nil
}

// stageOver stages another definition of a title that is there, or its removal.
func (r *restore) stageOver(
	ctx context.Context,
	key string,
	old store.Record,
	rec *record,
	def *patch.Definition,
) error {
	rec.Staged = &staged{Batch: r.batch, By: r.opts.By}
	if def != nil {
		before, err := rec.parse()
		if err != nil {
			return fmt.Errorf("%w: title %q: %w", ErrUnavailable, def.ID, err)
		}
		d := *def
		if err := d.ValidateOver(before); err != nil {
			return err
		}
		if _, err := r.c.lint(ctx, &d, r.c.now(), nil); err != nil {
			return err
		}
		if !d.Supersede(before, r.c.now()) {
			r.note(Restored{ID: d.ID}, "")
			return nil
		}
		after := &record{}
		if err := r.c.setDefinition(after, &d); err != nil {
			return err
		}
		rec.Staged.Definition = after.definition
		r.note(Restored{ID: d.ID}, key)
	} else {
		r.note(Restored{}, key)
	}
	return r.c.rewrite(ctx, key, rec, old.Revision)
}

// note notes what becomes of a title, and its key if something is staged.
func (r *restore) note(one Restored, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key != "" {
		r.staged = append(r.staged, key)
	}
	if one.ID == "" {
		return
	}
	r.all = append(r.all, one)
	if n := len(r.all); r.opts.Progress != nil && n%1000 == 0 {
		r.opts.Progress(n)
	}
}

// settle makes what is staged good, or undoes it, as its record says, whoever goes
// away meanwhile.
func (r *restore) settle(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var group errgroup.Group
	group.SetLimit(restorersAtOnce)
	for _, key := range r.staged {
		group.Go(func() error {
			unlock, err := r.c.writers.lock(ctx, key)
			if err != nil {
				return err
			}
			defer unlock()
			_, _, err = r.c.readSettled(ctx, key)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// forget removes the record of the restore.
func (r *restore) forget(ctx context.Context) error {
	return r.c.settle(context.WithoutCancel(ctx), func(ctx context.Context) error {
		err := r.c.store.Delete(ctx, store.Key{Kind: commitKind, ID: r.batch}, store.Condition{})
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
}
