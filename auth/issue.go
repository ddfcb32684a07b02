package auth

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/patchsource/patchsource/store"
)

// An origin is where a token comes from.
type origin struct {
	chain []string // the tokens that it is made with, the root first
	owner string
	epoch uint64
	first string // the token that it counts for, if it takes the place of one without an owner
}

// Issue makes a token. It is returned this once; id is its public name. The token of one title or of a contributor
// belongs to that owner, see [Service.Recover].
//
// The error is [ErrGrant], [ErrUnavailable] or that of ctx.
func (a *Service) Issue(ctx context.Context, g Grant) (token, id string, err error) {
	if err := a.check(g); err != nil {
		return "", "", err
	}
	return a.makeFirst(ctx, g)
}

// makeFirst makes a token without another one. The grant was checked.
func (a *Service) makeFirst(ctx context.Context, g Grant) (token, id string, err error) {
	o := origin{owner: ownerOf(g)}
	if o.owner != "" {
		e, err := a.epochNow(ctx, o.owner)
		if err != nil {
			return "", "", err
		}
		o.epoch = e.Current
	}
	return a.make(ctx, g, o)
}

// IssueFor makes a token with another one, the maker's, which it cannot exceed, and with which it ends: an
// administrator grants anything, an editor an editor's token or any titles, a contributor their own token or titles,
// the holder of a title's token the titles that it names; none of them beyond the end of their own token. mayChange
// reports whether the maker may change the title with a UID; for administrators and editors it is not called.
//
// A maker of another authentication, whose TokenID is no token of the Service, makes tokens that are in no chain.
//
// The error is [ErrDenied], [ErrTooMany], [ErrGrant], [ErrUnauthorized] if the maker's token has ended meanwhile,
// [ErrUnavailable] or that of ctx.
func (a *Service) IssueFor(ctx context.Context, maker Principal, g Grant, mayChange func(uid string) bool) (
	token, id string, err error,
) {
	if !maker.Expires.IsZero() && (g.Expires.IsZero() || g.Expires.After(maker.Expires)) {
		g.Expires = maker.Expires
	}
	if !mayGrant(maker, g, mayChange) {
		return "", "", fmt.Errorf("%w: a token cannot grant more than the one it is made with", ErrDenied)
	}
	if err := a.check(g); err != nil {
		return "", "", err
	}
	k, _ := a.tokens.get(maker.TokenID)
	if k == nil && maker.issued {
		return "", "", ErrUnauthorized // it ended so long ago that its record is gone
	}
	if k == nil {
		return a.makeFirst(ctx, g)
	}
	s, live := a.judge(a.now()).live(k)
	if !live {
		return "", "", ErrUnauthorized
	}
	chain := append(slices.Clone(s.chain(k)), maker.TokenID)
	if len(chain) > MaxChain {
		return "", "", fmt.Errorf("%w: at most %d tokens make each other in a row: make it with an earlier one of them",
			ErrGrant, MaxChain)
	}
	// One at a time, so that the limits hold for this server; several servers may exceed them by what they make at once.
	a.making.Lock()
	defer a.making.Unlock()
	if root := a.rootOf(chain); root != "" && a.Below(root) >= MaxMade {
		return "", "", fmt.Errorf("%w: %d are live", ErrTooMany, MaxMade)
	}
	if err := a.notTooFast(a.countsFor(maker.TokenID, k, s)); err != nil {
		return "", "", err
	}
	return a.make(ctx, g, origin{chain: chain, owner: s.owner, epoch: s.epoch})
}

// MaxMadePerHour is how many tokens are made or exchanged in an hour with the tokens of one owner: each leaves a
// record, also when it has ended. Tokens without an owner count for the token of a title or contributor that their
// chain begins with after those of administrators and editors.
const MaxMadePerHour = 100

// A tooFastError is an [ErrTooMany] that waiting helps against, and ending tokens does not.
type tooFastError struct{ made int }

func (e tooFastError) Error() string {
	return fmt.Sprintf("too many tokens, %d, were made within an hour: try again later", e.made)
}

// Is makes a tooFastError an ErrTooMany.
func (e tooFastError) Is(target error) bool { return target == ErrTooMany }

