// Package auth authenticates callers by tokens and decides what they may do. It makes, checks, rotates and revokes
// tokens, and keeps the server's secret. It does not depend on HTTP.
//
// # Tokens
//
// A token is pst_ and 59 capital letters and digits: 260 random bits, of which the first 60 are its public id, and a
// checksum. With the checksum, a typing error is found without a lookup, and secret scanners recognize tokens. A token
// is shown once, when it is made; the store keeps only its SHA-256, and comparisons take constant time. A token is
// opaque: its record says what it grants, so it can be revoked, and a revocation is effective for the next call.
//
// # Chains and epochs
//
// A token can be used to make others, which never grant more than it does. Each token carries its chain: the ids of the
// tokens that it was made with, directly or indirectly. It is valid only while all of them are. Revoking a token
// therefore ends all its descendants, too, in one write.
//
// Tokens of a title's author or of a contributor have an owner, which is the title or the contributor, and carry the
// owner's epoch. [Service.Recover] makes a token of a later epoch, to be mailed to an author who has lost theirs. Its
// first use raises the owner's epoch, which ends all earlier tokens in one write, including those made in the meantime.
// Until then the earlier tokens remain valid, so that a client cannot lock out an owner by requesting a token for them.
// Tokens that an administrator or editor made have no owner and remain valid.
//
// # Several servers
//
// Servers over one store learn of each other's tokens by its watch while [Service.Follow] runs. A token that one server
// has made is accepted by all at once: an unknown token is looked up in the store, up to ten times a second. A token
// that one server has revoked is refused by the others as soon as the watch reports it. If the watch is cut off, this
// takes at most five seconds: without a proof from the watch that nothing was missed in that time,
// [Service.Authenticate] asks the store for the token, its makers and its owner's epoch, and returns [ErrUnavailable]
// if it gets no answer. The proofs are the heartbeats of a [store.HeartbeatWatcher]. Packages sqlstore and s3store have
// them, so that a token that is in use is not read again. Over a [store.Watcher] without them, or while Follow does not
// run, each token is read from the store every five seconds. Other stores have one server, and are not asked.
// If a revocation returned an error, or its server died before it returned, other servers may not learn of it while
// their watch is complete. It is effective on all of them once it was repeated, on any server, and returned nil or
// [ErrNotFound].
//
// # Authorization
//
// [Authorize] is the default policy: it decides by the [Kind] of a [Principal]. Embedders that have their own
// users write a function with the same signature that decides some cases and calls Authorize for the rest; see the
// examples of Authorize.
//
// # The claim
//
// A server without an administrator's token can be claimed, once, by a client that knows the claim code, which the
// operator is shown ([Service.ClaimCode]). Each of several servers over one store has a code of its own, and one of
// them can be claimed. The reference server makes a token at its first start instead ([Service.LoadAdminToken]).
//
// # The server's secret
//
// Keys for other purposes are derived from a [Secret]. It is kept outside the store, so that a copy of the store alone
// reveals nothing. All servers over one store need the same secret; [CheckSecret] finds one that has another.
package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/patchsource/patchsource/store"
)

// Errors that this package returns, as targets of errors.Is.
var (
	// ErrUnauthorized is returned for a token that is not valid, and for a principal that is anonymous or has expired.
	ErrUnauthorized = errors.New("the token is unknown, expired or revoked")
	// ErrDenied is returned when a principal is known but lacks the permission for the action, or when a new token
	// would grant more than the one that it is made with.
	ErrDenied = errors.New("permission denied")
	// ErrNotFound is returned for an id that is not that of a valid token.
	ErrNotFound = errors.New("token not found")
	// ErrRevoked is returned by [Service.Adopt] for a token that has ended.
	ErrRevoked = errors.New("the token was revoked")
	// ErrClaimed is returned when a server cannot be claimed, or not with this code.
	ErrClaimed = errors.New("the server cannot be claimed with this code")
	// ErrTooMany is returned when too many tokens were made with a title's or a contributor's token. The message says
	// whether to revoke some of them or to wait.
	ErrTooMany = errors.New("too many tokens were made with this one: revoke some of them first")
	// ErrUnavailable is returned when the store fails.
	ErrUnavailable = errors.New("the token store is unavailable")
	// ErrLastAdministrator is returned by [Service.RevokeUnlessLast] if no administrator's token would remain.
	ErrLastAdministrator = errors.New("it is the last administrator's token")
	// ErrGrant is returned for an invalid [Grant].
	ErrGrant = errors.New("invalid grant")
)

