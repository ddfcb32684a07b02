package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Courier takes notices of changes over, for example into a queue of webhooks. A change carries its notice in the
// title's record until the courier has taken it: each notice is delivered at least once, in order for each title,
// even if the process is killed right after the change. [Catalog.Subscribe] costs less and guarantees less.
//
// A catalog may have several couriers. A notice that one of them wants is delivered to all of them, and is removed from
// the record when all of them have taken it. If a courier fails, the catalog delivers the notice to it again a second
// later. The other couriers still get their notices, which may be delayed by that second. After a restart, they may get
// the same notice again.
//
// If several servers share the store (it is a store.Watcher), one of them, the leader, which holds a lease, delivers
// the notices of the changes that all of them make: its couriers get them all, in order for each title, also those of a
// server that has died. Wants is called on the server that makes the change, and Take on the leader. When the leader
// dies, another takes over after Options.Lease. A server that was suspended may deliver notices for a moment after it
// wakes up, until it finds out that it has lost the lease: a notice may then be taken twice, also by two servers.
//
// The methods of a Courier are called concurrently.
type Courier interface {
	// Wants reports whether the courier wants a notice of a change of the title id, and whether the notice should
	// contain the definition. It is called before the change is written and must return quickly.
	Wants(id string, kind EventKind) (notice, definition bool)
	// Take takes a notice over. It should return soon, because couriers wait for each other. If it returns an error,
	// the catalog calls it again later. It may be called several times with a notice of the same ID. If there are
	// several couriers, it is also called with notices that only another courier wants: it should return nil for
	// these.
	Take(ctx context.Context, n Notice) error
}

// A Preparer is a [Courier] that keeps something in the store that other servers change too.
type Preparer interface {
	Courier
	// Prepare is called before notices are taken, if the store is shared: whatever other servers had written to the
	// store before they made the changes can then be read. elected says that another server may have taken notices
	// since the last call. If Prepare returns an error, it is called again a second later, and no notice is taken
	// before it succeeds.
	Prepare(ctx context.Context, elected bool) error
}

// A Notice describes a change of a title to a [Courier].
type Notice struct {
	// ID identifies the change.
	ID string `json:"id"`
	// Number is higher for later changes of a title, whichever server makes them. A later title with the same id may
	// begin at 1 again.
	Number uint64    `json:"-"`
	Kind   EventKind `json:"kind"`
	At     time.Time `json:"at"`
	// Title is the title's summary after the change; with Deleted, it is that before the change.
	Title patch.Summary `json:"title"`
	// Changes describe the differences in words; see [patch.Difference]. There are at most 101: the last one then says
	// how many more there were.
	Changes []string `json:"changes,omitempty"`
	// Definition is the definition after the change; with Deleted, it is that before the change. It is empty if no
	// courier wanted it or if it has more than 64 KiB: a courier can then read it from the catalog.
	Definition json.RawMessage `json:"definition,omitempty"`
}

const (
	// maxNoticeChanges bounds the changes that a notice describes.
	maxNoticeChanges = 100
	// maxNoticeDefinition bounds the bytes of the definition in a notice. A record carries the notices of its changes
	// until they are taken, and must stay small.
	maxNoticeDefinition = 64 << 10
)

// couriers make the notices of changes, and deliver them.
type couriers struct {
	all []Courier
	log *slog.Logger

	mu sync.Mutex
	// taken is, by title key, the ID of the last notice that each courier has taken, for titles of which another
	// courier has not taken all notices.
	taken map[string][]string
}

func newCouriers(all []Courier, log *slog.Logger) *couriers {
	return &couriers{all: slices.Clone(all), log: log, taken: map[string][]string{}}
}

// addNotice adds a notice of a change to a record, if a courier wants one. rec has the definition after the change
// already; with Deleted, it has that before the change. was is the record before the change, with Updated, else nil.
func (c *couriers) addNotice(rec *record, e Event, was *record) error {
	var notice, definition bool
	for _, courier := range c.all {
		n, d := courier.Wants(e.Title.ID, e.Kind)
		notice, definition = notice || n, definition || n && d
	}
	if !notice {
		return nil
	}
	n := Notice{Kind: e.Kind, At: e.At, Title: e.Title.Summary}
	if was != nil {
		var errs [2]error
		e.Before, errs[0] = was.parse()
		e.After, errs[1] = rec.parse()
		if err := errors.Join(errs[:]...); err != nil {
			return unreadableDefinition(e.Title.ID, err)
		}
	}
	changes := e.Difference()
	for _, change := range changes[:min(len(changes), maxNoticeChanges)] {
		n.Changes = append(n.Changes, change.Text)
	}
	if more := len(changes) - maxNoticeChanges; more > 0 {
		n.Changes = append(n.Changes, fmt.Sprintf("and %d more changes", more))
	}
	if definition && len(rec.definition) <= maxNoticeDefinition {
		n.Definition = json.RawMessage(rec.definition)
	}
	rec.Events++
	n.ID = rec.UID + "-" + strconv.FormatUint(rec.Events, 10)
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	rec.Undelivered = append(slices.Clip(rec.Undelivered), undelivered{Number: rec.Events, Event: data})
	return nil
}

// deliver delivers the notices that a title's record carries to each courier that has not taken them yet, in order.
// It returns the notices up to the last one that all couriers have taken. The error is that of the couriers that
// failed.
func (c *couriers) deliver(
	ctx context.Context, key string, carried []undelivered,
) (delivered []undelivered, err error) {
	if len(c.all) == 0 || len(carried) == 0 {
		c.forget(key)
		return nil, nil
	}
	notices := make([]*Notice, len(carried))
	for i, u := range carried {
		var n Notice
		if err := json.Unmarshal(u.Event, &n); err != nil {
			c.log.Error("a notice of a change cannot be read and is dropped", "title", key, "error", err)
			continue
		}
		n.Number = u.Number
		notices[i] = &n
	}
	taken := c.takenOf(key)
	taken = append(taken, make([]string, len(c.all)-len(taken))...)
	common := len(notices) // all couriers have taken so many notices
	var errs []error
	for i, courier := range c.all {
		n, err := deliverTo(ctx, courier, notices, &taken[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("title %q: the courier: %w", key, err))
		}
		common = min(common, n)
	}
	if len(errs) == 0 {
		c.forget(key)
	} else {
		c.mu.Lock()
		c.taken[key] = taken
		c.mu.Unlock()
	}
	return carried[:common], errors.Join(errs...)
}

// deliverTo delivers notices after the one with the ID *last to a courier until it fails, and updates *last. It returns
// how many notices the courier has taken, from the first on. Notices that are nil are left out.
func deliverTo(ctx context.Context, courier Courier, notices []*Notice, last *string) (taken int, err error) {
	taken = 1 + slices.IndexFunc(notices, func(n *Notice) bool { return n != nil && n.ID == *last })
	for ; taken < len(notices); taken++ {
		n := notices[taken]
		if n == nil {
			continue
		}
		if err := courier.Take(ctx, *n); err != nil {
			return taken, err
		}
		*last = n.ID
	}
	return taken, nil
}

// takenOf returns a copy of taken for a title.
func (c *couriers) takenOf(key string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.taken[key])
}

// forget forgets which notices of a title the couriers have taken.
func (c *couriers) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.taken, key)
}