// notTooFast returns an [ErrTooMany] if too many tokens that count for a name, which is one of countsFor, were made
// lately. Tokens that count for nobody are not limited.
func (a *Service) notTooFast(name string) error {
	if name == "" {
		return nil
	}
	j := a.census()
	since := j.now.Add(-time.Hour)
	recent := map[string]*known{}
	a.tokens.each(func(id string, k *known) {
		if k.Created.After(since) {
			recent[id] = k
		}
	})
	n := 0
	for id, k := range recent {
		if a.countsFor(id, k, j.standing(k, 0)) == name {
			n++
		}
	}
	if n >= MaxMadePerHour {
		return tooFastError{n}
	}
	return nil
}

// countsFor returns for whom a token counts: its owner, or the first of its makers, or itself, that is a title's or a
// contributor's, or the one in whose place that was made. So what an administrator makes for a title counts against
// nobody but who was given it. The tokens of administrators and editors count for nobody: empty.
func (a *Service) countsFor(id string, k *known, s standing) string {
	if s.owner != "" {
		return s.owner
	}
	for _, maker := range s.chain(k) {
		if m, _ := a.tokens.get(maker); m != nil && m.ofAuthor() {
			return cmp.Or(m.First, maker)
		}
	}
	if !k.ofAuthor() {
		return ""
	}
	return cmp.Or(k.First, id)
}

// mayGrant reports whether a maker may grant g.
func mayGrant(maker Principal, g Grant, mayChange func(uid string) bool) bool {
	switch {
	case maker.Kind == Administrator:
		return true
	case maker.Kind == Editor && (g.Kind == Editor || g.Kind == TitleToken):
		return true
	case g.Kind == Contributor:
		return maker.Kind == Contributor && g.Contributor == maker.Contributor
	case g.Kind == TitleToken:
		return len(g.Titles) > 0 && !slices.ContainsFunc(g.Titles, func(uid string) bool { return !mayChange(uid) })
	}
	return false
}

// rootOf returns the first token of a title or contributor in a chain; empty: there is none.
func (a *Service) rootOf(chain []string) string {
	for _, id := range chain {
		if k, _ := a.tokens.get(id); k != nil && k.ofAuthor() {
			return id
		}
	}
	return ""
}

// check returns an [ErrGrant] if g makes no sense.
func (a *Service) check(g Grant) error {
	now := a.now()
	unusable := func(s string) bool {
		return s == "" || len(s) > maxReferenceLength || !utf8.ValidString(s) || strings.Contains(s, "\x00")
	}
	switch {
	case !slices.Contains([]Kind{Administrator, Editor, Contributor, TitleToken}, g.Kind):
		return fmt.Errorf("%w: there are no tokens of kind %q", ErrGrant, g.Kind)
	case len(g.Name) > MaxNameLength || !utf8.ValidString(g.Name) || strings.ContainsFunc(g.Name, invisible):
		return fmt.Errorf("%w: a token's name has at most %d bytes of UTF-8, and no control or format characters",
			ErrGrant, MaxNameLength)
	case (g.Kind == TitleToken) != (len(g.Titles) > 0):
		return fmt.Errorf("%w: a title's token names titles, and no other does", ErrGrant)
	case (g.Kind == Contributor) != (g.Contributor != ""):
		return fmt.Errorf("%w: a contributor's token names the contributor, and no other does", ErrGrant)
	case g.Kind == Contributor && unusable(g.Contributor), slices.ContainsFunc(g.Titles, unusable):
		return fmt.Errorf("%w: the id of a title or contributor has 1 to %d bytes of UTF-8",
			ErrGrant, maxReferenceLength)
	case !g.Expires.IsZero() && (!g.Expires.After(now) || g.Expires.After(now.Add(MaxLifetime))):
		return fmt.Errorf("%w: a token ends within %d days from now, or never", ErrGrant, MaxLifetime/(24*time.Hour))
	}
	return nil
}

