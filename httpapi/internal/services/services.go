// Package services adapts the services of this module to the interfaces that package httpapi declares, and their errors
// to its errors.
package services

import (
	"errors"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/patch"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// kinds are the errors of the services and those of package httpapi in their place.
var kinds = []struct{ from, to error }{
	{patchsync.ErrUpstream, httpapi.ErrUpstream},
	{patchsync.ErrNotFollowed, httpapi.ErrNotFollowed},
	{patchsync.ErrNotWatched, httpapi.ErrNotWatched},
	{patchsync.ErrNoProposal, httpapi.ErrNoProposal},
	{patchsync.ErrWatchReadOnly, httpapi.ErrWatchReadOnly},
	{community.ErrMail, httpapi.ErrMail},
	{community.ErrNameTaken, httpapi.ErrConflict},
	{community.ErrIDTaken, httpapi.ErrConflict},
	{community.ErrTooMany, auth.ErrDenied},
	{community.ErrCode, auth.ErrDenied},
	{webhook.ErrNotFound, httpapi.ErrNoWebhook},
	{webhook.ErrNoDelivery, httpapi.ErrNoDelivery},
	{webhook.ErrFull, auth.ErrDenied},
	{jobs.ErrNotFound, httpapi.ErrNoJob},
	{jobs.ErrBusy, httpapi.ErrTooManyJobs},
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
	if failures := invalidMembers(err); failures != nil {
		return &patch.ValidationError{Failures: failures}
	}
	t := &translated{error: err}
	var feed *patchsync.FeedError
	if errors.As(err, &feed) {
		t.as = append(t.as, httpapi.ErrFeed)
	}
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

// invalidMembers returns a failure for each invalid member of a webhook that an error is about.
func invalidMembers(err error) (all []patch.Failure) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			all = append(all, invalidMembers(err)...)
		}
		return all
	}
	var invalid *webhook.InvalidError
	if errors.As(err, &invalid) {
		all = append(all, patch.Failure{Path: "/" + invalid.Field, Message: invalid.Message})
	}
	return all
}

// A translated error is an error that errors.Is also takes for others.
type translated struct {
	error
	as []error
}

func (t *translated) Unwrap() []error { return append([]error{t.error}, t.as...) }
