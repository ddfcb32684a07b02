// Package auth says who somebody is and what they may do: it makes, checks,
// rotates and revokes tokens, and keeps the server's secret. It knows no HTTP.
//
// # Tokens
//
// A token is pst_ and 59 capital letters and digits: 260 random bits, of which
// the first 60 are its public id, and a checksum by which a typing error, or a
// secret scanner, knows it without asking. It is shown once, when it is made;
// the store has its SHA-256 only, and it is compared in constant time. A token
// is opaque: what it may do stands in the store, so that it can be revoked, and
// a revocation holds for the very next call.
//
// # Chains and epochs
//
// A token can make others, which never grant more than it does. Each carries the
// chain of tokens that it was made with, and is good only while every one of them
// is: revoking a token ends all that was made with it, at any depth, in one write.
//
// The tokens of an owner, which is a title or a contributor, carry the owner's epoch
// besides. A token that is mailed to an owner who lost theirs ([Service.Recover]) is
// of a later epoch; its first use raises the owner's epoch to it, which ends all
// earlier tokens in one write, also those that are made meanwhile. Until then they
// stay good, so that a stranger who asks for a new token locks out no owner. Tokens
// that an administrator or editor made have no owner, and live on.
//
// # The claim
//
// A server that has no administrator's token can be claimed, once, by who knows
// the claim code that its operator is shown ([Service.ClaimCode]). The reference
// server makes a token at its first start instead ([Service.LoadAdminToken]).
//
// # The server's secret
//
// A [Secret] is what keys for other purposes are derived from. It lives in a
// file of its own, outside the store: who has a copy of the store has nothing.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/store"
)

var (
	// ErrUnauthorized is a token that opens nothing: it is none, unknown,
	// expired or revoked.
	ErrUnauthorized = errors.New("the token is unknown, expired or revoked")
	// ErrNotFound is a token id that names no token.
	ErrNotFound = errors.New("token not found")
	// ErrRevoked is a token that cannot be used again.
	ErrRevoked = errors.New("the token was revoked")
	// ErrClaimed is the claim of a server that cannot be claimed, or with a
	// wrong code.
	ErrClaimed = errors.New("the server cannot be claimed with this code")
	// ErrDenied is returned when a principal is known but lacks the permission for what it asks for, or when a token is
	// to grant more than the one that it is made with.
	ErrDenied = errors.New("permission denied")
	// ErrTooMany is returned when as many tokens as allowed were made with a
	// title's or a contributor's token, see [MaxMade], or lately, see [MaxMadePerHour].
	ErrTooMany = errors.New("too many tokens were made with this one: end some of them first")
	// ErrUnavailable is a failure of the store.
	ErrUnavailable = errors.New("the store of tokens is unavailable")
	// ErrLastAdministrator is the end of the last administrator's token.
	ErrLastAdministrator = errors.New("it is the last administrator's token")
	// ErrGrant is a grant that makes no sense.
	ErrGrant = errors.New("invalid grant")
)

// A Kind is the kind of a token.
type Kind string

const (
	// Administrator may do everything.
	Administrator Kind = "administrator"
	// Editor may create titles, and change every title, and administers nothing.
	Editor Kind = "editor"
	// Contributor may create titles under its contributor's name, and change
	// those.
	Contributor Kind = "contributor"
	// TitleToken may change the titles it names, and make none.
	TitleToken Kind = "title"
)

const (
	// MaxLifetime is the longest that a token with an end may live.
	MaxLifetime = 365 * 24 * time.Hour
	// MaxNameLength is the most bytes of a token's name.
	MaxNameLength = 100
	// MaxMade is how many live tokens may be made with one token of a title or
	// contributor, counting those that are made with these. Servers that share a
	// store count what they know of, so the limit is approximate across them.
	MaxMade = 50
	// MaxChain is how many tokens may have made each other in a row.
	MaxChain = 16

	// maxReferenceLength is the most bytes of a title's UID or a contributor's id.
	maxReferenceLength = 255
)

// A Grant is what a token is to be good for.
type Grant struct {
	Kind Kind
	// Name is shown in lists of tokens: at most MaxNameLength bytes, without
	// control and format characters. It may be empty.
	Name string
	// Titles are the UIDs of the titles that a TitleToken may change.
	Titles []string
	// Contributor is the id of a Contributor's contributor.
	Contributor string
	// Expires is when the token ends, at most MaxLifetime from now; the zero
	// time: never.
	Expires time.Time
}