// invisible reports whether a character is not to be in a name: control, format, and line or paragraph separator.
func invisible(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// make makes a token. The grant was checked.
func (a *Service) make(ctx context.Context, g Grant, o origin) (token, id string, err error) {
	token = newToken()
	id, _ = tokenID(token)
	if err := a.add(ctx, token, id, g, o); err != nil {
		return "", "", err
	}
	return token, id, nil
}

func (a *Service) add(ctx context.Context, token, id string, g Grant, o origin) error {
	hash := hashOf(token)
	k := &known{hash: hash, used: new(atomic.Int64), record: record{
		Format:      format2,
		Kind:        g.Kind,
		Name:        g.Name,
		Hash:        hex.EncodeToString(hash[:]),
		Titles:      slices.Clone(g.Titles),
		Contributor: g.Contributor,
		Created:     a.now().UTC(),
		Chain:       o.chain,
		Owner:       o.owner,
		Epoch:       o.epoch,
		First:       o.first,
		Expires:     g.Expires,
	}}
	return a.tokens.put(ctx, id, k, store.IfAbsent())
}

// Rotate makes a token that takes the place of another one, and ends that one, with all that was made with it.
//
// The error is [ErrNotFound], [ErrTooMany], [ErrGrant] if its chain of makers is too long, [ErrUnavailable] or that of
// ctx; after ErrUnavailable the old token may still be good.
func (a *Service) Rotate(ctx context.Context, id string) (token, newID string, err error) {
	k, _ := a.tokens.get(id)
	if k == nil {
		return "", "", ErrNotFound
	}
	s, live := a.judge(a.now()).live(k)
	if !live {
		return "", "", ErrNotFound
	}
	chain := s.chain(k)
	if len(chain) > MaxChain {
		return "", "", fmt.Errorf("%w: too many tokens made each other in a row: make it with an earlier one of them",
			ErrGrant)
	}
	a.making.Lock()
	defer a.making.Unlock()
	name := a.countsFor(id, k, s)
	if err := a.notTooFast(name); err != nil {
		return "", "", err
	}
	o := origin{chain: chain, owner: s.owner, epoch: s.epoch}
	if o.owner == "" {
		o.first = name
	}
	token, newID, err = a.make(ctx, k.grant(), o)
	if err != nil {
		return "", "", err
	}
	if err := a.Revoke(ctx, id); err != nil {
		return "", "", errors.Join(err, a.Revoke(context.WithoutCancel(ctx), newID))
	}
	return token, newID, nil
}

// Revoke ends a token, and with it all that were made with it, for the very next call. [Service.Below] counts these.
//
// The error is [ErrNotFound], also when it was revoked before, [ErrUnavailable]
// or that of ctx; then it may be revoked or not, and Revoke can be called again.
func (a *Service) Revoke(ctx context.Context, id string) error {
	revoked := false
	err := a.change(ctx, id, func(k *known) bool {
		revoked = k.Revoked.IsZero()
		k.Format, k.Revoked = format2, a.now().UTC()
		return revoked
	})
	if err == nil && !revoked {
		err = ErrNotFound
	}
	return err
}

// end ends a token as Revoke does, and also what was made in format 1 with one that was revoked in format 1. A token
// that is not there is no error.
func (a *Service) end(ctx context.Context, id string) error {
	err := a.change(ctx, id, func(k *known) bool {
		if k.Format == format2 && !k.Revoked.IsZero() {
			return false
		}
		if k.Format = format2; k.Revoked.IsZero() {
			k.Revoked = a.now().UTC()
		}
		return true
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// RevokeAll ends every token that is for the title with this UID alone, and forgets the title's epoch; it is for
// titles that are gone.
func (a *Service) RevokeAll(ctx context.Context, uid string) error {
	var errs []error
	for id, r := range a.tokens.all() {
		if k := r.value; k.Revoked.IsZero() && len(k.Titles) == 1 && k.Titles[0] == uid {
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

// change changes a token's record: f changes a copy, and reports whether it is to
// be written. The error is ErrNotFound, [ErrUnavailable] or that of ctx.
func (a *Service) change(ctx context.Context, id string, f func(*known) bool) error {
	return a.tokens.update(ctx, id, func(old *known) (*known, bool, error) {
		if old == nil {
			return nil, false, ErrNotFound
		}
		k := *old
		return &k, f(&k), nil
	})
}
