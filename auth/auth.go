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
// A token can be made to take the place of others ([Grant]): those stay good
// until it is first used, so that who asks for a new one by mail, or pretends to
// have lost the old one, locks nobody out.
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
	"encoding/hex"
	"encoding/json"
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
	// ErrForbidden is a grant of more than its maker has.
	ErrForbidden = errors.New("a token cannot grant more than the one it is made with")
	// ErrUnavailable is a failure of the store.
	ErrUnavailable = errors.New("the store of tokens is unavailable")
	// ErrGrant is a grant that makes no sense.
	ErrGrant = errors.New("invalid grant")
)

// A Kind is the kind of a token.
type Kind string

const (
	// Administrator may do everything.
	Administrator Kind = "administrator"
	// Contributor may create titles under its contributor's name, and change
	// those.
	Contributor Kind = "contributor"
	// TitleToken may change the titles it names, and make none.
	TitleToken Kind = "title"
)

// MaxLifetime is the longest that a token with an end may live.
const MaxLifetime = 365 * 24 * time.Hour

// A Grant is what a token is to be good for.
type Grant struct {
	Kind Kind
	// Titles are the UIDs of the titles that a TitleToken may change.
	Titles []string
	// Contributor is the id of a Contributor's contributor.
	Contributor string
	// Expires is when the token ends, at most MaxLifetime from now; the zero
	// time: never.
	Expires time.Time
	// Replaces are the ids of tokens that are revoked when this one is first
	// used.
	Replaces []string
}

// A Principal is who a request comes from, and what they may do. The zero
// Principal may do nothing.
type Principal struct {
	// TokenID is the public id of the token, for logs.
	TokenID string
	Grant
}

// MayCreate reports whether p may create titles: an administrator any, a
// contributor their own.
func (p Principal) MayCreate() bool {
	return p.Kind == Administrator || p.Kind == Contributor && p.Contributor != ""
}

// MayChange reports whether p may change, or delete, the title with this UID that
// belongs to this contributor (empty: to none).
func (p Principal) MayChange(uid, contributor string) bool {
	switch p.Kind {
	case Administrator:
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

// kind is the kind of a token's record. Its id is the token's.
const kind = "tokens"

// A record is what the store has of a token.
type record struct {
	Format      int       `json:"format"`
	Kind        Kind      `json:"kind"`
	Hash        string    `json:"hash"`
	Titles      []string  `json:"titles,omitempty"`
	Contributor string    `json:"contributor,omitempty"`
	Created     time.Time `json:"created"`
	CreatedBy   string    `json:"created_by,omitempty"` // the id of its maker's
	Expires     time.Time `json:"expires,omitzero"`
	// Replaces are the tokens that end when this one is first used; then it is
	// empty.
	Replaces []string `json:"replaces,omitempty"`
	// Used is when the token was last used, as far as it was written down.
	Used time.Time `json:"used,omitzero"`
	// Revoked is when it was revoked. The record stays, so that a token that
	// stands in a file is not taken for a new one.
	Revoked time.Time `json:"revoked,omitzero"`
}

const recordFormat = 1

// known is a token in memory.
type known struct {
	record
	hash [sha256.Size]byte
	rev  store.Revision
	// used is when it was last used, in Unix seconds. It is shared by the
	// values that follow each other under one id.
	used *atomic.Int64
}

// Options are options of [Open]. Nil means the zero value.
type Options struct {
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// A Service makes and checks tokens. Make one with [Open]. It is safe for
// concurrent use. Of tokens that another Service over the same store makes or
// revokes it learns when it is opened, and while [Service.Follow] runs.
type Service struct {
	store store.Store
	now   func() time.Time

	writing sync.Mutex // held while a record is written, and until memory has it

	mu     sync.RWMutex
	tokens map[string]*known // by id; values never change

	accepted, refused atomic.Uint64 // tokens that were checked

	claiming sync.Mutex // held while the server is claimed
	code     string     // the claim code
}

// Open reads the tokens of a store. ctx bounds the reading.
func Open(ctx context.Context, s store.Store, opts *Options) (*Service, error) {
	a := &Service{store: s, now: time.Now, tokens: map[string]*known{}, code: rand.Text()}
	if opts != nil && opts.Now != nil {
		a.now = opts.Now
	}
	for r, err := range s.List(ctx, kind) {
		if err != nil {
			return nil, fmt.Errorf("auth: read the tokens: %w", err)
		}
		k, err := decode(r)
		if err != nil {
			return nil, fmt.Errorf("auth: token %s: %w", r.Key.ID, err)
		}
		a.tokens[r.Key.ID] = k
	}
	return a, nil
}

func decode(r store.Record) (*known, error) {
	k := &known{rev: r.Revision, used: new(atomic.Int64)}
	if err := json.Unmarshal(r.Value, &k.record); err != nil {
		return nil, err
	}
	if k.Format != recordFormat {
		return nil, fmt.Errorf("its record has format %d, and this version knows %d only: a newer one wrote it", k.Format, recordFormat)
	}
	hash, err := hex.DecodeString(k.Hash)
	if err != nil || len(hash) != sha256.Size {
		return nil, errors.New("its record has no hash")
	}
	k.hash = [sha256.Size]byte(hash)
	if !k.Used.IsZero() {
		k.used.Store(k.Used.Unix())
	}
	return k, nil
}

// live reports whether the token is good for anything.
func (k *known) live(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// Authenticate says who a token belongs to. It takes as long for a wrong token as
// for a right one, and asks no storage, but for the first use of a token that
// takes the place of others: those are revoked before it returns.
//
// The error is [ErrUnauthorized], or [ErrUnavailable] when the others could not be
// revoked.
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
	k := a.known(id)
	now := a.now()
	hash := hashOf(token)
	expected := hash
	if k != nil {
		expected = k.hash
	}
	same := subtle.ConstantTimeCompare(hash[:], expected[:]) == 1
	if k == nil || !same || !k.live(now) {
		return Principal{}, ErrUnauthorized
	}
	k.used.Store(now.Unix())
	if len(k.Replaces) > 0 {
		if err := a.takeOver(ctx, id); err != nil {
			return Principal{}, err
		}
	}
	return Principal{TokenID: id, Grant: Grant{Kind: k.Kind, Titles: slices.Clone(k.Titles), Contributor: k.Contributor, Expires: k.Expires}}, nil
}

// hashOf returns the hash of what has the form of a token.
func hashOf(token string) [sha256.Size]byte {
	var buf [tokenLength]byte
	return sha256.Sum256(buf[:copy(buf[:], token)])
}

// descendants returns tokens and all that were made with them, and with those:
// who has an old token may have made others with it.
func (a *Service) descendants(ids []string) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := slices.Clone(ids)
	for i := 0; i < len(all); i++ {
		for id, k := range a.tokens {
			if k.CreatedBy == all[i] && !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all
}

func (a *Service) known(id string) *known {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.tokens[id]
}

// takeOver revokes the tokens whose place a token takes. They go before the token
// forgets them: who is stopped in between does it again.
func (a *Service) takeOver(ctx context.Context, id string) error {
	for _, old := range a.descendants(a.known(id).Replaces) {
		if err := a.Revoke(ctx, old); err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("auth: end the tokens that %s takes the place of: %w", id, err)
		}
	}
	return a.update(ctx, id, func(k *known) bool {
		if len(k.Replaces) == 0 {
			return false
		}
		k.Replaces = nil
		return true
	})
}
