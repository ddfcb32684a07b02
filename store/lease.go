package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// leaseKind is the kind of the records of leases. Their ids are the names of the leases.
const leaseKind = "leases"

// defaultLeaseTTL is the default of LeaseOptions.TTL.
const defaultLeaseTTL = 30 * time.Second

// LeaseOptions are options of [Campaign].
type LeaseOptions struct {
	// Name names the lease: one of the processes that campaign for it over the same store is its leader.
	Name string
	// TTL is the time after which another process takes the lease over from one that has died. The leader renews the
	// lease every sixth of it. The default is 30 s. It must be the same in all processes.
	TTL time.Duration
	// Now tells the time that the lease's record shows to people. Nothing is compared with it. If nil, it is time.Now.
	Now func() time.Time
	// Logger logs won and lost elections. If nil, nothing is logged.
	Logger *slog.Logger
}

// A lease is the value of a lease's record.
type lease struct {
	// Holder identifies the holder. It is empty if the lease was released.
	Holder string    `json:"holder"`
	Beat   uint64    `json:"beat"`
	At     time.Time `json:"at"` // for people
}

// Campaign competes for a lease until ctx ends, so that one of several processes over a store does a piece of work.
// When this process is elected, Campaign calls lead with a context that ends when the lease is lost or ctx ends; lead
// must then stop the work and return. Campaign keeps the lease even after lead has returned, waits for lead to return
// before it competes again, and releases the lease at the end.
//
// The leader writes the lease's record regularly. Another process takes the lease over when it has not seen the record
// change for the lease's TTL, measured by its own clock, so the clocks of the processes need not agree. A leader that
// cannot renew the lease stops before that. The work should bear being done twice all the same: a process that was
// suspended may wake up as leader.
//
// If s has no [Watcher], no other process uses it, and Campaign calls lead at once without a record.
func Campaign(ctx context.Context, s Store, opts LeaseOptions, lead func(ctx context.Context)) {
	if _, shared := As[Watcher](s); !shared {
		lead(ctx)
		<-ctx.Done()
		return
	}
	c := &candidate{store: s, opts: opts, key: Key{Kind: leaseKind, ID: opts.Name}, id: rand.Text()}
	c.opts.TTL = cmp.Or(opts.TTL, defaultLeaseTTL)
	if c.opts.Now == nil {
		c.opts.Now = time.Now
	}
	if c.opts.Logger == nil {
		c.opts.Logger = slog.New(slog.DiscardHandler)
	}
	for {
		won, ok := c.acquire(ctx)
		if !ok {
			return
		}
		c.opts.Logger.Info("elected leader: this server does the work", "lease", opts.Name)
		leading, stop := context.WithCancel(ctx)
		var work sync.WaitGroup
		work.Go(func() { lead(leading) })
		c.hold(ctx, won)
		stop()
		work.Wait()
		if ctx.Err() != nil {
			c.release(ctx)
			return
		}
		c.opts.Logger.Warn("no longer leader: another server does the work, or the store is unavailable",
			"lease", opts.Name)
	}
}

// A candidate competes for one lease. rev and beat are those of the lease while it holds it.
type candidate struct {
	store Store
	opts  LeaseOptions
	key   Key
	id    string // of this candidate
	rev   Revision
	beat  uint64
}

// acquire waits until the lease is free and takes it. It returns the time from which the lease runs: that before the
// write, because other processes may have seen the write before it returned. It returns false when ctx ends.
func (c *candidate) acquire(ctx context.Context) (won time.Time, ok bool) {
	var seen Revision
	var since time.Time // when this process first saw that revision
	for ctx.Err() == nil {
		current, rev, err := c.read(ctx)
		free := false
		switch {
		case err != nil:
			if ctx.Err() == nil {
				c.opts.Logger.Error("the lease cannot be read", "lease", c.opts.Name, "error", err)
			}
		case current.Holder == "":
			free = true
		case current.Holder == c.id && rev == c.rev:
			// This process was leader, and nobody has taken the lease since. If an attempt to renew it has an unknown
			// outcome, the lease must expire, so that a process whose writes are slow does not keep the others out.
			free = true
		case rev != seen:
			seen, since = rev, time.Now()
		default:
			free = time.Since(since) >= c.opts.TTL
		}
		if free {
			c.rev, c.beat = rev, current.Beat
			won = time.Now()
			if c.renew(ctx) == nil {
				return won, true
			}
		}
		pause(ctx, c.opts.TTL/6)
	}
	return time.Time{}, false
}

// hold renews the lease, which was last renewed at a time, until it is lost or ctx ends.
func (c *candidate) hold(ctx context.Context, renewed time.Time) {
	ttl := c.opts.TTL
	for {
		pause(ctx, ttl/6)
		if ctx.Err() != nil {
			return
		}
		began := time.Now()
		err := c.renew(ctx)
		switch {
		case err == nil:
			renewed = began
		case errors.Is(err, ErrConflict):
			return
		case time.Since(renewed)+ttl/3 > ttl*9/10:
			return // during another attempt the lease might expire
		}
	}
}

// renew writes the lease once, as the holder that this process is or becomes.
func (c *candidate) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.TTL/6)
	defer cancel()
	err := c.write(ctx, c.id)
	if err == nil || errors.Is(err, ErrConflict) {
		return err
	}
	// The outcome of the write is unknown.
	current, rev, readErr := c.read(ctx)
	if readErr != nil || current.Holder != c.id || current.Beat != c.beat+1 {
		return err
	}
	c.rev, c.beat = rev, current.Beat
	return nil
}

// release lets another process take the lease at once. If it fails, the lease expires.
func (c *candidate) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.TTL/6)
	defer cancel()
	_ = c.write(ctx, "")
}

// read reads the lease. A lease without a record is free. One that cannot be decoded has an unknown holder, so that it
// expires.
func (c *candidate) read(ctx context.Context) (current lease, rev Revision, err error) {
	r, err := c.store.Get(ctx, c.key)
	if errors.Is(err, ErrNotFound) {
		return lease{}, "", nil
	}
	if err == nil && json.Unmarshal(r.Value, &current) != nil {
		current = lease{Holder: "?"}
	}
	return current, r.Revision, err
}

// write writes the next beat of the lease if its record has not changed.
func (c *candidate) write(ctx context.Context, holder string) error {
	value, err := json.Marshal(lease{Holder: holder, Beat: c.beat + 1, At: c.opts.Now().UTC()})
	if err != nil {
		return err
	}
	rev, err := c.store.Put(ctx, c.key, value, IfUnchanged(c.rev))
	if err != nil {
		return err
	}
	c.rev, c.beat = rev, c.beat+1
	return nil
}
