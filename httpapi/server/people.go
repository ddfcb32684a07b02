package server

import (
	"errors"
	"net/http"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
)

// anyOf returns an Authenticator that asks first, unless it is nil, and then second.
func anyOf(first, second httpapi.Authenticator) httpapi.Authenticator {
	if first == nil {
		return second
	}
	return either{first, second}
}

type either [2]httpapi.Authenticator

// Authenticate implements httpapi.Authenticator.
func (e either) Authenticate(r *http.Request) (auth.Principal, error) {
	p, err := e[0].Authenticate(r)
	if !errors.Is(err, auth.ErrUnauthorized) {
		return p, err
	}
	if p, err := e[1].Authenticate(r); err == nil {
		return p, nil
	}
	return auth.Principal{}, err
}
