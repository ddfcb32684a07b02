package linear

import (
	"context"
	"errors"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Broken returns a decorator with a fault that [History.Check] must find: "late" for a Put that checks its condition
// and writes later, "conflict" for a conditional Delete that takes an absent record for a conflict. It returns s itself
// for an empty fault.
func Broken(fault string, s store.Store) store.Store {
	switch fault {
	case "late":
		return lateStore{s}
	case "conflict":
		return conflictStore{s}
	}
	return s
}

type lateStore struct{ store.Store }

func (s lateStore) Put(ctx context.Context, k store.Key, v []byte, cond store.Condition) (store.Revision, error) {
	r, err := s.Get(ctx, k)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if err := cond.Check(r.Revision); err != nil {
		return "", err
	}
	time.Sleep(100 * time.Microsecond) // others may change the record meanwhile
	return s.Store.Put(ctx, k, v, store.Condition{})
}

type conflictStore struct{ store.Store }

func (s conflictStore) Delete(ctx context.Context, k store.Key, cond store.Condition) error {
	err := s.Store.Delete(ctx, k, cond)
	if _, conditional := cond.Revision(); conditional && errors.Is(err, store.ErrNotFound) {
		return store.ErrConflict
	}
	return err
}
