package auth

import (
	"context"
	"errors"
)

// Rotate makes a token that replaces another one, and revokes that one and all tokens that were made with it.
//
// The error is [ErrNotFound], [ErrTooMany], [ErrGrant] if the chain of makers is too long, [ErrUnavailable] or that of
// ctx. After ErrUnavailable the old token may still be valid.
func (a *Service) Rotate(ctx context.Context, id string) (token, newID string, err error) {
	e, err := a.find(ctx, id)
	if err != nil {
		return "", "", err
	}
	if e == nil {
		return "", "", ErrNotFound
	}
	st, valid := a.evaluator(a.now()).evaluate(e)
	if !valid {
		return "", "", a.notFound(ctx, id)
	}
	chain := st.chain(e)
	if len(chain) > maxChain {
		return "", "", chainError()
	}
	a.making.Lock()
	defer a.making.Unlock()
	key := a.limitKey(id, e, st)
	if err := a.checkRate(key); err != nil {
		return "", "", err
	}
	o := origin{chain: chain, owner: st.owner, epoch: st.epoch}
	if o.owner == "" {
		o.first = key
	}
	token, newID, err = a.make(ctx, e.grant(), o)
	if err != nil {
		return "", "", err
	}
	if err := a.Revoke(ctx, id); err != nil {
		return "", "", errors.Join(err, a.Revoke(context.WithoutCancel(ctx), newID))
	}
	return token, newID, nil
}

// Revoke ends a token and all tokens that were made with it, effective for the next call. [Service.Descendants] counts
// these.
//
// The error is [ErrNotFound], also if the token was revoked before, [ErrUnavailable] or that of ctx. After
// ErrUnavailable the token may be revoked or not, or other servers may not know it yet. Revoke can be called again, on
// any server over the store: after ErrNotFound, the revocation is effective on all of them.
func (a *Service) Revoke(ctx context.Context, id string) error {
	revoked := false
	err := a.change(ctx, id, func(e *entry) bool {
		if revoked = e.Revoked.IsZero(); !revoked {
			return a.mustRepeat(e)
		}
		e.Format, e.Revoked = format2, a.now().UTC()
		return true
	})
	if err == nil && !revoked {
		err = ErrNotFound
	}
	return err
}

// mustRepeat reports whether the record of a revoked token is to be written again, unchanged, before a caller learns
// that the token is revoked: the server that revoked it may have failed before it could announce the change to others.
func (a *Service) mustRepeat(e *entry) bool { return a.shared && !e.Revoked.IsZero() && !e.unreadable }

// notFound returns ErrNotFound for a token that is not valid. If the token was revoked, other servers then know it;
// otherwise the error is [ErrUnavailable] or that of ctx.
func (a *Service) notFound(ctx context.Context, id string) error {
	err := a.tokens.update(ctx, id, func(old *entry) (*entry, bool, error) {
		if old == nil || !a.mustRepeat(old) {
			return nil, false, ErrNotFound
		}
		return old, true, nil
	})
	if err == nil {
		err = ErrNotFound
	}
	return err
}

// RevokeUnlessLast revokes a token as [Service.Revoke] does, unless no valid administrator's token would remain. If the
// last two are revoked at the same time, one call succeeds; but another server over the same store may revoke the
// other at that moment.
//
// The error is [ErrLastAdministrator], or one of Revoke.
func (a *Service) RevokeUnlessLast(ctx context.Context, id string) error {
	a.making.Lock()
	defer a.making.Unlock()
	if err := a.catchUp(ctx); err != nil {
		return err
	}
	if a.lastAdministrator(id) {
		return ErrLastAdministrator
	}
	return a.Revoke(ctx, id)
}

// RevokeTitle revokes all tokens that are for the title with a UID alone, and deletes the title's epoch. It is for
// titles that were deleted. The error is [ErrUnavailable] or that of ctx.
func (a *Service) RevokeTitle(ctx context.Context, uid string) error {
	if err := a.catchUp(ctx); err != nil {
		return err
	}
	var errs []error
	for id, e := range a.tokens.tagged(tag{ofTitle, uid}) {
		if (e.Revoked.IsZero() || a.mustRepeat(e)) && len(e.Titles) == 1 {
			if err := a.Revoke(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
				errs = append(errs, err)
			}
		}
	}
	owner := ownerOfTitle(uid)
	if _, rev := a.epochs.get(owner); rev != "" && len(errs) == 0 {
		errs = append(errs, a.epochs.remove(ctx, owner, rev))
	}
	return errors.Join(errs...)
}

// revokeReplaced revokes a token of format 1 that another one replaces. It also ends the tokens of format 1 that were
// made with it if it was already revoked in format 1; see entry.endsAlone. It is not an error if the token is gone.
func (a *Service) revokeReplaced(ctx context.Context, id string) error {
	err := a.change(ctx, id, func(e *entry) bool {
		if e.Format == format2 && !e.Revoked.IsZero() {
			return a.mustRepeat(e)
		}
		if e.Format = format2; e.Revoked.IsZero() {
			e.Revoked = a.now().UTC()
		}
		return true
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// change changes a token's record. f changes a copy and reports whether to write it. The error is [ErrNotFound],
// [ErrUnavailable] or that of ctx.
func (a *Service) change(ctx context.Context, id string, f func(*entry) bool) error {
	if _, err := a.find(ctx, id); err != nil {
		return err
	}
	return a.tokens.update(ctx, id, func(old *entry) (*entry, bool, error) {
		if old == nil {
			return nil, false, ErrNotFound
		}
		e := *old
		return &e, f(&e), nil
	})
}
