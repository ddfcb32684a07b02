package filestore

import (
	"bytes"
	"context"
	"errors"
	"iter"

	"github.com/patchsource/patchsource/store"
)

// revisionsAtOnce is how many files Revisions reads before it yields what it has found.
const revisionsAtOnce = 1024

// Revisions implements [store.Revisioner]. It reads only the beginnings of the files, several at once, so it does not
// find out whether the values are corrupt.
func (s *Store) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		d, records, err := s.listOf(ctx, kind)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if err != nil {
			yield(store.Change{}, err)
			return
		}
		for len(records) > 0 {
			n := min(len(records), revisionsAtOnce)
			changes, errs := make([]store.Change, n), make([]error, n)
			inParallel(n, fileWriters, func(i int) {
				errs[i] = s.do(ctx, func() (err error) {
					changes[i], err = s.readRevision(d, records[i].name)
					return err
				})
			})
			for i, c := range changes {
				if s.omits(d, records[i].name, errs[i]) {
					continue
				}
				if !yield(c, errs[i]) || errs[i] != nil {
					return
				}
			}
			records = records[n:]
		}
	}
}

// readRevision reads the key and the revision of a record. A file that has none is treated as read does.
func (s *Store) readRevision(d *directory, name string) (store.Change, error) {
	if s.overlay.get(d.name, name) == nil {
		var start [512]byte
		if n, err := readStart(d.self, name, start[:]); err == nil {
			if id, rev, ok := parseHead(start[:n]); ok && fileName(id) == name {
				return store.Change{Key: store.Key{Kind: d.name, ID: id}, Revision: rev}, nil
			}
		}
		if r, err := s.readHead(d, name); err == nil && fileName(r.Key.ID) == name {
			return store.Change{Key: store.Key{Kind: d.name, ID: r.Key.ID}, Revision: r.Revision}, nil
		}
	}
	r, err := s.read(d, name)
	return store.Change{Key: r.Key, Revision: r.Revision}, err
}

// parseHead returns the id and the revision in the beginning of a file that encodeRecord has written. It returns false
// if it does not know: decodeHead then knows more.
func parseHead(data []byte) (id string, rev store.Revision, ok bool) {
	if len(data) < headLength || !bytes.HasPrefix(data, []byte(`{"crc32c":"`)) {
		return "", "", false
	}
	rest, ok := bytes.CutPrefix(data[headLength:], []byte(`"id":"`))
	if !ok {
		return "", "", false
	}
	rawID, rest, ok := bytes.Cut(rest, []byte(`","revision":"`))
	if !ok {
		return "", "", false
	}
	rawRev, rest, ok := bytes.Cut(rest, []byte(`","`))
	if !ok || bytes.ContainsAny(rawID, `"\\`) || bytes.ContainsAny(rawRev, `"\\`) || len(rawRev) == 0 ||
		!bytes.HasPrefix(rest, []byte(`value":`)) && !bytes.HasPrefix(rest, []byte(`base64":`)) {
		return "", "", false
	}
	return string(rawID), store.Revision(rawRev), true
}

// omits reports whether a list omits a record because of the error of reading it.
func (s *Store) omits(d *directory, name string, err error) bool {
	switch {
	case errors.Is(err, store.ErrNotFound): // deleted meanwhile
		return true
	case errors.Is(err, store.ErrCorrupt), errors.Is(err, errUnreadable):
		s.faults.files.markOmitted(d, name)
		return true
	}
	return false
}
