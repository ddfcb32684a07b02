package sync

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"github.com/patchsource/patchsource/store"
)

// leaseKey is the record that the server that does the work holds.
var leaseKey = store.Key{Kind: "leases", ID: "sync"}

// A lease is who does the work. Nothing in it is compared with a clock: who waits
// sees that the record changes, and takes it when it has not for a while by their
// own clock.
type lease struct {
	// Holder is who holds it; empty: it was given back.
	Holder string    `json:"holder"`
	Beat   uint64    `json:"beat"`
	At     time.Time `json:"at"` // for people
}

// stand stands for the work until ctx ends: elected is sent a context, which ends
// when the work must stop.
func (r *Runner) stand(ctx context.Context, elected chan<- context.Context) {
	me := rand.Text()
	for ctx.Err() == nil {
		rev, ok := r.acquire(ctx, me)
		if !ok {
			return
		}
		r.log.Info("this server keeps titles in step with their sources")
		lead, stop := context.WithCancel(ctx)
		select {
		case elected <- lead:
		case <-ctx.Done():
		}
		r.hold(ctx, me, rev)
		stop()
		if ctx.Err() == nil {
			r.log.Warn("another server keeps titles in step with their sources from now on, or the storage is unavailable")
		}
	}
}

// acquire waits until the lease is free, and takes it. It is not ok when ctx ends.
func (r *Runner) acquire(ctx context.Context, me string) (rev store.Revision, ok bool) {
	var seen store.Revision
	since := time.Now()
	for ctx.Err() == nil {
		rec, err := r.store.Get(ctx, leaseKey)
		var held lease
		if err == nil && json.Unmarshal(rec.Value, &held) != nil {
			held = lease{Holder: "?"} // unreadable: it runs out
		}
		cond := store.IfRevision(rec.Revision)
		free := false
		switch {
		case errors.Is(err, store.ErrNotFound):
			cond, free = store.IfAbsent(), true
		case err != nil:
			r.log.Error("the lease of the work cannot be read", "error", err)
		case held.Holder == "":
			free = true
		case rec.Revision != seen:
			seen, since = rec.Revision, time.Now()
		default:
			free = time.Since(since) >= r.lease
		}
		if free {
			rev, err := r.beat(ctx, lease{Holder: me, Beat: held.Beat + 1}, cond)
			if err == nil {
				return rev, true
			}
		}
		sleep(ctx, r.lease/6)
	}
	return "", false
}

// hold renews the lease until it is lost, or ctx ends, and it is given back.
func (r *Runner) hold(ctx context.Context, me string, rev store.Revision) {
	renewed := time.Now()
	for beat := uint64(2); ; beat++ {
		sleep(ctx, r.lease/6)
		if ctx.Err() != nil {
			giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.lease/6)
			defer cancel()
			_, _ = r.beat(giving, lease{Beat: beat}, store.IfRevision(rev)) // else it runs out
			return
		}
		trying := time.Now()
		limited, cancel := context.WithTimeout(ctx, r.lease/6)
		next, err := r.beat(limited, lease{Holder: me, Beat: beat}, store.IfRevision(rev))
		if err != nil && !errors.Is(err, store.ErrConflict) {
			// It may have been written all the same.
			if rec, getErr := r.store.Get(limited, leaseKey); getErr == nil {
				var held lease
				if json.Unmarshal(rec.Value, &held) == nil && held.Holder == me {
					next, err = rec.Revision, nil
				}
			}
		}
		cancel()
		switch {
		case err == nil:
			rev, renewed = next, trying
		case errors.Is(err, store.ErrConflict):
			return
		case time.Since(renewed)+r.lease/3 > r.lease*9/10:
			return // after another try, somebody else might think that it has run out
		}
	}
}

func (r *Runner) beat(ctx context.Context, l lease, cond store.Condition) (store.Revision, error) {
	l.At = r.now().UTC()
	value, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	return r.store.Put(ctx, leaseKey, value, cond)
}