// A Principal is who a request comes from, and what they may do. The zero
// Principal may do nothing.
type Principal struct {
	// TokenID is the public id of the token, for logs.
	TokenID string
	Grant

	issued bool // by a Service: the token was in its store
}

// MayCreate reports whether p may create titles: an administrator or editor any,
// a contributor their own.
func (p Principal) MayCreate() bool {
	return p.Kind == Administrator || p.Kind == Editor || p.Kind == Contributor && p.Contributor != ""
}

// MayChange reports whether p may change, or delete, the title with this UID that
// belongs to this contributor (empty: to none).
func (p Principal) MayChange(uid, contributor string) bool {
	switch p.Kind {
	case Administrator, Editor:
		return true
	case Contributor:
		return contributor != "" && p.Contributor == contributor
	case TitleToken:
		return uid != "" && slices.Contains(p.Titles, uid)
	}
	return false
}

// MayAdminister reports whether p may do what concerns the server as a whole.
func (p Principal) MayAdminister() bool { return p.Kind == Administrator }

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// A Service makes and checks tokens. Make one with [Open]. It is safe for
// concurrent use. Of tokens that another Service over the same store makes or
// revokes it learns when it is opened, and while [Service.Follow] runs.
type Service struct {
	store  store.Store
	now    func() time.Time
	tokens table[*known]
	epochs table[epoch]

	making sync.Mutex // held while tokens are counted and one is made

	accepted, refused atomic.Uint64 // tokens that were checked

	claiming sync.Mutex // held while the server is claimed
	code     string     // the claim code
}

// Open reads the tokens of a store. ctx bounds the reading.
func Open(ctx context.Context, s store.Store, opts *Options) (*Service, error) {
	if s == nil {
		return nil, errors.New("auth: Open needs a store for the tokens")
	}
	a := &Service{
		store:  s,
		now:    time.Now,
		tokens: table[*known]{store: s, kind: tokenKind, decode: decodeToken},
		epochs: table[epoch]{store: s, kind: epochKind, decode: decodeEpoch},
		code:   rand.Text(),
	}
	if opts != nil && opts.Now != nil {
		a.now = opts.Now
	}
	if err := errors.Join(a.tokens.load(ctx), a.epochs.load(ctx)); err != nil {
		return nil, fmt.Errorf("auth: read the tokens: %w", err)
	}
	return a, nil
}

// Authenticate says who a token belongs to. It takes as long for a wrong token as
// for a right one, and asks no storage, but for the first use of a token of
// [Service.Recover]: it returns when the earlier tokens of the owner have ended.
//
// The error is [ErrUnauthorized]; or [ErrUnavailable] or that of ctx when the earlier
// tokens could not be ended.
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

// Checks returns how many tokens [Service.Authenticate] has accepted and refused since
// the Service was opened.
func (a *Service) Checks() (accepted, refused uint64) { return a.accepted.Load(), a.refused.Load() }

func (a *Service) authenticate(ctx context.Context, token string) (Principal, error) {
	id, ok := tokenID(token)
	if !ok {
		return Principal{}, ErrUnauthorized
	}
	k, _ := a.tokens.get(id)
	now := a.now()
	hash := hashOf(token)
	expected := hash
	live := false
	var place standing
	if k != nil {
		expected = k.hash
		place, live = a.judge(now).live(k)
	}
	same := subtle.ConstantTimeCompare(hash[:], expected[:]) == 1
	if k == nil || !same || !live {
		return Principal{}, ErrUnauthorized
	}
	if len(k.Replaces) > 0 {
		if err := a.takeOver(ctx, id, place.owner, k.Replaces); err != nil {
			return Principal{}, err
		}
		if k, _ = a.tokens.get(id); k == nil {
			return Principal{}, ErrUnauthorized
		}
		if place, live = a.judge(now).live(k); !live {
			return Principal{}, ErrUnauthorized
		}
	}
	if place.early {
		if err := a.raise(ctx, place.owner, place.epoch); err != nil {
			return Principal{}, err
		}
	}
	k.used.Store(now.Unix())
	return Principal{issued: true, TokenID: id, Grant: Grant{
		Kind:        k.Kind,
		Titles:      slices.Clone(k.Titles),
		Contributor: k.Contributor,
		Expires:     k.Expires,
	}}, nil
}

// hashOf returns the hash of what has the form of a token.
func hashOf(token string) [sha256.Size]byte {
	var buf [tokenLength]byte
	return sha256.Sum256(buf[:copy(buf[:], token)])
}
