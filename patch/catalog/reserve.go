package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// reservationTimeout is after how long a reservation that came to nothing is given
// to another caller, or swept away at the start of a server that shares its store. A
// server that does not share it sweeps all of them away when it starts.
const reservationTimeout = 2 * time.Minute

// A Reservation holds the id of a title that is to be published when something
// else has succeeded. Until then nobody sees the title, and nobody else can take
// the id. One that is neither published nor withdrawn ends by itself, some
// minutes later.
type Reservation struct {
	c        *Catalog
	key      string
	rec      *record
	rev      store.Revision
	def      *patch.Definition
	warnings []patch.Warning
}

// Reserve reserves the id of a title, which is kept in full with it. The errors are
// those of [Catalog.Create].
func (c *Catalog) Reserve(ctx context.Context, def *patch.Definition, opts *CreateOptions) (*Reservation, error) {
	rec, warnings, err := c.newRecord(ctx, def, opts)
	if err != nil {
		return nil, err
	}
	d, err := rec.parse() // of its own: def is the caller's
	if err != nil {
		return nil, err
	}
	rec.State = pending
	key := titleKey(d.ID)
	e, err := c.create(ctx, key, rec, func(*entry) {})
	if err != nil {
		return nil, err
	}
	return &Reservation{c: c, key: key, rec: rec, rev: e.rev, def: d, warnings: warnings}, nil
}

// UID returns the UID that the title will have.
func (r *Reservation) UID() string { return r.rec.UID }

// Definition returns the definition that will be published. It must not be
// changed.
func (r *Reservation) Definition() *patch.Definition { return r.def }

// Publish makes the title live. The error is [ErrNotFound] if the reservation has
// ended meanwhile, [ErrUnavailable] or that of ctx; after ErrUnavailable the title
// may be live, and Withdraw tells.
func (r *Reservation) Publish(ctx context.Context) (Result, error) {
	unlock, err := r.c.writers.lock(ctx, r.key)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	end, err := r.c.begin()
	if err != nil {
		return Result{}, err
	}
	defer end()
	for range maxTries {
		now := r.c.now()
		rec := *r.rec
		rec.State, rec.Since, rec.Changed = live, now.UTC(), later(rec.Changed, now)
		if err := r.c.noteCreation(r.key, &rec); err != nil {
			return Result{}, err
		}
		e, err := r.c.put(ctx, r.key, &rec, store.IfRevision(r.rev))
		if err == nil {
			r.c.tell(Event{Kind: Created, Title: e.Title, At: now.UTC()}, nil, rec.definition)
			return Result{Title: e.Title, Changed: true, Warnings: r.warnings}, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return Result{}, err
		}
		if still, err := r.refresh(ctx); err != nil {
			return Result{}, err
		} else if !still {
			break
		}
	}
	return Result{}, &TitleError{ID: r.def.ID, Err: ErrNotFound}
}

// refresh takes over what has become of the reservation's record: what the title that
// had the id before carried may have been told meanwhile. It reports whether the
// reservation is still one.
func (r *Reservation) refresh(ctx context.Context) (still bool, err error) {
	old, rec, err := r.c.readLocked(ctx, r.key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || rec.UID != r.rec.UID || rec.State != pending {
		return false, err
	}
	r.rev, r.rec.Undelivered, r.rec.Events = old.Revision, rec.Undelivered, rec.Events
	return true, nil
}

// Withdraw gives the id free. It disturbs nobody: a title that was published all
// the same, because Publish failed without knowing, stays, and live is true. The
// error is [ErrUnavailable] or that of ctx.
func (r *Reservation) Withdraw(ctx context.Context) (live bool, err error) {
	unlock, err := r.c.writers.lock(ctx, r.key)
	if err != nil {
		return false, err
	}
	defer unlock()
	if !r.c.closing.TryRLock() {
		return false, ErrClosed
	}
	defer r.c.closing.RUnlock()
	for range maxTries {
		if err = r.c.giveUp(ctx, r.key, r.rev, r.rec); !errors.Is(err, store.ErrConflict) {
			break
		}
		if still, refreshErr := r.refresh(ctx); refreshErr != nil {
			return false, refreshErr
		} else if !still {
			break
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if errors.Is(err, store.ErrConflict) {
		if err := r.c.refreshLocked(ctx, r.key); err != nil {
			return false, err
		}
		e := r.c.index.Load().byKey(r.key)
		return e != nil && e.UID == r.rec.UID, nil
	}
	return false, err
}

// giveUp removes the record of a reservation. What the title that had the id before
// carries stays until it is told. Who calls it has the title's lock, or nobody has.
func (c *Catalog) giveUp(ctx context.Context, key string, rev store.Revision, rec *record) error {
	if len(rec.Undelivered) == 0 {
		return c.settle(ctx, func(ctx context.Context) error {
			return c.store.Delete(ctx, storeKey(key), store.IfRevision(rev))
		})
	}
	left := *rec
	left.State, left.Staged = gone, nil
	_, err := c.put(ctx, key, &left, store.IfRevision(rev))
	return err
}
