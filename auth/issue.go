package auth

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/patchsource/patchsource/store"
)

// An origin says how a token is made.
type origin struct {
	chain []string // the tokens that it is made with, the root first
	owner string
	epoch uint64
	first string // see record.First
}

// Issue makes a token and returns it and its public id. The token cannot be read again. A token for one title or one
// contributor belongs to that owner; see [Service.Recover].
//
// The error is [ErrGrant], [ErrUnavailable] or that of ctx.
func (a *Service) Issue(ctx context.Context, g Grant) (token, id string, err error) {
	if err := a.checkGrant(g); err != nil {
		return "", "", err
	}
	return a.makeRoot(ctx, g)
}

// makeRoot makes a token without a maker. The grant was checked.
func (a *Service) makeRoot(ctx context.Context, g Grant) (token, id string, err error) {
	o := origin{owner: ownerOf(g)}
	if o.owner != "" {
		e, err := a.storedEpoch(ctx, o.owner)
		if err != nil {
			return "", "", err
		}
		o.epoch = e.Current
	}
	return a.make(ctx, g, o)
}

// IssueFor makes a token with another one, the maker's. The token ends with the maker's and cannot exceed it:
//
//   - An administrator grants anything.
//   - An editor grants an editor's token, or one for any titles.
//   - A contributor grants their own kind, or a token for titles that they may change.
//   - Any other maker grants a token for titles that they may change.
//
// mayChange reports whether the maker may change the title with a UID. It is not called for administrators and editors.
// If the maker's token expires, so does the new one, at the same time at the latest.
//
// At most 50 valid tokens may be made with one token of a title or contributor, counting those that are made with
// these, and 100 within an hour; at most 16 tokens may make each other in a row. Servers that share a store count the
// tokens that they know of, so the limits are approximate across servers.
//
// A maker of another authentication, whose TokenID is not that of a token of the Service, makes tokens without a maker.
//
// The error is [ErrDenied], [ErrTooMany], [ErrGrant], [ErrUnauthorized] if the maker's token has ended in the meantime,
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
	if err := a.checkGrant(g); err != nil {
		return "", "", err
	}
	e, _ := a.tokens.get(maker.TokenID)
	if e == nil && maker.issued {
		return "", "", ErrUnauthorized // it ended so long ago that its record was purged
	}
	if e == nil {
		return a.makeRoot(ctx, g)
	}
	st, valid := a.evaluator(a.now()).evaluate(e)
	if !valid {
		return "", "", ErrUnauthorized
	}
	chain := append(slices.Clone(st.chain(e)), maker.TokenID)
	if len(chain) > maxChain {
		return "", "", chainError()
	}
	a.making.Lock()
	defer a.making.Unlock()
	if err := a.checkLimits(maker.TokenID, e, st, chain); err != nil {
		return "", "", err
	}
	return a.make(ctx, g, origin{chain: chain, owner: st.owner, epoch: st.epoch})
}

// chainError returns the [ErrGrant] for a chain that is too long.
func chainError() error {
	return fmt.Errorf("%w: at most %d tokens may make each other in a row: use an earlier one of them",
		ErrGrant, maxChain)
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

// checkGrant returns an [ErrGrant] if g is invalid.
func (a *Service) checkGrant(g Grant) error {
	now := a.now()
	unusable := func(s string) bool {
		return s == "" || len(s) > maxReferenceLength || !utf8.ValidString(s) || strings.Contains(s, "\x00")
	}
	switch {
	case !slices.Contains([]Kind{Administrator, Editor, Contributor, TitleToken}, g.Kind):
		return fmt.Errorf("%w: there are no tokens of kind %q", ErrGrant, g.Kind)
	case len(g.Name) > maxNameLength || !utf8.ValidString(g.Name) || strings.ContainsFunc(g.Name, invisible):
		return fmt.Errorf("%w: a token's name has at most %d bytes of UTF-8, and no control or format characters",
			ErrGrant, maxNameLength)
	case (g.Kind == TitleToken) != (len(g.Titles) > 0):
		return fmt.Errorf("%w: a title's token names titles, and no other token does", ErrGrant)
	case (g.Kind == Contributor) != (g.Contributor != ""):
		return fmt.Errorf("%w: a contributor's token names the contributor, and no other token does", ErrGrant)
	case g.Kind == Contributor && unusable(g.Contributor), slices.ContainsFunc(g.Titles, unusable):
		return fmt.Errorf("%w: the id of a title or contributor has 1 to %d bytes of UTF-8",
			ErrGrant, maxReferenceLength)
	case !g.Expires.IsZero() && (!g.Expires.After(now) || g.Expires.After(now.Add(MaxLifetime))):
		return fmt.Errorf("%w: a token expires within %d days from now, or never", ErrGrant, MaxLifetime/(24*time.Hour))
	}
	return nil
}

// invisible reports whether names must not contain a character: control, format, and line or paragraph separators.
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

// add writes the record of a token.
func (a *Service) add(ctx context.Context, token, id string, g Grant, o origin) error {
	hash := hashOf(token)
	e := &entry{hash: hash, used: new(atomic.Int64), proven: new(atomic.Int64), record: record{
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
	return a.tokens.put(ctx, id, e, store.IfAbsent())
}
