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

// List implements [store.Store]. Records that are damaged or cannot be read are
// left out.
func (s *Store) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if err := store.CheckKind(kind); err != nil {
			yield(store.Record{}, err)
			return
		}
		var f *folder
		var entries []entry
		err := s.do(ctx, func() (err error) {
			if f, err = s.kind(kind); err != nil {
				return err
			}
			entries, err = s.entries(f)
			return cmp.Or(s.inPlace(f), err)
		})
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
				r, err = s.read(f, e.name)
				return err
			})
			switch {
			case errors.Is(err, store.ErrNotFound): // deleted since
				continue
			case errors.Is(err, store.ErrCorrupt), errors.Is(err, errUnreadable):
				s.faults.leftOut(f, e.name)
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// An entry is a file and the id that it is for.
type entry struct{ name, id string }

// entries returns the files of a kind in the order of their ids.
func (s *Store) entries(f *folder) ([]entry, error) {
	f.names.Lock()
	defer f.names.Unlock()
	dir, err := f.root.Open(".")
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
		if !ok { // a long id; or no file of ours, which reading it will tell
			if r, err := s.head(f, name); err == nil {
				id = r.Key.ID
			}
		}
		entries = append(entries, entry{name, id})
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	return entries, nil
}
