package sqlstore

import (
	"context"
	"database/sql"
	"iter"

	"github.com/patchsource/patchsource/store"
)

const (
	// maxPageRecords and maxPageBytes bound a page of a list. A page has at least one record.
	maxPageRecords = 1000
	maxPageBytes   = 4 << 20
	// maxPageRevisions bounds a page of a list without values.
	maxPageRevisions = 10_000
)

// List implements [store.Store]. It reads pages and holds no connection while the caller's loop runs.
func (s *Store) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return pages(ctx, kind, func(ctx context.Context, after string) ([]store.Record, bool, error) {
		return s.page(ctx, kind, after)
	}, func(r store.Record) string { return r.Key.ID })
}

// Revisions implements [store.Revisioner].
func (s *Store) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return pages(ctx, kind, func(ctx context.Context, after string) ([]store.Change, bool, error) {
		return s.revisionPage(ctx, kind, after)
	}, func(c store.Change) string { return c.Key.ID })
}

// pages yields the elements of pages. read returns a page of those after an id, and whether it is the last. id returns
// the id of an element.
func pages[T any](ctx context.Context, kind string,
	read func(ctx context.Context, after string) (page []T, last bool, err error), id func(T) string,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		if err := store.CheckKind(kind); err != nil {
			yield(none, err)
			return
		}
		for after := ""; ; {
			page, last, err := read(ctx, after)
			if err != nil {
				yield(none, err)
				return
			}
			for _, element := range page {
				if err := ctx.Err(); err != nil {
					yield(none, err)
					return
				}
				if !yield(element, nil) {
					return
				}
				after = id(element)
			}
			if last {
				return
			}
		}
	}
}

// page reads a page of records.
func (s *Store) page(ctx context.Context, kind, after string) (page []store.Record, last bool, err error) {
	size := 0
	err = s.rows(ctx, "list "+kind, func(rows *sql.Rows) error {
		r := store.Record{Key: store.Key{Kind: kind}}
		var err error
		if r.Key.ID, r.Revision, err = readRevision(rows, &r.Value); err != nil {
			return err
		}
		size += len(r.Value)
		page = append(page, r)
		return nil
	}, selectPage, kind, after, maxPageRecords, maxPageBytes)
	return page, len(page) < maxPageRecords && size < maxPageBytes, err
}

// revisionPage reads a page of revisions.
func (s *Store) revisionPage(ctx context.Context, kind, after string) (page []store.Change, last bool, err error) {
	err = s.rows(ctx, "list the revisions of "+kind, func(rows *sql.Rows) error {
		id, rev, err := readRevision(rows)
		page = append(page, store.Change{Key: store.Key{Kind: kind, ID: id}, Revision: rev})
		return err
	}, selectRevisions, kind, after, maxPageRevisions)
	return page, len(page) < maxPageRevisions, err
}

// rows runs a query within the time of one call and scans its rows.
func (s *Store) rows(ctx context.Context, call string, scan func(*sql.Rows) error, query string, args ...any) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	rows, err := s.db.QueryContext(ctx, s.qualify.Replace(query), args...)
	if err == nil {
		err = scanAll(rows, scan)
	}
	if err != nil {
		return failure(ctx, call, err)
	}
	return nil
}

// scanAll scans all rows and closes them.
func scanAll(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
