package auth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Several servers over one store learn of each other's tokens by a watch, which may be late or cut off. Authenticate
// therefore accepts a token on the word of memory only if memory was known to be complete at most maxStale ago, either
// as a whole or for this token. Otherwise it asks the store, and refuses the token if it gets no answer.

const (
	// maxStale is how old the last proof may be that no revocation was missed.
	maxStale = 5 * time.Second
	// proofTimeout bounds the time that Authenticate waits for the store.
	proofTimeout = 3 * time.Second
	// missesPerSecond is how many unknown tokens are looked up in the store each second. The checksum of a token is no
	// secret, so that anyone can make unknown tokens.
	missesPerSecond = 10
)

// elapsed returns the time from when the Service was opened until t, by the monotonic clock.
func (a *Service) elapsed(t time.Time) time.Duration { return t.Sub(a.opened) }

// freshUpTo returns a function that records that a table is complete up to a time.
func (a *Service) freshUpTo(fresh *atomic.Int64) func(time.Time) {
	return func(t time.Time) { fresh.Store(int64(a.elapsed(t))) }
}

// fresh reports whether no change of a token, of its makers or of its owner's epoch that is older than maxStale was
// missed.
func (a *Service) fresh(e *entry) bool {
	if !a.shared {
		return true
	}
	return a.within(min(a.tokens.fresh.Load(), a.epochs.fresh.Load())) || a.within(e.proven.Load())
}

// within reports whether a proof, given in nanoseconds since the Service was opened, is at most maxStale old.
func (a *Service) within(proof int64) bool {
	return a.elapsed(time.Now())-time.Duration(proof) <= maxStale
}

// prove reads a token, its makers and its owner's epoch from the store. The error is [ErrUnavailable] or that of ctx.
func (a *Service) prove(ctx context.Context, id string) error {
	within, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	err := a.proveWithin(within, id)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// proveWithin does the work of prove. Of several calls for one token at the same time, one asks the store.
func (a *Service) proveWithin(ctx context.Context, id string) error {
	release, err := a.proving.take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if e, _ := a.tokens.get(id); e != nil && e.proven.Load() > 0 && a.within(e.proven.Load()) {
		return nil
	}
	began := a.elapsed(time.Now())
	e, err := a.readToken(ctx, id)
	if e == nil || err != nil {
		return err
	}
	if err := a.readMakers(ctx, e); err != nil {
		return err
	}
	if owner := a.evaluator(a.now()).status(e, 0).owner; owner != "" {
		if err := known(a.epochs.reload(ctx, owner)); err != nil {
			return err
		}
	}
	e.proven.Store(int64(began))
	return nil
}

// readToken reads a token from the store, and returns nil if there is none.
func (a *Service) readToken(ctx context.Context, id string) (*entry, error) {
	err := known(a.tokens.reload(ctx, id))
	e, _ := a.tokens.get(id)
	return e, err
}

// readMakers reads the makers of a token from the store.
func (a *Service) readMakers(ctx context.Context, e *entry) error {
	for _, id := range e.Chain {
		if _, err := a.readToken(ctx, id); err != nil {
			return err
		}
	}
	for depth := 0; e != nil && e.CreatedBy != "" && depth < maxDepth; depth++ { // of format 1
		var err error
		if e, err = a.readToken(ctx, e.CreatedBy); err != nil {
			return err
		}
	}
	return nil
}

// known returns err, or nil if it says that a record cannot be read: memory then has what table.unreadable says, and
// Follow logs the error.
func known(err error) error {
	var undecodable *decodeError
	if errors.As(err, &undecodable) {
		return nil
	}
	return err
}

// find returns the token with an id, which another server may just have made, or nil if there is none. The error is
// [ErrUnavailable] or that of ctx.
func (a *Service) find(ctx context.Context, id string) (*entry, error) {
	e, _ := a.tokens.get(id)
	if e != nil || !a.shared || store.Key.Check(store.Key{Kind: tokenKind, ID: id}) != nil {
		return e, nil
	}
	if err := a.prove(ctx, id); err != nil {
		return nil, err
	}
	e, _ = a.tokens.get(id)
	return e, nil
}

// catchUp reads the tokens and epochs that another server may just have changed. It is for decisions about all tokens.
// The error is [ErrUnavailable] or that of ctx.
func (a *Service) catchUp(ctx context.Context) error {
	if !a.shared {
		return nil
	}
	if err := errors.Join(known(a.tokens.refresh(ctx)), known(a.epochs.refresh(ctx))); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}
