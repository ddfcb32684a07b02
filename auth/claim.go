package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/store"
)

// claimKey is the record of the last claim, by which one of several servers over a store is claimed.
var claimKey = store.Key{Kind: "config", ID: "claim"}

const claimFormat = 1

// claimTimeout is how long the claim of another server must have stayed without a token, as seen by this server, until
// it counts as abandoned. No clocks are compared.
const claimTimeout = 10 * time.Second

// A claim is the record of a claim.
type claim struct {
	Format int `json:"format"`
	// Code is the SHA-256 of the claim code, in hexadecimal.
	Code string `json:"code"`
	// Token is the id of the token that was made for the claim. It is empty until it was made.
	Token string `json:"token,omitempty"`
}

// A rival is the claim of another server that this server has seen without a token.
type rival struct {
	rev   store.Revision
	since time.Time // with the reading of the monotonic clock
}

// ClaimCode returns the code with which the server can be claimed, for its operator alone. It is empty if there is an
// administrator's token. It changes with each start, and each server over a store has another one.
func (a *Service) ClaimCode() string {
	if a.hasAdministrator() {
		return ""
	}
	return a.code
}

// Claim makes the first administrator's token for a caller that knows the claim code. If several callers claim the
// server at the same time, or several servers over the same store, one succeeds. After a server has stopped in the
// middle of a claim, another server can be claimed ten seconds after the first attempt.
//
// The error is [ErrClaimed], [ErrUnavailable] or that of ctx.
func (a *Service) Claim(ctx context.Context, code string) (token string, err error) {
	a.claiming.Lock()
	defer a.claiming.Unlock()
	if subtle.ConstantTimeCompare([]byte(code), []byte(a.code)) != 1 || a.hasAdministrator() {
		return "", ErrClaimed
	}
	rev, err := a.beginClaim(ctx)
	if err != nil {
		return "", err
	}
	// Claims follow each other, so that the token of an earlier one is in the store by now.
	if err := a.catchUp(ctx); err != nil {
		return "", err
	}
	if a.hasAdministrator() {
		return "", ErrClaimed
	}
	token, id, err := a.Issue(ctx, Grant{Kind: Administrator})
	if err != nil {
		return "", err
	}
	if _, err := a.putClaim(ctx, id, store.IfRevision(rev)); err != nil {
		return "", errors.Join(err, a.Revoke(context.WithoutCancel(ctx), id)) // another server took the claim over
	}
	return token, nil
}

// beginClaim writes the record of a claim, unless another server is being claimed, and returns its revision. The error
// is [ErrClaimed], [ErrUnavailable] or that of ctx.
func (a *Service) beginClaim(ctx context.Context) (store.Revision, error) {
	r, err := a.store.Get(ctx, claimKey)
	if errors.Is(err, store.ErrNotFound) {
		return a.putClaim(ctx, "", store.IfAbsent())
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrUnavailable, claimKey, err)
	}
	var c claim
	if err := json.Unmarshal(r.Value, &c); err != nil {
		return "", &decodeError{claimKey, err}
	}
	if c.Format != claimFormat {
		return "", &decodeError{claimKey, store.NewerFormat(claimKey, c.Format, claimFormat)}
	}
	if a.shared && c.Token == "" && c.Code != hashOfClaim(a.code) && !a.abandoned(r.Revision) {
		return "", fmt.Errorf("%w: another server over the same store is being claimed: try again in %v",
			ErrClaimed, claimTimeout)
	}
	return a.putClaim(ctx, "", store.IfRevision(r.Revision))
}

// abandoned reports whether the claim of another server has stayed at a revision for claimTimeout.
func (a *Service) abandoned(rev store.Revision) bool {
	if a.rival.rev != rev {
		a.rival = rival{rev, time.Now()}
	}
	return time.Since(a.rival.since) >= claimTimeout
}

// putClaim writes the record of a claim with this server's code. The error is [ErrClaimed] if cond does not hold,
// [ErrUnavailable] or that of ctx.
func (a *Service) putClaim(ctx context.Context, token string, cond store.Condition) (rev store.Revision, err error) {
	value, err := json.Marshal(claim{Format: claimFormat, Code: hashOfClaim(a.code), Token: token})
	if err != nil {
		return "", err
	}
	err = store.Finish(ctx, func(ctx context.Context) error {
		rev, err = a.store.Put(ctx, claimKey, value, cond)
		return err
	})
	switch {
	case errors.Is(err, store.ErrConflict):
		return "", ErrClaimed
	case err != nil:
		return "", fmt.Errorf("%w: %s: %w", ErrUnavailable, claimKey, err)
	}
	return rev, nil
}

// hashOfClaim returns the hash of a claim code, in hexadecimal.
func hashOfClaim(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}