// A Kind is the kind of a token or principal. [Authorize] decides by it.
type Kind string

// The kinds of tokens and principals.
const (
	// Administrator may do everything.
	Administrator Kind = "administrator"
	// Editor may create titles and change every title, but may not administer the server.
	Editor Kind = "editor"
	// Contributor may create titles under its contributor's name and change those.
	Contributor Kind = "contributor"
	// TitleToken may change the titles it names and may not create any.
	TitleToken Kind = "title"
)

const (
	// MaxLifetime is the maximum lifetime of a token that expires.
	MaxLifetime = 365 * 24 * time.Hour

	// maxNameLength is the maximum length of a token's name in bytes.
	maxNameLength = 100
	// maxReferenceLength is the maximum length of a title's UID or a contributor's id in bytes.
	maxReferenceLength = 255
)

// A Grant describes what a token permits, and until when.
type Grant struct {
	Kind Kind
	// Name is shown in lists of tokens. It has at most 100 bytes, without control and format characters, and
	// may be empty.
	Name string
	// Titles are the UIDs of the titles that a TitleToken may change. Other kinds have none.
	Titles []string
	// Contributor is the id of the contributor of the kind Contributor. Other kinds have none.
	Contributor string
	// Expires is when the token expires, at most MaxLifetime from now. The zero time means never.
	Expires time.Time
}

// A Principal is the authenticated caller of a request. The zero Principal is an anonymous caller.
type Principal struct {
	// TokenID is the public id of the token, for the log and for the history of changes. It is empty if another
	// authentication than that of a Service identifies the caller: Name then takes its place in both.
	TokenID string
	Grant

	// issued reports whether a Service made the Principal from a token in its store.
	issued bool
}

// Options are the options of [Open]. A nil *Options means the zero value.
type Options struct {
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Logger receives the errors that [Service.Follow] retries. If nil, nothing is logged.
	Logger *slog.Logger
}

// A Service makes and checks tokens. Make one with [Open]. It is safe for concurrent use. It reads the tokens of the
// store when it is opened, and learns the changes of other servers while [Service.Follow] runs.
type Service struct {
	store  store.Store
	now    func() time.Time
	log    *slog.Logger
	opened time.Time // with the reading of the monotonic clock
	shared bool      // other servers may use the same store
	tokens *table[*entry]
	epochs *table[epoch]

	proving *locks        // of a token is held while it is read from the store
	misses  *rate.Limiter // of unknown tokens that are looked up in the store

	raising *locks // of an owner is held while a token is used for the first time

	making sync.Mutex // held while tokens are counted and one is made or revoked

	accepted, refused atomic.Uint64 // authentications

	claiming sync.Mutex // held while the server is claimed
	code     string     // the claim code
	rival    rival      // a claim at another server
}

// Open makes a Service and reads the tokens of a store. ctx bounds the reading.
func Open(ctx context.Context, s store.Store, opts *Options) (*Service, error) {
	if s == nil {
		return nil, errors.New("auth: Open needs a store")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Service{
		store:   s,
		now:     o.Now,
		log:     o.Logger,
		opened:  time.Now(),
		tokens:  newTable(s, tokenKind, decodeToken, unreadableToken, tagsOf),
		epochs:  newTable(s, epochKind, decodeEpoch, unreadableEpoch, nil),
		proving: newLocks(),
		raising: newLocks(),
		misses:  rate.NewLimiter(missesPerSecond, missesPerSecond),
		code:    rand.Text(),
	}
	_, a.shared = store.As[store.Watcher](s)
	if err := errors.Join(a.tokens.load(ctx), a.epochs.load(ctx)); err != nil {
		return nil, fmt.Errorf("auth: read the tokens: %w", err)
	}
	return a, nil
}
