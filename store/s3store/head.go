package s3store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// layout is the newest layout of the objects that this package knows.
	layout = 1
	// maxRing and maxRingBytes bound the changes in the head.
	maxRing      = 500
	maxRingBytes = 64 << 10
	// maxHead bounds the size of the head. An id in it may be escaped.
	maxHead = 1 << 20
	// headID is the id in the header of the head.
	headID = "_head"
	// minHeadPause and maxHeadPause bound the pause after another process was faster to write the head.
	minHeadPause = 5 * time.Millisecond
	maxHeadPause = 100 * time.Millisecond
)

// A head is the value of the object _head.
type head struct {
	// Layout is the layout of all objects.
	Layout int `json:"layout"`
	// Epoch is that of the count. It is new when the head was lost.
	Epoch string `json:"epoch"`
	// Last is the number of the last change.
	Last int64 `json:"last"`
	// Changes are the last changes: kind, id, revision.
	Changes [][3]string `json:"changes"`
}

// A headState is the head as this process knows it.
type headState struct {
	head
	tag  store.Revision // empty if the head is unknown
	seen int64          // how often it was read or written by this process
}

// headName returns the name of the head.
func (s *Store) headName() string { return s.prefix + headID }

// parseHead returns the head in an object. One that is missing or cannot be used is replaced by an empty one in a new
// epoch. The error is ErrFormat.
func parseHead(o object) (head, error) {
	_, value, ok := o.header()
	var h head
	if !ok || json.Unmarshal(value, &h) != nil || h.Layout < 1 || h.Epoch == "" {
		return head{Layout: layout, Epoch: rand.Text()}, nil
	}
	if h.Layout > layout {
		return head{}, fmt.Errorf("s3store: %w: its objects have layout %d, and this version knows layouts up to %d: "+
			"start the newer version, or restore a backup made before", store.ErrFormat, h.Layout, layout)
	}
	return h, nil
}

// with returns the head after more changes. skipped are those before them that are not known any more.
func (h head) with(changes []store.Change, skipped int64) head {
	h.Last += int64(len(changes)) + skipped
	if skipped > 0 {
		h.Changes = nil // the numbers of the older changes are not those before the newer ones
	}
	all := h.Changes[:len(h.Changes):len(h.Changes)]
	for _, c := range changes {
		all = append(all, [3]string{c.Key.Kind, c.Key.ID, string(c.Revision)})
	}
	size, first := 0, len(all)
	for first > 0 && len(all)-first < maxRing && size < maxRingBytes {
		first--
		size += len(all[first][0]) + len(all[first][1]) + len(all[first][2])
	}
	h.Changes = all[first:]
	return h
}

// since returns the changes after a number, and false if the head does not have all of them.
func (h head) since(seen int64) ([]store.Change, bool) {
	n := h.Last - seen
	if n < 0 || n > int64(len(h.Changes)) {
		return nil, false
	}
	changes := make([]store.Change, 0, n)
	for _, c := range h.Changes[int64(len(h.Changes))-n:] {
		changes = append(changes, store.Change{Key: store.Key{Kind: c[0], ID: c[1]}, Revision: store.Revision(c[2])})
	}
	return changes, true
}

// openHead reads the head, or creates it.
func (s *Store) openHead(ctx context.Context) error {
	o, err := s.bucket.get(ctx, s.headName())
	if errors.Is(err, errAbsent) {
		return s.writeHead(ctx, nil, 0)
	}
	if err != nil {
		return err
	}
	h, err := parseHead(o)
	if err != nil {
		return err
	}
	s.observe(h, o.tag, 0)
	return nil
}

// writeHead adds changes to the head. skipped is the number of changes before them that the head will not have.
func (s *Store) writeHead(ctx context.Context, changes []store.Change, skipped int64) error {
	for try := 1; ; try++ {
		known := s.knownHead()
		if known.tag == "" {
			known.head, _ = parseHead(object{})
		}
		next := known.with(changes, skipped)
		value, err := json.Marshal(next)
		if err != nil {
			return err
		}
		w := newRecord(s.headName(), headID, value)
		tag, err := s.put(ctx, w, condition{absent: known.tag == "", tag: known.tag})
		if err == nil {
			s.observe(next, tag, known.seen)
			return nil
		}
		var refused *refusal
		if !errors.As(err, &refused) {
			return err
		}
		current, err := parseHead(refused.current)
		if err != nil {
			s.refuse(err)
			return err
		}
		s.observe(current, refused.current.tag, known.seen)
		sleep(ctx, jitter(min(time.Duration(try)*minHeadPause, maxHeadPause)))
	}
}

// knownHead returns the head as this process knows it.
func (s *Store) knownHead() headState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// observe learns a head that was read or written, and passes its changes on to the watchers. seen is that of the known
// head when the request began.
func (s *Store) observe(h head, tag store.Revision, seen int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	same := s.head.tag != "" && h.Epoch == s.head.Epoch
	if same && h.Last < s.head.Last && seen != s.head.seen {
		return // another request of this process has read or written a newer head meanwhile
	}
	if changes, ok := h.since(s.head.Last); same && ok {
		s.deliverLocked(changes)
	} else {
		s.gapLocked()
	}
	s.head = headState{h, tag, s.head.seen + 1}
}

// refuse makes every later change fail with an error.
func (s *Store) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = err
}
