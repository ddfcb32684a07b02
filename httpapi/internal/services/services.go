// Package services adapts the services of this module to the interfaces that package httpapi declares, and their errors
// to its errors.
package services

import (
	"errors"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// kinds are the errors of the services and those of package httpapi in their place.
var kinds = []struct{ from, to error }{
	{patchsync.ErrUpstream, httpapi.ErrUpstream},
	{patchsync.ErrNotFollowed, httpapi.ErrNotFollowed},
	{community.ErrMail, httpapi.ErrMail},
	{community.ErrNameTaken, httpapi.ErrConflict},
	{community.ErrIDTaken, httpapi.ErrConflict},
	{community.ErrTooMany, auth.ErrDenied},
	{community.ErrCode, auth.ErrDenied},
	{webhook.ErrNotFound, httpapi.ErrNoWebhook},
}

// translate returns an error of a service as one of package httpapi, with the same text.
func translate(err error) error {
	if err == nil {
		return nil
	}
	var limited *community.LimitedError
	if errors.As(err, &limited) {
		return &httpapi.LimitedError{After: limited.After, Err: err}
	}
	var invalid *webhook.InvalidError
	if errors.As(err, &invalid) {
		return failure("/"+invalid.Field, invalid.Message)
	}
	t := &translated{error: err}
	for _, k := range kinds {
		if errors.Is(err, k.from) {
			t.as = append(t.as, k.to)
		}
	}
	if t.as == nil {
		return err
	}
	return t
}

// A translated error is an error that errors.Is also takes for others.
type translated struct {
	error
	as []error
}

func (t *translated) Unwrap() []error { return append([]error{t.error}, t.as...) }

// failure returns an error about one value in the body of a request.
func failure(path, message string) error {
	return &patch.ValidationError{Failures: []patch.Failure{{Path: path, Message: message}}}
}
