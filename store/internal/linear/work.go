package linear

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// Kind is the kind of the records of workers.
	Kind = "linear"
	// keys is the number of these records.
	keys = 4
	// clients is the number of goroutines of a worker.
	clients = 2
	// unsurePause is the pause of a client after a call with an unknown outcome.
	unsurePause = 10 * time.Millisecond
)

// Work makes random calls until ctx ends and writes them to w, one line before and one after each. id is unique among
// all workers, and for each start of a process. It returns an error if it cannot write.
func Work(ctx context.Context, s store.Store, id string, w io.Writer) error {
	return work(ctx, s, id, false, w)
}

// work makes the calls of Work. If conditional is true, each Delete has a condition.
func work(ctx context.Context, s store.Store, id string, conditional bool, w io.Writer) error {
	journal := &journal{w: w}
	errs := make([]error, clients)
	var all sync.WaitGroup
	for i := range clients {
		c := &client{
			store: s, journal: journal, id: fmt.Sprintf("%s.%d", id, i), conditional: conditional,
			seen: map[string]store.Revision{},
		}
		all.Go(func() { errs[i] = c.run(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// A journal writes lines.
type journal struct {
	mu sync.Mutex
	w  io.Writer
}

// write writes a line in one piece.
func (j *journal) write(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err = j.w.Write(append(text, '\n'))
	return err
}

// A client makes one call after the other.
type client struct {
	store   store.Store
	journal *journal
	id      string
	calls   int
	// conditional says that each Delete has a condition.
	conditional bool
	seen        map[string]store.Revision // the last revision of each key that this client has seen
	// unsure says that the last call had an unknown outcome. The client then only reads until the storage answers:
	// the time for a check grows with the number of writes with an unknown outcome.
	unsure bool
}

// run makes calls until ctx ends.
func (c *client) run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := c.choose()
		if err := c.journal.write(line{Call: &next}); err != nil {
			return err
		}
		r := c.make(ctx, next)
		if err := c.journal.write(line{Result: &r}); err != nil {
			return err
		}
		if c.unsure {
			time.Sleep(unsurePause)
		}
	}
	return nil
}

// choose returns the next call.
func (c *client) choose() call {
	c.calls++
	next := call{ID: c.id + "." + strconv.Itoa(c.calls), Key: strconv.Itoa(rand.N(keys))}
	n := rand.N(100)
	switch {
	case n < 40 || c.unsure:
		next.Op = opGet
	case n < 85:
		next.Op, next.Value = opPut, next.ID
	default:
		next.Op = opDelete
	}
	revision := c.seen[next.Key]
	if next.Op == opDelete && c.conditional {
		if next.If = revision; revision == "" {
			next.Op = opGet
		}
	}
	switch m := rand.N(100); {
	case next.Op == opGet || next.If != "":
	case revision != "" && m < 60:
		next.If = revision
	case next.Op == opPut && m < 85:
		next.Absent = true
	}
	next.At = time.Now().UnixNano()
	return next
}

// make makes a call and returns its result.
func (c *client) make(ctx context.Context, next call) result {
	key := store.Key{Kind: Kind, ID: next.Key}
	var cond store.Condition
	if next.Absent {
		cond = store.IfAbsent()
	} else if next.If != "" {
		cond = store.IfRevision(next.If)
	}
	var record store.Record
	var err error
	switch next.Op {
	case opGet:
		record, err = c.store.Get(ctx, key)
	case opPut:
		record.Revision, err = c.store.Put(ctx, key, []byte(next.Value), cond)
	case opDelete:
		err = c.store.Delete(ctx, key, cond)
	}
	r := result{ID: next.ID, Outcome: outcome(err), Value: string(record.Value), Revision: record.Revision}
	r.At = time.Now().UnixNano()
	c.unsure = r.Outcome == outcomeUnknown
	if r.Revision != "" {
		c.seen[next.Key] = r.Revision
	}
	return r
}

// outcome returns the outcome of a call with an error.
func outcome(err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, store.ErrNotFound):
		return outcomeNotFound
	case errors.Is(err, store.ErrConflict):
		return outcomeConflict
	}
	return outcomeUnknown
}
