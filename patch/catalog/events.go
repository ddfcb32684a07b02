package catalog

import (
	"log/slog"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// An EventKind is the kind of a change of a title.
type EventKind string

const (
	Created EventKind = "created"
	Updated EventKind = "updated"
	Deleted EventKind = "deleted"
)

// An Event describes a change of a title after it was written.
type Event struct {
	Kind EventKind
	// Title is the title after the change; with Deleted, it is the title before the change.
	Title Title
	// Before and After are the definition before and after the change. Before is nil with Created, After with Deleted.
	// They belong to the receiver of the event.
	Before, After *patch.Definition
	// At is the time of the change.
	At time.Time
}

// Difference returns the difference between Before and After, with Updated. Otherwise it is empty. Each call computes
// it.
func (e Event) Difference() patch.Difference {
	if e.Before == nil || e.After == nil {
		return nil
	}
	return patch.Diff(e.Before, e.After)
}

// A subscriptions holds the functions that are called with events.
type subscriptions struct {
	log   *slog.Logger
	mu    sync.Mutex
	funcs map[*func(Event)]bool
}

func newSubscriptions(log *slog.Logger) *subscriptions {
	return &subscriptions{log: log, funcs: map[*func(Event)]bool{}}
}

// add adds a function until remove is called.
func (s *subscriptions) add(f func(Event)) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.funcs[&f] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.funcs, &f)
	}
}

// publish calls the functions with an event, and the definitions of the records before and after the change, nil where
// there is none. t is the title that changed: its events are published in order.
func (s *subscriptions) publish(_ *lockedTitle, e Event, before, after *record) {
	s.mu.Lock()
	var funcs []func(Event)
	for f := range s.funcs {
		funcs = append(funcs, *f)
	}
	s.mu.Unlock()
	if len(funcs) == 0 {
		return
	}
	// The caller goes on using its definitions, so subscribers get definitions of their own.
	e.Before, e.After = s.definition(e, before), s.definition(e, after)
	callAll(funcs, e)
}

// callAll calls functions with an event, each with definitions of its own. If one panics, it calls the others first.
func callAll(funcs []func(Event), e Event) {
	if len(funcs) > 1 {
		own := e
		own.Before, own.After = e.Before.Clone(), e.After.Clone()
		defer callAll(funcs[1:], own)
	}
	funcs[0](e)
}

// definition returns a copy of a record's definition for an event. The result is nil if there is none.
func (s *subscriptions) definition(e Event, rec *record) *patch.Definition {
	if rec == nil {
		return nil
	}
	d, err := rec.parse()
	if err != nil {
		s.log.Error("the definition of a changed title cannot be read and is left out of an event",
			"title", e.Title.ID, "error", err)
	}
	return d.Clone()
}
