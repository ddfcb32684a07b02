package auth

import (
	"context"
	"errors"
	"fmt"
)

// An AdminToken is the result of [Service.LoadAdminToken].
type AdminToken struct {
	// Created reports whether a token was generated and written to the file.
	Created bool
	// Replaced says why the file's previous token is no longer used; it is [ErrRevoked]. It is nil if there was none or
	// if it is still used.
	Replaced error
	// Unwritten says why no other token could be written in place of the previous one, so that the file contains no
	// valid token. It is nil if the file contains one.
	Unwritten error
}

// LoadAdminToken makes the token in a file an administrator's. If the file does not exist, LoadAdminToken generates a
// token and writes it, readable by the owner of the file alone; the tokens in the store remain valid. If the file's
// token has ended, or if it was used before and its record is gone, another one is generated and written in its place.
// If that is impossible, such as in a read-only directory, the result says so.
//
// The error is [ErrUnauthorized] if the file does not contain a token, or one that is not an administrator's, that of
// the file, [ErrUnavailable] or that of ctx.
func (a *Service) LoadAdminToken(ctx context.Context, path string) (result AdminToken, err error) {
	// The file is written first: a token that only the store has would be lost.
	token, created, err := loadFile(path, newToken)
	if err != nil {
		return AdminToken{}, err
	}
	result.Created = created
	err = a.Adopt(ctx, token)
	if errors.Is(err, ErrRevoked) {
		result = AdminToken{Created: true, Replaced: err}
		token = newToken()
		if err := writeFile(path, token+"\n"); err != nil {
			return AdminToken{Replaced: result.Replaced, Unwritten: err}, nil
		}
		err = a.Adopt(ctx, token)
	}
	switch {
	case errors.Is(err, ErrUnauthorized):
		return AdminToken{}, fmt.Errorf("auth: the token in %s cannot be used: %w: replace it, or remove the file, "+
			"so that a new token is generated", path, err)
	case err != nil:
		return AdminToken{}, fmt.Errorf("auth: the token in %s: %w", path, err)
	}
	return result, nil
}
