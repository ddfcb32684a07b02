package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Issue makes a token. It is returned this once; id is its public name.
//
// The error is [ErrGrant], [ErrUnavailable] or that of ctx.
func (a *Service) Issue(ctx context.Context, g Grant) (token, id string, err error) {
	return a.issue(ctx, g, "")
}

// IssueFor makes a token with somebody's own, which it cannot exceed: an
// administrator grants anything, a contributor their own titles, the holder of a
// title's token the titles that it names; nobody beyond their own token's end.
// The UIDs of titles that belong to a contributor are checked by mayChange.
//
// The error is [ErrForbidden], [ErrGrant], [ErrUnavailable] or that of ctx.
func (a *Service) IssueFor(ctx context.Context, maker Principal, g Grant, mayChange func(uid string) bool) (token, id string, err error) {
	if !maker.Expires.IsZero() && (g.Expires.IsZero() || g.Expires.After(maker.Expires)) {
		g.Expires = maker.Expires
	}
	allowed := false
	switch {
	case maker.Kind == Administrator:
		allowed = true
	case g.Kind == Contributor:
		allowed = maker.Kind == Contributor && g.Contributor == maker.Contributor
	case g.Kind == TitleToken:
		allowed = len(g.Titles) > 0 && !slices.ContainsFunc(g.Titles, func(uid string) bool { return !mayChange(uid) })
	}
	if !allowed || len(g.Replaces) > 0 && maker.Kind != Administrator {
		return "", "", ErrForbidden
	}
	return a.issue(ctx, g, maker.TokenID)
}

func (a *Service) issue(ctx context.Context, g Grant, maker string) (token, id string, err error) {
	now := a.now()
	switch {
	case g.Kind != Administrator && g.Kind != Contributor && g.Kind != TitleToken:
		err = fmt.Errorf("%w: there are no tokens of kind %q", ErrGrant, g.Kind)
	case (g.Kind == TitleToken) != (len(g.Titles) > 0):
		err = fmt.Errorf("%w: a title's token names titles, and no other does", ErrGrant)
	case (g.Kind == Contributor) != (g.Contributor != ""):
		err = fmt.Errorf("%w: a contributor's token names the contributor, and no other does", ErrGrant)
	case !g.Expires.IsZero() && (!g.Expires.After(now) || g.Expires.After(now.Add(MaxLifetime))):
		err = fmt.Errorf("%w: a token ends within %d days from now, or never", ErrGrant, MaxLifetime/(24*time.Hour))
	}
	if err != nil {
		return "", "", err
	}
	token = newToken()
	id, _ = tokenID(token)
	if err := a.add(ctx, token, id, g, maker); err != nil {
		return "", "", err
	}
	return token, id, nil
}

// Rotate makes a token that is good for what another one is, and ends that one.
//
// The error is [ErrNotFound], or that of the store; then the old one is still
// good.
func (a *Service) Rotate(ctx context.Context, id string) (token, newID string, err error) {
	k := a.known(id)
	if k == nil || !k.live(a.now()) {
		return "", "", ErrNotFound
	}
	token, newID, err = a.issue(ctx, Grant{Kind: k.Kind, Titles: k.Titles, Contributor: k.Contributor, Expires: k.Expires}, id)
	if err != nil {
		return "", "", err
	}
	if err := a.Revoke(ctx, id); err != nil {
		return "", "", errors.Join(err, a.Revoke(ctx, newID))
	}
	return token, newID, nil
}

// Adopt makes an administrator's token of one that was made elsewhere, such as
// one that an operator put into a file. It does nothing if it is one already.
//
// The error is [ErrUnauthorized] if token has not the form of one, [ErrRevoked],
// [ErrUnavailable] or that of ctx.
func (a *Service) Adopt(ctx context.Context, token string) error {
	id, ok := tokenID(token)
	if !ok {
		return fmt.Errorf("%w: it has not the form of a token that this server makes (pst_ and 59 letters and digits); one cannot be made up", ErrUnauthorized)
	}
	k := a.known(id)
	switch {
	case k == nil:
		return a.add(ctx, token, id, Grant{Kind: Administrator}, "")
	case !k.Revoked.IsZero():
		return ErrRevoked
	}
	if p, err := a.Authenticate(ctx, token); err != nil || p.Kind != Administrator {
		return fmt.Errorf("%w: it is not an administrator's", ErrUnauthorized)
	}
	return nil
}

func (a *Service) add(ctx context.Context, token, id string, g Grant, maker string) error {
	hash := hashOf(token)
	k := &known{hash: hash, used: new(atomic.Int64), record: record{Format: recordFormat, Kind: g.Kind, Hash: hex.EncodeToString(hash[:]), Titles: slices.Clone(g.Titles),
		Contributor: g.Contributor, Created: a.now().UTC(), CreatedBy: maker, Expires: g.Expires, Replaces: slices.Clone(g.Replaces)}}
	return a.put(ctx, id, k, store.IfAbsent())
}

// Revoke ends a token, for the very next call.
//
// The error is [ErrNotFound], also when it was revoked before, [ErrUnavailable]
// or that of ctx; then it may be revoked or not, and Revoke can be called again.
func (a *Service) Revoke(ctx context.Context, id string) error {
	revoked := false
	err := a.update(ctx, id, func(k *known) bool {
		revoked = k.Revoked.IsZero()
		k.Revoked = a.now().UTC()
		return revoked
	})
	if err == nil && !revoked {
		err = ErrNotFound
	}
	return err
}

// RevokeAll ends every token that is for the title with this UID alone; it is for
// titles that are gone.
func (a *Service) RevokeAll(ctx context.Context, uid string) error {
	var ids []string
	a.mu.RLock()
	for id, k := range a.tokens {
		if k.Revoked.IsZero() && len(k.Titles) == 1 && k.Titles[0] == uid {
			ids = append(ids, id)
		}
	}
	a.mu.RUnlock()
	var errs []error
	for _, id := range ids {
		if err := a.Revoke(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// update changes a token's record: f changes a copy, and reports whether it is to
// be written. The error is ErrNotFound, [ErrUnavailable] or that of ctx.
func (a *Service) update(ctx context.Context, id string, f func(*known) bool) error {
	for range mostTries {
		old := a.known(id)
		if old == nil {
			return ErrNotFound
		}
		k := *old
		if !f(&k) {
			return nil
		}
		// If another was faster, memory knows by now what they have made of it.
		if err := a.put(ctx, id, &k, store.IfRevision(old.rev)); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("auth: token %s is changed by others too fast", id)
}

const (
	// mostTries is how often a change is tried against others.
	mostTries = 5
	// writeTimeout bounds a write that has begun.
	writeTimeout = 30 * time.Second
)

// put writes a token's record. Afterwards memory has what the store has, also
// when the write failed, or its outcome is not known.
func (a *Service) put(ctx context.Context, id string, k *known, cond store.Condition) error {
	value, err := json.Marshal(k.record)
	if err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	// A write that has begun is brought to its end, whoever goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	key := store.Key{Kind: kind, ID: id}
	if k.rev, err = a.store.Put(ctx, key, value, cond); err != nil {
		if !errors.Is(err, store.ErrConflict) {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		err = fmt.Errorf("auth: token %s: %w", id, err)
		r, getErr := a.store.Get(ctx, key)
		if getErr != nil {
			return errors.Join(err, getErr)
		}
		if k, getErr = decode(r); getErr != nil {
			return errors.Join(err, getErr)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[id] = k
	return err
}
