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
		d, records, err := s.listOf(ctx, kind)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		for _, e := range records {
			var r store.Record
			err := s.do(ctx, func() (err error) {
				r, err = s.read(d, e.name)
				return err
			})
			if s.omits(d, e.name, err) {
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// A listed record is one whose file or pending change was found.
type listed struct{ name, id string }

// listOf returns the directory of a kind and its files in the order of their ids. The error is store.ErrNotFound if
// the kind has no directory.
func (s *Store) listOf(ctx context.Context, kind string) (d *directory, records []listed, err error) {
	if err := store.CheckKind(kind); err != nil {
		return nil, nil, err
	}
	err = s.do(ctx, func() (err error) {
		if d, err = s.kind(kind); err != nil {
			return err
		}
		records, err = s.list(d)
		return cmp.Or(s.inPlace(d), err)
	})
	return d, records, err
}

// list returns the records of a kind that have a file or a pending change, in the order of their ids.
func (s *Store) list(d *directory) ([]listed, error) {
	waiting := s.overlay.ofKind(d.name) // first, because a record is there until it has its file
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
	records := make([]listed, 0, len(names)+len(waiting))
	isPending := map[string]bool{}
	for _, p := range waiting {
		records = append(records, listed{p.name, p.id})
		isPending[p.name] = true
	}
	for _, name := range names {
		if !strings.HasSuffix(name, fileSuffix) || strings.HasPrefix(name, tempPrefix) || isPending[name] {
			continue
		}
		id, ok := fileID(name)
		if !ok { // a long id, or not the file of a record, which read finds out
			if r, err := s.readHead(d, name); err == nil {
				id = r.Key.ID
			}
		}
		records = append(records, listed{name, id})
	}
	slices.SortFunc(records, func(a, b listed) int {
		return cmp.Or(strings.Compare(a.id, b.id), strings.Compare(a.name, b.name))
	})
	return records, nil
}
