package auth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Info is what may be shown of a token.
type Info struct {
	ID          string
	Kind        Kind
	Titles      []string // UIDs
	Contributor string
	Created     time.Time
	Expires     time.Time // the zero time: never
	Used        time.Time // the zero time: never yet
}

// List returns the tokens that are good for something, the newest first.
func (a *Service) List() []Info {
	now := a.now()
	a.mu.RLock()
	defer a.mu.RUnlock()
	var all []Info
	for id, k := range a.tokens {
		if !k.live(now) {
			continue
		}
		i := Info{ID: id, Kind: k.Kind, Titles: slices.Clone(k.Titles), Contributor: k.Contributor, Created: k.Created, Expires: k.Expires}
		if used := k.used.Load(); used != 0 {
			i.Used = time.Unix(used, 0).UTC()
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(x, y Info) int { return cmp.Or(y.Created.Compare(x.Created), cmp.Compare(x.ID, y.ID)) })
	return all
}

// Flush writes down when tokens were last used. Authenticate only remembers it:
// call Flush now and then, and at the end.
func (a *Service) Flush(ctx context.Context) error {
	a.mu.RLock()
	var ids []string
	for id, k := range a.tokens {
		if used := k.used.Load(); used != 0 && (k.Used.IsZero() || used > k.Used.Unix()) && k.Revoked.IsZero() {
			ids = append(ids, id)
		}
	}
	a.mu.RUnlock()
	var errs []error
	for _, id := range ids {
		err := a.update(ctx, id, func(k *known) bool {
			k.Used = time.Unix(k.used.Load(), 0).UTC()
			return k.Revoked.IsZero()
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Purge deletes the records of tokens that ended before a time. Those of
// administrators' tokens that were revoked stay: one may still stand in a file.
// The error is [ErrUnavailable] or that of ctx.
func (a *Service) Purge(ctx context.Context, before time.Time) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.RLock()
	old := map[string]store.Revision{}
	for id, k := range a.tokens {
		expired := !k.Expires.IsZero() && k.Expires.Before(before)
		revoked := !k.Revoked.IsZero() && k.Revoked.Before(before)
		if (expired || revoked) && (k.Kind != Administrator || k.Revoked.IsZero()) {
			old[id] = k.rev
		}
	}
	a.mu.RUnlock()
	for id, rev := range old {
		err := a.store.Delete(ctx, store.Key{Kind: kind, ID: id}, store.IfRevision(rev))
		if errors.Is(err, store.ErrConflict) {
			continue // somebody else has changed it: the next time
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%w: token %s: %w", ErrUnavailable, id, err)
		}
		a.mu.Lock()
		delete(a.tokens, id)
		a.mu.Unlock()
	}
	return nil
}

// Follow learns of tokens that other servers over the same store make and revoke,
// until ctx ends. Over a store that cannot tell (see store.Watcher) it returns at
// once. The error is nil, or of the store; Follow can be called again.
func (a *Service) Follow(ctx context.Context) error {
	w, ok := store.As[store.Watcher](a.store)
	if !ok {
		return nil
	}
	for change, err := range w.Watch(ctx, kind) {
		if err == nil && change.Key == (store.Key{}) {
			err = a.learnAll(ctx)
		} else if err == nil {
			err = a.learn(ctx, change.Key)
		}
		if err != nil {
			return fmt.Errorf("auth: follow the tokens: %w", err)
		}
	}
	return nil
}

// learn brings memory to what the store has of one token.
func (a *Service) learn(ctx context.Context, key store.Key) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	r, err := a.store.Get(ctx, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		delete(a.tokens, key.ID)
		return nil
	}
	if old := a.tokens[key.ID]; old != nil && old.rev == r.Revision {
		return nil
	}
	k, err := decode(r)
	if err != nil {
		return err
	}
	a.tokens[key.ID] = k
	return nil
}

// learnAll brings memory to what the store has, after a gap.
func (a *Service) learnAll(ctx context.Context) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	tokens := map[string]*known{}
	for r, err := range a.store.List(ctx, kind) {
		if err != nil {
			return err
		}
		k, err := decode(r)
		if err != nil {
			return err
		}
		tokens[r.Key.ID] = k
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, k := range tokens {
		if old := a.tokens[id]; old != nil {
			k.used = old.used
		}
	}
	a.tokens = tokens
	return nil
}

// hasAdministrator reports whether there is an administrator's token.
func (a *Service) hasAdministrator() bool {
	now := a.now()
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, k := range a.tokens {
		if k.Kind == Administrator && k.live(now) {
			return true
		}
	}
	return false
}

// ClaimCode returns the code by which the server can be claimed, to be shown to
// its operator and nobody else; empty if it has an administrator. It is another
// one after each start.
func (a *Service) ClaimCode() string {
	if a.hasAdministrator() {
		return ""
	}
	return a.code
}

// Claim makes the first administrator's token for who knows the claim code. Of
// several who claim at once, one succeeds.
//
// The error is [ErrClaimed], or that of the store.
func (a *Service) Claim(ctx context.Context, code string) (token string, err error) {
	a.claiming.Lock()
	defer a.claiming.Unlock()
	if subtle.ConstantTimeCompare([]byte(code), []byte(a.code)) != 1 || a.hasAdministrator() {
		return "", ErrClaimed
	}
	token, _, err = a.Issue(ctx, Grant{Kind: Administrator})
	return token, err
}
