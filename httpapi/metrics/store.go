package metrics

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Store returns a store that calls s and observes the duration and the failures of its operations. The optional
// capabilities of s are found through it by store.As.
func (m *Metrics) Store(s store.Store) store.Store {
	for _, operation := range []string{"get", "put", "delete", "list"} {
		m.failures.WithLabelValues(operation) // 0 from the start, so that the first failure is an increase
	}
	return &observedStore{s, m}
}

type observedStore struct {
	store.Store
	metrics *Metrics
}

// Unwrap returns the inner store, for store.As.
func (s *observedStore) Unwrap() store.Store { return s.Store }

// observe counts an operation. A record that does not exist, or that has changed, is not a failure of the store.
func (s *observedStore) observe(operation string, began time.Time, err error) {
	s.metrics.stores.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) &&
		!errors.Is(err, context.Canceled) {
		s.metrics.failures.WithLabelValues(operation).Inc()
	}
}

// Get implements store.Store.
func (s *observedStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	began := time.Now()
	record, err := s.Store.Get(ctx, key)
	s.observe("get", began, err)
	return record, err
}

// Put implements store.Store.
func (s *observedStore) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (
	store.Revision, error,
) {
	began := time.Now()
	revision, err := s.Store.Put(ctx, key, value, cond)
	s.observe("put", began, err)
	return revision, err
}

// Delete implements store.Store.
func (s *observedStore) Delete(ctx context.Context, key store.Key, cond store.Condition) error {
	began := time.Now()
	err := s.Store.Delete(ctx, key, cond)
	s.observe("delete", began, err)
	return err
}

// List implements store.Store. The duration does not include the time that the loop over the records takes.
func (s *observedStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		began, inLoop := time.Now(), time.Duration(0)
		var failures error
		for record, err := range s.Store.List(ctx, kind) {
			failures = errors.Join(failures, err)
			yielded := time.Now()
			more := yield(record, err)
			inLoop += time.Since(yielded)
			if !more {
				break
			}
		}
		s.observe("list", began.Add(inLoop), failures)
	}
}
