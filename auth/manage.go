package auth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Info is what may be shown of a token.
type Info struct {
	ID          string
	Kind        Kind
	Name        string   // empty: none
	Chain       []string // the tokens that it was made with, the root first
	Titles      []string // UIDs
	Contributor string
	Created     time.Time
	Expires     time.Time // the zero time: never
	Used        time.Time // the zero time: never yet
	// Recovery reports whether the token was made by [Service.Recover] and was never used: it is good, and will end
	// its owner's other tokens. One of these may be in the wrong hands, so their holders must not end it.
	Recovery bool
}

// List returns the tokens that are good for something, the newest first.
func (a *Service) List() []Info {
	var all []Info
	j := a.census()
	for id, r := range a.tokens.all() {
		if i, live := j.info(id, r.value); live {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(x, y Info) int { return cmp.Or(y.Created.Compare(x.Created), cmp.Compare(x.ID, y.ID)) })
	return all
}

// Info returns what may be shown of a token, and false if there is no such token that is good for something.
func (a *Service) Info(id string) (Info, bool) {
	k, _ := a.tokens.get(id)
	if k == nil {
		return Info{}, false
	}
	return a.judge(a.now()).info(id, k)
}

// info returns what may be shown of a token, and whether it is live.
func (j *judge) info(id string, k *known) (Info, bool) {
	s, live := j.live(k)
	if !live {
		return Info{}, false
	}
	i := Info{
		ID:          id,
		Kind:        k.Kind,
		Name:        k.Name,
		Chain:       slices.Clone(s.chain(k)),
		Titles:      slices.Clone(k.Titles),
		Contributor: k.Contributor,
		Created:     k.Created,
		Expires:     k.Expires,
		Recovery:    s.early,
	}
	if used := k.used.Load(); used != 0 {
		i.Used = time.Unix(used, 0).UTC()
	}
	return i, true
}

// Flush writes down when tokens were last used. Authenticate only remembers it:
// call Flush now and then, and at the end.
func (a *Service) Flush(ctx context.Context) error {
	var errs []error
	for id, r := range a.tokens.all() {
		k := r.value
		if used := k.used.Load(); used == 0 || !k.Used.IsZero() && used <= k.Used.Unix() || !k.Revoked.IsZero() {
			continue
		}
		err := a.change(ctx, id, func(k *known) bool {
			k.Used = time.Unix(k.used.Load(), 0).UTC()
			return k.Revoked.IsZero()
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Purge deletes the records of tokens that ended before a time, by themselves or with one that they were made with,
// and of those that an owner's epoch ended. Those of administrators' tokens that were revoked stay: one may still stand
// in a file. The error is [ErrUnavailable] or that of ctx.
func (a *Service) Purge(ctx context.Context, before time.Time) error {
	j := a.census()
	tokens := a.tokens.all()
	// Of a maker whose record is not there, a token of format 1 is independent: it goes first.
	needed := map[string]bool{}
	for _, r := range tokens {
		needed[r.value.CreatedBy] = true
	}
	for id, r := range tokens {
		k := r.value
		if needed[id] || !j.outdated(k, before) {
			continue
		}
		if err := a.tokens.remove(ctx, id, r.rev); err != nil {
			return err
		}
	}
	return nil
}

// outdated reports whether a token ended before a time, and its record is of no use.
func (j *judge) outdated(k *known, before time.Time) bool {
	if !k.Expires.IsZero() && k.Expires.Before(before) {
		return true
	}
	if k.Kind == Administrator {
		return false
	}
	s, _ := j.live(k)
	return !k.Revoked.IsZero() && k.Revoked.Before(before) || s.ended && s.at.Before(before)
}

// Follow learns of tokens that other servers over the same store make and revoke,
// until ctx ends. Over a store that cannot tell (see store.Watcher) it returns at
// once. The error is nil, or of the store; Follow can be called again.
func (a *Service) Follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	epochs := make(chan error, 1)
	go func() {
		defer cancel()
		epochs <- a.epochs.follow(ctx)
	}()
	err := a.tokens.follow(ctx)
	cancel()
	if err = cmp.Or(err, <-epochs); err != nil {
		return fmt.Errorf("auth: follow the tokens: %w", err)
	}
	return nil
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
