package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// A Courier takes notices of changes over, for example into a queue of webhooks. The
// change itself carries its notice: it is delivered at least once, in order per title,
// also when the process is killed right after the change. [Catalog.Subscribe] costs
// less, and promises less.
//
// A catalog may have several couriers. A notice that one of them wants is kept in the
// title's record and delivered to all of them; it is removed when each of them has
// taken it. A courier that fails gets the notice again a moment later, and does not
// keep the others from theirs. After a restart, the others may get it again, too.
//
// The methods of a Courier are called concurrently for several titles.
type Courier interface {
	// Wants reports whether the courier wants a notice of a change of the title id,
	// and whether the notice is to hold the definition. It is called before the
	// change is written and must return quickly.
	Wants(id string, kind EventKind) (notice, definition bool)
	// Take takes a notice over. If it returns an error, the catalog tries again
	// later. Take may be called again with a notice that it has taken, with the same
	// ID. If there are several couriers, it is also called with notices, and
	// definitions in them, that only another courier wants; it should ignore these.
	Take(ctx context.Context, n Notice) error
}

// A Notice describes a change of a title to a [Courier].
type Notice struct {
	// ID tells the change from every other.
	ID   string    `json:"id"`
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`
	// Title is the title's summary after the change; with Deleted, as it last
	// was.
	Title patch.Summary `json:"title"`
	// Changes say what has changed, for people; see [patch.Difference]. At most 100
	// are named; the last one then says how many there are more.
	Changes []string `json:"changes,omitempty"`
	// Definition is the definition after the change, or as it last was, if the
	// courier wanted it and it has at most [MaxNoticeDefinition] bytes. A courier
	// reads larger ones from the catalog when it needs them.
	Definition json.RawMessage `json:"definition,omitempty"`
}

// maxNoticeChanges is how many changes a notice names.
const maxNoticeChanges = 100

// MaxNoticeDefinition bounds the definition in a [Notice]: a record carries the
// notices of its changes until the courier has them, and must stay small.
const MaxNoticeDefinition = 64 << 10

// note has a record carry what the courier is to be told of a change. r has its new
// definition already; that of a deleted title is the last one.
func (c *Catalog) note(r *record, e Event) error {
	var notice, definition bool
	for _, courier := range c.couriers {
		n, d := courier.Wants(e.Title.ID, e.Kind)
		notice, definition = notice || n, definition || n && d
	}
	if !notice {
		return nil
	}
	n := Notice{Kind: e.Kind, At: e.At, Title: e.Title.Summary}
	changes := e.Difference()
	for _, change := range changes[:min(len(changes), maxNoticeChanges)] {
		n.Changes = append(n.Changes, change.Text)
	}
	if more := len(changes) - maxNoticeChanges; more > 0 {
		n.Changes = append(n.Changes, fmt.Sprintf("and %d more changes", more))
	}
	if definition && len(r.definition) <= MaxNoticeDefinition {
		n.Definition = json.RawMessage(r.definition)
	}
	r.Events++
	n.ID = r.UID + "-" + strconv.FormatUint(r.Events, 10)
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	r.Undelivered = append(slices.Clip(r.Undelivered), undelivered{Number: r.Events, Event: data})
	return nil
}

// chores are the titles whose records carry something that has to be done in the
// background: what the courier is to be told, and what is left of titles that are
// gone.
type chores struct {
	mu   sync.Mutex
	keys map[string]bool
	wake chan struct{}
	// taken is, by title key, the ID of the last notice that each courier has taken, of
	// titles that another courier has not taken all notices of.
	taken map[string][]string
}

func newChores() *chores {
	return &chores{keys: map[string]bool{}, wake: make(chan struct{}, 1), taken: map[string][]string{}}
}

// takenOf returns the ID of the last notice of a title that each of n couriers has
// taken.
func (q *chores) takenOf(key string, n int) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if taken := q.taken[key]; taken != nil {
		return taken
	}
	return make([]string, n)
}

// setTaken keeps what takenOf returns, nil if every courier has taken all notices.
func (q *chores) setTaken(key string, taken []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if taken == nil {
		delete(q.taken, key)
	} else {
		q.taken[key] = taken
	}
}

func (q *chores) add(key string) {
	q.mu.Lock()
	q.keys[key] = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *chores) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	keys := slices.Collect(maps.Keys(q.keys))
	clear(q.keys)
	return keys
}

const (
	// choresAtOnce is how many titles have their chores done at once.
	choresAtOnce = 8
	// choresPause is how long to wait when one could not be done.
	choresPause = time.Second
)

// doChores does the chores until ctx ends; what is left then is done after the next
// start.
func (c *Catalog) doChores(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.chores.wake:
		}
		var group errgroup.Group
		group.SetLimit(choresAtOnce)
		for _, key := range c.chores.take() {
			group.Go(func() error {
				err := c.doChore(ctx, key)
				if err != nil {
					c.chores.add(key)
				}
				return err
			})
		}
		if err := group.Wait(); err != nil && ctx.Err() == nil {
			c.log.Error("what follows a change could not be done yet", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(choresPause):
			}
		}
	}
}

// doChore delivers the notices that a title's record carries, and removes them from the
// record.
func (c *Catalog) doChore(ctx context.Context, key string) error {
	_, rec, err := c.read(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		c.chores.setTaken(key, nil)
		return nil
	}
	if err != nil {
		return err
	}
	delivered, err := c.deliver(ctx, key, rec.Undelivered)
	if err != nil {
		if delivered > 0 { // these are not delivered again
			err = errors.Join(err, c.forget(ctx, key, delivered))
		}
		return err
	}
	return c.forget(ctx, key, delivered)
}

// deliver delivers notices of a title, in order, to each courier that has not taken
// them yet. It returns the number of the last one, in the order of the record, up to
// which every courier has taken all.
func (c *Catalog) deliver(ctx context.Context, key string, carried []undelivered) (delivered uint64, err error) {
	if len(c.couriers) == 0 || len(carried) == 0 {
		return 0, nil
	}
	notices := make([]*Notice, len(carried))
	for i, u := range carried {
		var n Notice
		if err := json.Unmarshal(u.Event, &n); err != nil {
			c.log.Error("a notice of a change cannot be read and is dropped", "title", key, "error", err)
			continue
		}
		notices[i] = &n
	}
	taken := slices.Clone(c.chores.takenOf(key, len(c.couriers)))
	all := len(notices) // so many, from the first on, every courier has taken
	var errs []error
	for i, courier := range c.couriers {
		n := 1 + slices.IndexFunc(notices, func(n *Notice) bool { return n != nil && n.ID == taken[i] })
		for ; n < len(notices); n++ {
			if notices[n] == nil {
				continue
			}
			if err := courier.Take(ctx, *notices[n]); err != nil {
				errs = append(errs, fmt.Errorf("title %q: the courier: %w", key, err))
				break
			}
			taken[i] = notices[n].ID
		}
		all = min(all, n)
	}
	if len(errs) > 0 && len(c.couriers) > 1 {
		c.chores.setTaken(key, taken)
	} else {
		c.chores.setTaken(key, nil)
	}
	if all > 0 {
		delivered = carried[all-1].Number
	}
	return delivered, errors.Join(errs...)
}

// forget takes out of a title's record what was handed over, up to a number, and
// removes what is left of a title that is gone.
func (c *Catalog) forget(ctx context.Context, key string, upTo uint64) error {
	unlock, err := c.writers.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	for range maxTries {
		old, rec, err := c.readLocked(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		n := len(rec.Undelivered)
		rec.Undelivered = slices.DeleteFunc(rec.Undelivered, func(u undelivered) bool { return u.Number <= upTo })
		switch {
		case rec.State == gone && len(rec.Undelivered) == 0:
			if err = c.forgetRevisions(ctx, rec); err == nil {
				err = c.settle(ctx, func(ctx context.Context) error {
					return c.store.Delete(ctx, storeKey(key), store.IfRevision(old.Revision))
				})
			}
		case len(rec.Undelivered) == n:
			return nil
		default:
			err = c.rewrite(ctx, key, rec, old.Revision)
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("%w: title %q is changed by others too fast", ErrUnavailable, key)
}

// rewrite writes a record in which nothing has changed that anybody sees. Who calls
// it has the title's lock. The error is store.ErrConflict, ErrUnavailable or that of
// ctx.
func (c *Catalog) rewrite(ctx context.Context, key string, rec *record, rev store.Revision) error {
	err := c.writeSame(ctx, key, rec, store.IfRevision(rev))
	if errors.Is(err, ErrUnavailable) {
		c.learn(ctx, key)
	}
	return err
}

// writeSame writes a record that looks to readers as the one in the index does, and
// puts its revision into the index. The caller must hold the title's lock. The error
// is store.ErrConflict, ErrUnavailable or that of ctx.
func (c *Catalog) writeSame(ctx context.Context, key string, rec *record, cond store.Condition) error {
	value, err := rec.encode()
	if err != nil {
		return err
	}
	e, err := rec.entry(key, "")
	if err != nil {
		return err
	}
	err = c.settle(ctx, func(ctx context.Context) (err error) {
		e.rev, err = c.store.Put(ctx, storeKey(key), value, cond)
		return err
	})
	if err != nil || rec.State != live {
		return err
	}
	if doc, _ := c.definitions.get(key); doc != nil && doc.etag == e.ETag {
		c.definitions.put(key, doc, rec.origin(e.rev), rec.headBytes())
	}
	c.publishing.Lock()
	defer c.publishing.Unlock()
	x := c.index.Load()
	old, next := x.byKey(key), x.with(key, e)
	if old != nil && old.ETag == e.ETag {
		x.renew(next)
	} else {
		x.supersede(next, c.now()) // the index did not know what another server has changed
	}
	c.index.Store(next)
	return nil
}
