package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// logged returns a logger, and the number of lines that it has logged when all goroutines of the bubble wait.
func logged() (log *slog.Logger, lines func() int) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), func() int {
		synctest.Wait()
		return bytes.Count(b.Bytes(), []byte("\n"))
	}
}

// asleep returns work that takes some time.
func asleep(d time.Duration) jobs.Work {
	return func(_ context.Context, progress func(int, int)) (int, json.RawMessage) {
		for n := range int(d / time.Second) {
			progress(n, 0)
			time.Sleep(time.Second)
		}
		return 200, json.RawMessage(`[]`)
	}
}

// While the store is down, a job that runs logs that once and not every second.
func TestOutageIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &brokenStore{Store: memstore.New()}
		log, lines := logged()
		s := jobs.New(broken, &jobs.Options{Logger: log})
		defer s.Close()
		j := start(t, s, asleep(time.Hour))
		for range 2 {
			time.Sleep(time.Minute)
			broken.down.Store(true)
			time.Sleep(10 * time.Minute)
			broken.down.Store(false)
		}
		time.Sleep(time.Minute)
		if n := lines(); n != 2 {
			t.Errorf("%d lines about two outages, want 2", n)
		}
		time.Sleep(time.Hour)
		if got := get(t, s, j.ID); got.State != jobs.Done {
			t.Errorf("the job is %+v", got)
		}
	})
}

// A job whose record was removed goes on, and logs little.
func TestRemovedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		log, lines := logged()
		service := jobs.New(s, &jobs.Options{Logger: log})
		defer service.Close()
		j := start(t, service, asleep(time.Hour))
		if err := s.Delete(t.Context(), store.Key{Kind: "jobs", ID: j.ID}, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if n := lines(); n != 2 {
			t.Errorf("%d lines, want one about the progress and one about the outcome", n)
		}
	})
}

// A hangingStore does not answer while it hangs, until the context of a call ends.
type hangingStore struct {
	store.Store
	hangs atomic.Bool
}

func (s *hangingStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if s.hangs.Load() {
		<-ctx.Done()
		return store.Record{}, ctx.Err()
	}
	return s.Store.Get(ctx, key)
}

// A store that does not answer does not keep a server from stopping.
func TestCloseWhileStoreHangs(t *testing.T) {
	for name, work := range map[string]jobs.Work{
		"the job runs": func(ctx context.Context, _ func(int, int)) (int, json.RawMessage) {
			<-ctx.Done()
			return 0, nil
		},
		"the job has ended": quick,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &hangingStore{Store: memstore.New()}
				service := jobs.New(s, nil)
				s.hangs.Store(true)
				start(t, service, work)
				synctest.Wait()
				begun := time.Now()
				service.Close()
				if d := time.Since(begun); d > 30*time.Second {
					t.Errorf("Close took %v", d)
				}
			})
		})
	}
}

// A damagedStore has a corrupt record, at which a list ends.
type damagedStore struct {
	store.Store
	corrupt string
}

func (s *damagedStore) Get(ctx context.Context, key store.Key) (store.Record, error) {
	if key.ID == s.corrupt {
		return store.Record{}, store.ErrCorrupt
	}
	return s.Store.Get(ctx, key)
}

func (s *damagedStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range s.Store.List(ctx, kind) {
			if r.Key.ID == s.corrupt {
				yield(store.Record{}, store.ErrCorrupt)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Revisions implements store.Revisioner.
func (s *damagedStore) Revisions(ctx context.Context, kind string) iter.Seq2[store.Change, error] {
	return store.Revisions(ctx, s.Store, kind)
}

// The record of a job that is corrupt hides no other, and old ones are still removed.
func TestCorruptRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &damagedStore{Store: memstore.New(), corrupt: "A"}
		put(t, s, "A", `{"format":1,"kind":"restore","state":"done"}`)
		service := jobs.New(s, nil)
		defer service.Close()
		old := start(t, service, quick)
		time.Sleep(25 * time.Hour)
		j := start(t, service, quick)
		synctest.Wait()
		if all, err := service.List(t.Context()); err != nil || len(all) != 1 || all[0].ID != j.ID {
			t.Errorf("the list is %+v, %v; want the new job", all, err)
		}
		if _, err := s.Get(t.Context(), store.Key{Kind: "jobs", ID: old.ID}); err == nil {
			t.Error("the record of the old job is still there")
		}
	})
}

// A panickingStore panics when a record is written.
type panickingStore struct{ store.Store }

func (s panickingStore) Put(context.Context, store.Key, []byte, store.Condition) (store.Revision, error) {
	panic("a fault of the store")
}

// A panic of the store while a job starts neither takes the place of a job for good nor delays Close.
func TestPanicWhileStarting(t *testing.T) {
	s := jobs.New(panickingStore{memstore.New()}, nil)
	for range 10 {
		func() {
			defer func() {
				if v := recover(); v != "a fault of the store" {
					t.Fatalf("recovered %v", v)
				}
			}()
			_, err := s.Start(t.Context(), "import", quick, func() {})
			t.Fatalf("Start returned %v", err)
		}()
	}
	s.Close()
}
