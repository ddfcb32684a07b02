package auth

import (
	"context"
	"crypto/subtle"
)

// ClaimCode returns the code with which the server can be claimed, for its operator alone. It is empty if there is an
// administrator's token. It changes with each start.
func (a *Service) ClaimCode() string {
	if a.hasAdministrator() {
		return ""
	}
	return a.code
}

// Claim makes the first administrator's token for a caller that knows the claim code. If several callers claim the
// server at the same time, one succeeds.
//
// The error is [ErrClaimed], [ErrUnavailable] or that of ctx.
func (a *Service) Claim(ctx context.Context, code string) (token string, err error) {
	a.claiming.Lock()
	defer a.claiming.Unlock()
	if subtle.ConstantTimeCompare([]byte(code), []byte(a.code)) != 1 || a.hasAdministrator() {
		return "", ErrClaimed
	}
	token, _, err = a.Issue(ctx, Grant{Kind: Administrator})
	return token, err
}
