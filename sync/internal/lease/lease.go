// Package lease has one of several servers over a store do some work, by a record
// that the one who does it holds.
//
// Nothing in the record is compared with a clock: who waits sees that it changes, and
// takes it when it has not for a while by their own clock.
package lease

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Options are what is stood for. All are needed.
type Options struct {
	Store store.Store
	// Work names it.
	Work string
	// Time is after how long another server takes over from one that has died.
	Time   time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

type stander struct {
	Options
	key store.Key
	me  string
}

// A held is the record: who does the work.
type held struct {
	// Holder is who holds it; empty: it was given back.
	Holder string    `json:"holder"`
	Beat   uint64    `json:"beat"`
	At     time.Time `json:"at"` // for people
}

// Stand stands for the work until ctx ends: elected is sent a context, which ends
// when the work must stop.
func Stand(ctx context.Context, opts Options, elected chan<- context.Context) {
	s := &stander{opts, store.Key{Kind: "leases", ID: opts.Work}, rand.Text()}
	for ctx.Err() == nil {
		rev, ok := s.acquire(ctx)
		if !ok {
			return
		}
		s.Logger.Info("this server does the work", "work", s.Work)
		lead, stop := context.WithCancel(ctx)
		select {
		case elected <- lead:
		case <-ctx.Done():
		}
		s.hold(ctx, rev)
		stop()
		if ctx.Err() == nil {
			s.Logger.Warn("another server does the work from now on, or the storage is unavailable", "work", s.Work)
		}
	}
}

// acquire waits until the lease is free, and takes it. It is not ok when ctx ends.
func (s *stander) acquire(ctx context.Context) (rev store.Revision, ok bool) {
	var seen store.Revision
	since := time.Now()
	for ctx.Err() == nil {
		rec, err := s.Store.Get(ctx, s.key)
		var now held
		if err == nil && json.Unmarshal(rec.Value, &now) != nil {
			now = held{Holder: "?"} // unreadable: it runs out
		}
		cond := store.IfRevision(rec.Revision)
		free := false
		switch {
		case errors.Is(err, store.ErrNotFound):
			cond, free = store.IfAbsent(), true
		case err != nil:
			s.Logger.Error("the lease of the work cannot be read", "error", err)
		case now.Holder == "":
			free = true
		case rec.Revision != seen:
			seen, since = rec.Revision, time.Now()
		default:
			free = time.Since(since) >= s.Time
		}
		if free {
			rev, err := s.beat(ctx, held{Holder: s.me, Beat: now.Beat + 1}, cond)
			if err == nil {
				return rev, true
			}
		}
		sleep(ctx, s.Time/6)
	}
	return "", false
}

// hold renews the lease until it is lost, or ctx ends, and it is given back.
func (s *stander) hold(ctx context.Context, rev store.Revision) {
	renewed := time.Now()
	for beat := uint64(2); ; beat++ {
		sleep(ctx, s.Time/6)
		if ctx.Err() != nil {
			giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Time/6)
			defer cancel()
			_, _ = s.beat(giving, held{Beat: beat}, store.IfRevision(rev)) // else it runs out
			return
		}
		trying := time.Now()
		limited, cancel := context.WithTimeout(ctx, s.Time/6)
		next, err := s.beat(limited, held{Holder: s.me, Beat: beat}, store.IfRevision(rev))
		if err != nil && !errors.Is(err, store.ErrConflict) {
			// It may have been written all the same.
			if rec, getErr := s.Store.Get(limited, s.key); getErr == nil {
				var now held
				if json.Unmarshal(rec.Value, &now) == nil && now.Holder == s.me && now.Beat == beat {
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
		case time.Since(renewed)+s.Time/3 > s.Time*9/10:
			return // after another try, somebody else might think that it has run out
		}
	}
}

func (s *stander) beat(ctx context.Context, l held, cond store.Condition) (store.Revision, error) {
	l.At = s.Now().UTC()
	value, err := json.Marshal(l)
	if err != nil {
		return "", err
	}
	return s.Store.Put(ctx, s.key, value, cond)
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
