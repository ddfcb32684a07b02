package store

import (
	"context"
	"errors"
	"iter"
)

// ListReadable is like the List of s, but a record that is corrupt does not end it: skip is called with its key and the
// error, and the list goes on. It is for kinds whose other records are of use without that one. In a store whose List
// ends at a corrupt record, those after it are read one by one.
func ListReadable(
	ctx context.Context, s Store, kind string, skip func(key Key, err error),
) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		last := "" // no id is empty
		for r, err := range s.List(ctx, kind) {
			if errors.Is(err, ErrCorrupt) {
				readRest(ctx, s, kind, last, skip, yield)
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
			last = r.Key.ID
		}
	}
}

// readRest yields the records of a kind whose ids are after last, each by itself.
func readRest(
	ctx context.Context, s Store, kind, last string, skip func(Key, error), yield func(Record, error) bool,
) {
	for c, err := range Revisions(ctx, s, kind) {
		if err != nil {
			yield(Record{}, err)
			return
		}
		if c.Key.ID <= last {
			continue
		}
		r, err := s.Get(ctx, c.Key)
		switch {
		case errors.Is(err, ErrNotFound): // deleted meanwhile
		case errors.Is(err, ErrCorrupt):
			skip(c.Key, err)
		case !yield(r, err) || err != nil:
			return
		}
	}
}
