package filestore

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/store"
)

// List implements [store.Store]. It omits records that are corrupt or cannot be read.
func (s *Store) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		d, entries, err := s.entriesOf(ctx, kind)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		for _, e := range entries {
			var r store.Record
			err := s.do(ctx, func() (err error) {
				r, err = s.read(d, e.name)
				return err
			})
			switch {
			case errors.Is(err, store.ErrNotFound): // deleted meanwhile
				continue
			case errors.Is(err, store.ErrCorrupt), errors.Is(err, errUnreadable):
				s.faults.files.markOmitted(d, e.name)
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// An entry is a file and the id of its record.
type entry struct{ name, id string }

// entriesOf returns the directory of a kind and its files in the order of their ids. The error is store.ErrNotFound if
// the kind has no directory.
func (s *Store) entriesOf(ctx context.Context, kind string) (d *directory, entries []entry, err error) {
	if err := store.CheckKind(kind); err != nil {
		return nil, nil, err
	}
	err = s.do(ctx, func() (err error) {
		if d, err = s.kind(kind); err != nil {
			return err
		}
		entries, err = s.entries(d)
		return cmp.Or(s.inPlace(d), err)
	})
	return d, entries, err
}

// entries returns the files of a directory in the order of their ids.
func (s *Store) entries(d *directory) ([]entry, error) {
	d.names.Lock()
	defer d.names.Unlock()
	dir, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(names))
	for _, name := range names {
		if !strings.HasSuffix(name, fileSuffix) || strings.HasPrefix(name, tempPrefix) {
			continue
		}
		id, ok := fileID(name)
		if !ok { // a long id, or not the file of a record, which read finds out
			if r, err := s.readHead(d, name); err == nil {
				id = r.Key.ID
			}
		}
		entries = append(entries, entry{name, id})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	return entries, nil
}
