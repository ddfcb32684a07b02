package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/store"
)

// Get implements [store.Store].
func (s *Store) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if err := key.Check(); err != nil {
		return store.Record{}, err
	}
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return store.Record{}, err
	}
	defer end()
	var rev revision
	var value []byte
	row := s.db.QueryRowContext(ctx, s.qualify.Replace(selectRecord), key.Kind, key.ID)
	switch err := row.Scan(&rev.number, &rev.nonce, &value); {
	case errors.Is(err, sql.ErrNoRows):
		return store.Record{}, store.ErrNotFound
	case err != nil:
		return store.Record{}, failure(ctx, "get "+key.String(), err)
	}
	return store.Record{Key: key, Value: value, Revision: rev.text()}, nil
}

// Put implements [store.Store].
func (s *Store) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if err := key.Check(); err != nil {
		return "", err
	}
	ctx, end, err := s.beginWrite(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	if value == nil {
		value = []byte{} // nil is NULL
	}
	rev := revision{nonce: newNonce()}
	statement, args := putAlways, []any{key.Kind, key.ID, rev.nonce, value}
	if wanted, ok := cond.Revision(); ok {
		old, valid := parseRevision(wanted)
		if !valid {
			return "", store.ErrConflict
		}
		statement, args = putIfRevision, append(args, old.number, old.nonce)
	} else if cond.Absent() {
		statement = putIfAbsent
	}
	switch err := s.db.QueryRowContext(ctx, s.qualify.Replace(statement), args...).Scan(&rev.number); {
	case errors.Is(err, sql.ErrNoRows):
		return "", store.ErrConflict
	case err != nil:
		return "", failure(ctx, "put "+key.String(), err)
	}
	s.notify()
	return rev.text(), nil
}

// Delete implements [store.Store].
func (s *Store) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	if err := key.Check(); err != nil {
		return err
	}
	call, end, err := s.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	wanted, conditional := cond.Revision()
	old, possible := parseRevision(wanted)
	for {
		if !conditional && !cond.Absent() || possible {
			deleted, err := s.delete(call, key, old, conditional)
			if err != nil {
				return failure(call, "delete "+key.String(), err)
			}
			if deleted {
				s.notify()
				return nil
			}
		}
		// The condition did not hold at the time, or there was no record. The record as it is now decides, since a
		// conditional Delete that has changed nothing may as well have come now.
		r, err := s.Get(ctx, key)
		if err != nil {
			return err
		}
		if err := cond.Check(r.Revision); err != nil {
			return err
		}
	}
}

// delete deletes a record, if it has a revision or unconditionally. It reports whether the record was there.
func (s *Store) delete(ctx context.Context, key store.Key, old revision, conditional bool) (bool, error) {
	statement, args := deleteAlways, []any{key.Kind, key.ID}
	if conditional {
		statement, args = deleteIfRevision, append(args, old.number, old.nonce)
	}
	var one int
	err := s.db.QueryRowContext(ctx, s.qualify.Replace(statement), args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// beginWrite is begin for a call that changes a record.
func (s *Store) beginWrite(ctx context.Context) (call context.Context, end context.CancelFunc, err error) {
	call, end, err = s.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	if refusal := s.refusal.Load(); refusal != nil {
		end()
		return nil, nil, *refusal
	}
	return call, end, nil
}

// readRevision scans an id and a revision, and more columns if there are any.
func readRevision(rows *sql.Rows, more ...any) (id string, rev store.Revision, err error) {
	var r revision
	if err := rows.Scan(append([]any{&id, &r.number, &r.nonce}, more...)...); err != nil {
		return "", "", fmt.Errorf("read a row: %w", err)
	}
	return id, r.text(), nil
}
