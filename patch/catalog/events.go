package catalog

import (
	"time"

	"github.com/patchsource/patchsource/patch"
)

// An EventKind says what happened to a title.
type EventKind string

const (
	Created EventKind = "created"
	Updated EventKind = "updated"
	Deleted EventKind = "deleted"
)

// An Event is a change of a title that is durable.
type Event struct {
	Kind EventKind
	// Title is the title after the change; with Deleted, as it last was.
	Title Title
	// Before and After are the definition before and after the change, nil
	// where there is none. They are shared and must not be changed.
	Before, After *patch.Definition
	// At is the time of the change.
	At time.Time
}

// Difference returns what changed, for Updated; it is worked out when it is asked
// for.
func (e Event) Difference() patch.Difference {
	if e.Before == nil || e.After == nil {
		return nil
	}
	return patch.Diff(e.Before, e.After)
}

// Subscribe has f called with every change made through c from now on, until
// cancel is called. The changes of one title come in order. f is called by who
// makes the change, who waits for it, and other writers of the title with them:
// it must be quick, and must neither change titles nor ask for their definitions,
// which may wait for this very change; [Catalog.Title] is fine. f may be called by many
// goroutines at once. Changes made by other servers over the same store are not
// told.
func (c *Catalog) Subscribe(f func(Event)) (cancel func()) {
	c.subscribing.Lock()
	defer c.subscribing.Unlock()
	c.subscribers[&f] = true
	return func() {
		c.subscribing.Lock()
		defer c.subscribing.Unlock()
		delete(c.subscribers, &f)
	}
}

// tell publishes an event about the definition's JSON before and after the change,
// nil where there is none. Who calls it has the title's lock.
func (c *Catalog) tell(e Event, before, after []byte) {
	c.subscribing.Lock()
	var subscribers []func(Event)
	for f := range c.subscribers {
		subscribers = append(subscribers, *f)
	}
	c.subscribing.Unlock()
	if len(subscribers) == 0 {
		return
	}
	// What subscribers get is theirs: the caller goes on using its definition.
	e.Before, e.After = c.parseFor(e, before), c.parseFor(e, after)
	for _, f := range subscribers {
		f(e)
	}
}

// parseFor parses a definition for an event; nil stays nil.
func (c *Catalog) parseFor(e Event, definition []byte) *patch.Definition {
	if definition == nil {
		return nil
	}
	d, err := parseStored(definition)
	if err != nil {
		c.log.Error("a changed title's definition cannot be read and is not told", "title", e.Title.ID, "error", err)
	}
	return d
}
