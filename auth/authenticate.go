package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"

	"github.com/patchsource/patchsource/store"
)

// Authenticate returns the principal that a token belongs to. It takes as long for a wrong token as for a valid one.
//
// It decides from memory, except in three cases. At the first use of a token of [Service.Recover] it ends the earlier
// tokens of the owner before it returns; over a store with several servers, it makes sure of that at the first use of
// any token of a later epoch. If other servers may use the store, it looks up tokens that it does not know,
// and reads a token again if memory was not known to be complete within the last five seconds; see the package comment.
// It waits for the store for at most three seconds.
//
// The error is [ErrUnauthorized]; or [ErrUnavailable] or that of ctx if the store did not answer.
func (a *Service) Authenticate(ctx context.Context, token string) (Principal, error) {
	p, err := a.authenticate(ctx, token)
	switch {
	case err == nil:
		a.accepted.Add(1)
	case errors.Is(err, ErrUnauthorized):
		a.refused.Add(1)
	}
	return p, err
}

// Checks returns how many tokens [Service.Authenticate] has accepted and refused since the Service was opened.
func (a *Service) Checks() (accepted, refused uint64) { return a.accepted.Load(), a.refused.Load() }

func (a *Service) authenticate(ctx context.Context, token string) (Principal, error) {
	id, ok := tokenID(token)
	if !ok {
		return Principal{}, ErrUnauthorized
	}
	return a.principal(ctx, id, hashOf(token))
}

// Principal returns the principal of the token with a public id, as [Service.Authenticate] does for the token itself.
// It is for sessions that were begun with the token and must end with it.
//
// The error is [ErrUnauthorized]; or [ErrUnavailable] or that of ctx if the store did not answer.
func (a *Service) Principal(ctx context.Context, tokenID string) (Principal, error) {
	if store.Key.Check(store.Key{Kind: tokenKind, ID: tokenID}) != nil {
		return Principal{}, ErrUnauthorized // the store would refuse to look it up
	}
	e, _ := a.tokens.get(tokenID)
	if e == nil && a.shared { // another server may have made the token
		if err := a.ask(ctx, tokenID, false); err != nil {
			return Principal{}, err
		}
		e, _ = a.tokens.get(tokenID)
	}
	if e == nil {
		return Principal{}, ErrUnauthorized
	}
	return a.principal(ctx, tokenID, e.hash)
}

// principal returns the principal of the token with a public id and a hash.
func (a *Service) principal(ctx context.Context, id string, hash [sha256.Size]byte) (Principal, error) {
	e, st, valid := a.check(id, hash)
	if a.mustAsk(hash, e, valid) {
		if err := a.ask(ctx, id, valid); err != nil {
			return Principal{}, err
		}
		e, st, valid = a.check(id, hash)
	}
	if !valid {
		return Principal{}, ErrUnauthorized
	}
	if len(e.Replaces) > 0 {
		if err := a.takeOver(ctx, id, st.owner, e.Replaces); err != nil {
			return Principal{}, err
		}
		if e, st, valid = a.check(id, hash); !valid {
			return Principal{}, ErrUnauthorized
		}
	}
	// The server that has raised the epoch may not have announced it, so that others still accept the earlier tokens.
	if st.pending || a.shared && st.epoch > 0 && e.used.Load() == 0 {
		if err := a.beginEpoch(ctx, e, st); err != nil {
			return Principal{}, err
		}
	}
	e.used.Store(a.now().Unix())
	return Principal{issued: true, TokenID: id, Grant: Grant{
		Kind:        e.Kind,
		Name:        e.Name,
		Titles:      slices.Clone(e.Titles),
		Contributor: e.Contributor,
		Expires:     e.Expires,
	}}, nil
}

// check returns the token with an id, or nil if memory has none, and reports whether it is valid and has the hash.
func (a *Service) check(id string, hash [sha256.Size]byte) (e *entry, st status, valid bool) {
	e, _ = a.tokens.get(id)
	expected := hash
	if e != nil {
		expected = e.hash
		st, valid = a.evaluator(a.now()).evaluate(e)
	}
	same := subtle.ConstantTimeCompare(hash[:], expected[:]) == 1
	return e, st, e != nil && same && valid
}

// mustAsk reports whether memory is not enough to decide about a token.
func (a *Service) mustAsk(hash [sha256.Size]byte, e *entry, valid bool) bool {
	if valid {
		return !a.fresh(e)
	}
	return a.behind(hash, e)
}

// ask brings memory up to date for a token, which is valid according to memory or is not. The error is
// [ErrUnauthorized] if it is not, and too many others were looked up, [ErrUnavailable] or that of ctx.
func (a *Service) ask(ctx context.Context, id string, valid bool) error {
	if !valid && !a.misses.Allow() {
		return ErrUnauthorized
	}
	return a.prove(ctx, id)
}

// behind reports whether a token that is not valid may be one that another server has just made: memory lacks it, or
// one of its makers.
func (a *Service) behind(hash [sha256.Size]byte, e *entry) bool {
	if !a.shared || e == nil {
		return a.shared
	}
	return e.hash == hash && slices.ContainsFunc(e.Chain, func(maker string) bool {
		m, _ := a.tokens.get(maker)
		return m == nil
	})
}

// hashOf returns the hash of a string that has the form of a token. It does not allocate memory.
func hashOf(token string) [sha256.Size]byte {
	var buf [tokenLength]byte
	return sha256.Sum256(buf[:copy(buf[:], token)])
}
