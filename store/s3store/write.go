package s3store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxSends bounds how often a write is sent whose answer was lost and that has not been carried out.
	maxSends = 3
	// maxCreates bounds how often a record is created in the place of one that others create and delete.
	maxCreates = 20
	// maxTag is more than the length of any ETag.
	maxTag = 200
	// sendPause is the pause before a write is sent again.
	sendPause = 50 * time.Millisecond
)

// A refusal is the error of a write that was certainly not carried out, because its condition does not hold.
type refusal struct {
	current object // what was there afterwards
}

func (r *refusal) Error() string { return "s3store: " + errRefused.Error() }

// put carries out a write and determines its outcome. If the write was not carried out, the error is a *refusal or
// errInvalid. After any other error the outcome is unknown.
func (s *Store) put(ctx context.Context, w write, cond condition) (store.Revision, error) {
	for sent := 1; ; sent++ {
		tag, err := s.bucket.put(ctx, w.name, w.body, cond)
		if err == nil {
			s.noteWritten()
			return tag, nil
		}
		if errors.Is(err, errInvalid) && sent == 1 {
			return "", err
		}
		refused := errors.Is(err, errRefused) || errors.Is(err, errAbsent)
		// Even a refusal may be the answer to a repetition, by a proxy for example, of a request that was carried out.
		current, readErr := s.bucket.get(ctx, w.name)
		if errors.Is(readErr, errAbsent) {
			readErr = nil
		}
		h, _, _ := current.header()
		switch {
		case readErr != nil:
			return "", unknown(w, errors.Join(err, readErr))
		case h.Nonce == w.nonce:
			s.noteWritten()
			return current.tag, nil
		case refused && sent == 1:
			return "", &refusal{current}
		case cond.tag == "" || cond.tag != current.tag || sent == maxSends:
			return "", unknown(w, err)
		}
		// The tag never comes back, so that of all these requests one at most can be carried out.
		sleep(ctx, jitter(sendPause))
	}
}

// unknown returns the error of a write whose outcome is unknown.
func unknown(w write, err error) error {
	return fmt.Errorf("s3store: the outcome of a write is unknown: read %s again: %w", w.name, err)
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if len(value) > maxValue {
		return "", fmt.Errorf("s3store: the value of %v has %d bytes: at most %d are possible",
			key, len(value), maxValue)
	}
	if err := s.beginChange(ctx, key); err != nil {
		return "", err
	}
	defer s.calls.Done()
	tag, err := s.putRecord(ctx, newRecord(s.objectName(key), key.ID, value), cond)
	if err := s.announce(ctx, store.Change{Key: key, Revision: tag}, err); err != nil {
		return "", err
	}
	return tag, nil
}

// putRecord writes a record.
func (s *Store) putRecord(ctx context.Context, w write, cond store.Condition) (store.Revision, error) {
	rev, conditional := cond.Revision()
	switch {
	case cond.Absent():
		return s.create(ctx, w)
	case conditional && !isTag(rev):
		return "", store.ErrConflict
	}
	tag, err := s.put(ctx, w, condition{tag: rev})
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return "", store.ErrConflict
	}
	return tag, err
}

// create writes a record where there is none: no object, or a tombstone.
func (s *Store) create(ctx context.Context, w write) (store.Revision, error) {
	cond := condition{absent: true}
	for range maxCreates {
		tag, err := s.put(ctx, w, cond)
		var refused *refusal
		switch {
		case !errors.As(err, &refused):
			return tag, err
		case refused.current.isRecord():
			return "", store.ErrConflict
		}
		cond = condition{absent: refused.current.tag == "", tag: refused.current.tag}
	}
	return "", fmt.Errorf("s3store: create %s: others created and deleted it in each of %d attempts",
		w.name, maxCreates)
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if err := s.beginChange(ctx, key); err != nil {
		return err
	}
	defer s.calls.Done()
	name := s.objectName(key)
	rev, conditional := cond.Revision()
	var err error
	switch {
	case conditional && isTag(rev):
		err = s.bury(ctx, name, rev)
	default:
		err = s.remove(ctx, name, conditional || cond.Absent())
	}
	return s.announce(ctx, store.Change{Key: key}, err)
}

// bury replaces a revision of a record with a tombstone.
func (s *Store) bury(ctx context.Context, name string, rev store.Revision) error {
	_, err := s.put(ctx, newTombstone(name), condition{tag: rev})
	var refused *refusal
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.current.isRecord():
		return store.ErrConflict
	}
	return store.ErrNotFound
}

// remove deletes the object of a record. If never, the condition of the Delete does not hold for any record.
func (s *Store) remove(ctx context.Context, name string, never bool) error {
	current, err := s.bucket.getHeader(ctx, name)
	switch {
	case errors.Is(err, errAbsent):
		return store.ErrNotFound
	case err != nil:
		return err
	case !current.isRecord():
		return store.ErrNotFound
	case never:
		return store.ErrConflict
	}
	// If the answer is lost, the request is not repeated, nor its outcome read: a request that the server carries out
	// late may delete a record that was created since.
	if err := s.bucket.remove(ctx, name); err != nil {
		return err
	}
	s.noteWritten()
	return nil
}

// isTag reports whether a revision can be that of an object.
func isTag(rev store.Revision) bool {
	return len(rev) <= maxTag &&
		!strings.ContainsFunc(string(rev), func(r rune) bool { return r <= ' ' || r > '~' || r == '"' })
}
