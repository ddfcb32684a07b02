package services

import (
	"context"
	"iter"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

// Sync returns r as a service of package httpapi. It returns nil if r is nil.
func Sync(r *patchsync.Runner) httpapi.Sync {
	if r == nil {
		return nil
	}
	return follower{r}
}

type follower struct{ runner *patchsync.Runner }

func (f follower) State(t catalog.Title, detailed bool) (wire.SyncState, bool) {
	s, ok := f.runner.State(t)
	if !detailed {
		s.LastError = s.Outcome()
	}
	return state(s), ok
}

func (f follower) Sources() iter.Seq[wire.Source] {
	return func(yield func(wire.Source) bool) {
		for s := range f.runner.States() {
			source := wire.Source{SyncState: state(s), Titles: s.Titles, Refused: s.Refused}
			if s.Mirror != "" {
				source.Mirror = &s.Mirror
			} else {
				source.Title, source.Titles = &s.Title, 1
			}
			if !yield(source) {
				return
			}
		}
	}
}

func state(s patchsync.State) wire.SyncState {
	return wire.SyncState{
		URL:         s.Source,
		LastAttempt: wire.Time(s.LastAttempt),
		LastSuccess: wire.Time(s.LastSuccess),
		LastChange:  wire.Time(s.LastChange),
		NextAttempt: wire.Time(s.NextAttempt),
		Failures:    s.Failures,
		LastError:   wire.String(s.LastError),
		Status:      s.Status,
		Signer:      s.Signer,
	}
}

func (f follower) Trigger(id string) error { return translate(f.runner.Trigger(id)) }

func (f follower) TriggerMirror(name string) error { return translate(f.runner.TriggerMirror(name)) }

func (f follower) Fetch(ctx context.Context, url string) (*patch.Definition, error) {
	def, err := f.runner.Fetcher().Definition(ctx, url)
	return def, translate(err)
}
