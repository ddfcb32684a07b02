package services

import (
	"context"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

// Jobs returns s as a service of package httpapi. It returns nil if s is nil.
func Jobs(s *jobs.Service) httpapi.Jobs {
	if s == nil {
		return nil
	}
	return backgroundJobs{s}
}

type backgroundJobs struct{ service *jobs.Service }

func (b backgroundJobs) Start(ctx context.Context, kind string, work httpapi.JobWork, release func()) (
	wire.Job, error,
) {
	j, err := b.service.Start(ctx, kind, jobs.Work(work), release)
	return wireJob(j), jobError(err)
}

func (b backgroundJobs) Job(ctx context.Context, id string) (wire.Job, error) {
	j, err := b.service.Job(ctx, id)
	return wireJob(j), jobError(err)
}

func (b backgroundJobs) List(ctx context.Context) ([]wire.Job, error) {
	all, err := b.service.List(ctx)
	if err != nil {
		return nil, jobError(err)
	}
	list := make([]wire.Job, 0, len(all))
	for _, j := range all {
		list = append(list, wireJob(j))
	}
	return list, nil
}

func wireJob(j jobs.Job) wire.Job {
	return wire.Job{
		ID:     j.ID,
		Kind:   j.Kind,
		State:  j.State,
		Begun:  wire.Time(j.Begun),
		Ended:  wire.Time(j.Ended),
		Total:  j.Total,
		Done:   j.Done,
		Status: j.Status,
		Result: j.Result,
	}
}

// jobError returns an error of package jobs as one of package httpapi. Any other error is one of the store, which is
// unavailable.
func jobError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jobs.ErrNotFound), errors.Is(err, jobs.ErrBusy):
		return translate(err)
	case errors.Is(err, jobs.ErrClosed):
		return fmt.Errorf("%w: %w", err, context.Canceled)
	}
	return fmt.Errorf("%w: %w", catalog.ErrUnavailable, err)
}
