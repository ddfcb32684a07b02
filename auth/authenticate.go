package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"slices"
)

// Authenticate returns the principal that a token belongs to. It takes as long for a wrong token as for a valid one. It
// does not access the store, except at the first use of a token of [Service.Recover], when it ends the earlier tokens
// of the owner before it returns.
//
// The error is [ErrUnauthorized]; or [ErrUnavailable] or that of ctx if the earlier tokens could not be ended.
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
	e, _ := a.tokens.get(id)
	now := a.now()
	hash := hashOf(token)
	expected := hash
	valid := false
	var st status
	if e != nil {
		expected = e.hash
		st, valid = a.evaluator(now).evaluate(e)
	}
	same := subtle.ConstantTimeCompare(hash[:], expected[:]) == 1
	if e == nil || !same || !valid {
		return Principal{}, ErrUnauthorized
	}
	if len(e.Replaces) > 0 {
		if err := a.takeOver(ctx, id, st.owner, e.Replaces); err != nil {
			return Principal{}, err
		}
		if e, _ = a.tokens.get(id); e == nil {
			return Principal{}, ErrUnauthorized
		}
		if st, valid = a.evaluator(now).evaluate(e); !valid {
			return Principal{}, ErrUnauthorized
		}
	}
	if st.pending {
		if err := a.raiseEpoch(ctx, st.owner, st.epoch); err != nil {
			return Principal{}, err
		}
	}
	e.used.Store(now.Unix())
	return Principal{issued: true, TokenID: id, Grant: Grant{
		Kind:        e.Kind,
		Titles:      slices.Clone(e.Titles),
		Contributor: e.Contributor,
		Expires:     e.Expires,
	}}, nil
}

// hashOf returns the hash of a string that has the form of a token. It does not allocate memory.
func hashOf(token string) [sha256.Size]byte {
	var buf [tokenLength]byte
	return sha256.Sum256(buf[:copy(buf[:], token)])
}
