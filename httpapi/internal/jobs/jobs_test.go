package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// quick is work that is done at once.
func quick(context.Context, func(int, int)) (int, json.RawMessage) { return 200, json.RawMessage(`[]`) }

// start starts a job.
func start(t *testing.T, s *jobs.Service, work jobs.Work) jobs.Job {
	t.Helper()
	j, err := s.Start(t.Context(), "import", work, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// get returns a job.
func get(t *testing.T, s *jobs.Service, id string) jobs.Job {
	t.Helper()
	j, err := s.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// put writes the record of a job.
func put(t *testing.T, s store.Store, id, value string) {
	t.Helper()
	if _, err := s.Put(t.Context(), store.Key{Kind: "jobs", ID: id}, []byte(value), store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// stamp returns a time as JSON.
func stamp(t time.Time) string { return `"` + t.UTC().Format(time.RFC3339) + `"` }

// Another server over the store sees the progress and the outcome of a job, which outlives the context of its request.
func TestOtherServerSeesJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		one, other := jobs.New(shared, nil), jobs.New(shared, nil)
		defer one.Close()
		defer other.Close()
		steps, released := make(chan int), false
		ctx, cancel := context.WithCancel(t.Context())
		j, err := one.Start(ctx, "restore", func(ctx context.Context, progress func(int, int)) (int, json.RawMessage) {
			for n := range steps {
				progress(n, 10)
			}
			return 201, json.RawMessage(`[{"id":"A"}]`)
		}, func() { released = true })
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		steps <- 3
		time.Sleep(2 * time.Second)
		if got := get(t, other, j.ID); got.State != jobs.Running || got.Done != 3 || got.Total != 10 || released {
			t.Errorf("the other server sees %+v; released: %v", got, released)
		}
		time.Sleep(5 * time.Minute) // without progress
		if got := get(t, other, j.ID); got.State != jobs.Running {
			t.Errorf("after five minutes, the other server sees %+v", got)
		}
		close(steps)
		synctest.Wait()
		got := get(t, other, j.ID)
		if got.State != jobs.Done || got.Status != 201 || string(got.Result) != `[{"id":"A"}]` ||
			got.Ended.Sub(got.Begun) < 5*time.Minute || !released {
			t.Errorf("the other server sees %+v; released: %v", got, released)
		}
		all, err := other.List(t.Context())
		if err != nil || len(all) != 1 || all[0].ID != j.ID || all[0].Result != nil {
			t.Errorf("the other server lists %+v, %v", all, err)
		}
	})
}

// Progress is written at most about once a second, and a job without progress renews its record every ten seconds.
func TestWritesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counted := &countingStore{Store: memstore.New()}
		s := jobs.New(counted, nil)
		defer s.Close()
		start(t, s, func(_ context.Context, progress func(int, int)) (int, json.RawMessage) {
			for n := range 10_000 {
				progress(n, 10_000)
				time.Sleep(time.Millisecond)
			}
			time.Sleep(100 * time.Second)
			return 200, nil
		})
		synctest.Wait()
		time.Sleep(10 * time.Second)
		if n := counted.puts.Swap(0); n < 9 || n > 12 {
			t.Errorf("%d writes in ten seconds with progress", n)
		}
		time.Sleep(95 * time.Second)
		if n := counted.puts.Load(); n < 9 || n > 11 {
			t.Errorf("%d writes in 95 seconds without progress", n)
		}
	})
}

// A countingStore counts the calls of Put.
type countingStore struct {
	store.Store
	puts atomic.Int32
}

func (s *countingStore) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (
	store.Revision, error,
) {
	s.puts.Add(1)
	return s.Store.Put(ctx, key, value, cond)
}

// A job whose server does not renew its record counts as interrupted after five minutes.
func TestDeadServer(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	shared := memstore.New()
	s := jobs.New(shared, &jobs.Options{Now: func() time.Time { return now }})
	defer s.Close()
	put(t, shared, "J", `{"format":1,"kind":"restore","state":"running","begun":`+stamp(now)+`,"beat":`+stamp(now)+`}`)
	for after, want := range map[time.Duration]string{
		5 * time.Minute:             jobs.Running,
		5*time.Minute + time.Second: jobs.Interrupted,
	} {
		begun := now
		now = now.Add(after)
		if got := get(t, s, "J"); got.State != want {
			t.Errorf("after %v, the job is %s, want %s", after, got.State, want)
		}
		if all, err := s.List(t.Context()); err != nil || len(all) != 1 || all[0].State != want {
			t.Errorf("after %v, the list is %+v, %v", after, all, err)
		}
		now = begun
	}
}

// One job runs at a time, four wait for it, and the next one is refused.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jobs.New(memstore.New(), nil)
		defer s.Close()
		var working atomic.Int32
		next := make(chan struct{})
		work := func(_ context.Context, progress func(int, int)) (int, json.RawMessage) {
			if n := working.Add(1); n != 1 {
				t.Errorf("%d jobs run at once", n)
			}
			progress(1, 1)
			<-next
			working.Add(-1)
			return 200, nil
		}
		var started []jobs.Job
		for range 5 {
			started = append(started, start(t, s, work))
		}
		if _, err := s.Start(t.Context(), "import", work, func() {}); !errors.Is(err, jobs.ErrBusy) {
			t.Errorf("the sixth job: %v, want ErrBusy", err)
		}
		time.Sleep(10 * time.Minute)
		waiting := 0
		for _, j := range started {
			got := get(t, s, j.ID)
			if got.State != jobs.Running {
				t.Errorf("a job that waits for ten minutes is %s", got.State)
			}
			if got.Done == 0 {
				waiting++
			}
		}
		if waiting != 4 {
			t.Errorf("%d jobs wait, want 4", waiting)
		}
		next <- struct{}{}
		synctest.Wait()
		start(t, s, work)
		close(next)
		synctest.Wait()
		for _, j := range started {
			if got := get(t, s, j.ID); got.State != jobs.Done {
				t.Errorf("the job is %s at the end", got.State)
			}
		}
	})
}

// Close stops the job that runs and those that wait, and they are interrupted at once.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := memstore.New()
		s := jobs.New(shared, nil)
		var released atomic.Int32
		stopped := func(ctx context.Context, _ func(int, int)) (int, json.RawMessage) {
			<-ctx.Done()
			return 0, json.RawMessage(`{}`)
		}
		var ids []string
		for range 2 {
			j, err := s.Start(t.Context(), "restore", stopped, func() { released.Add(1) })
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, j.ID)
			synctest.Wait()
		}
		s.Close()
		if n := released.Load(); n != 2 {
			t.Errorf("%d jobs were released, want 2", n)
		}
		for _, id := range ids {
			got := get(t, jobs.New(shared, nil), id)
			if got.State != jobs.Interrupted || got.Result != nil || !got.Ended.IsZero() {
				t.Errorf("the job is %+v after Close", got)
			}
		}
		if _, err := s.Start(t.Context(), "restore", stopped, func() {}); !errors.Is(err, jobs.ErrClosed) {
			t.Errorf("Start after Close: %v, want ErrClosed", err)
		}
	})
}

// The outcome of a job is saved once the store can be written again.
func TestOutcomeSurvivesOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &brokenStore{Store: memstore.New()}
		s := jobs.New(broken, nil)
		defer s.Close()
		j := start(t, s, func(context.Context, func(int, int)) (int, json.RawMessage) {
			broken.down.Store(true)
			return 400, json.RawMessage(`{"message":"No."}`)
		})
		time.Sleep(10 * time.Second)
		if got := get(t, s, j.ID); got.State != jobs.Running {
			t.Errorf("during the outage, the job is %s", got.State)
		}
		broken.down.Store(false)
		time.Sleep(time.Minute)
		if got := get(t, s, j.ID); got.State != jobs.Failed || got.Status != 400 {
			t.Errorf("after the outage, the job is %+v", got)
		}
	})
}

// A brokenStore cannot be written while it is down.
type brokenStore struct {
	store.Store
	down atomic.Bool
}

func (s *brokenStore) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (
	store.Revision, error,
) {
	if s.down.Load() {
		return "", errors.New("down")
	}
	return s.Store.Put(ctx, key, value, cond)
}

// Jobs are kept for a day, and at most 100. A job that runs is kept, however old it is, and so is the record of a newer
// version, which is refused.
func TestPruning(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	shared := memstore.New()
	s := jobs.New(shared, &jobs.Options{Now: func() time.Time { return now }})
	defer s.Close()
	record := func(state string, begun, ended, beat time.Time) string {
		return `{"format":1,"kind":"import","state":"` + state + `","begun":` + stamp(begun) + `,"ended":` +
			stamp(ended) + `,"beat":` + stamp(beat) + `}`
	}
	day := 24 * time.Hour
	put(t, shared, "Old", record(jobs.Done, now.Add(-2*day), now.Add(-day-time.Second), now.Add(-day)))
	put(t, shared, "Long", record(jobs.Done, now.Add(-2*day), now.Add(-day), now.Add(-day)))
	put(t, shared, "Runs", record(jobs.Running, now.Add(-3*day), time.Time{}, now))
	put(t, shared, "Dead", `{"format":1,"kind":"import","state":"running","begun":`+stamp(now.Add(-2*day))+`,"beat":`+
		stamp(now.Add(-2*day))+`}`)
	put(t, shared, "Newer", `{"format":2,"kind":"import","state":"done"}`)
	exist := func(want map[string]bool) {
		t.Helper()
		for id, kept := range want {
			_, err := shared.Get(t.Context(), store.Key{Kind: "jobs", ID: id})
			if kept != (err == nil) {
				t.Errorf("the record %s: %v, want it kept: %v", id, err, kept)
			}
		}
	}
	for _, id := range []string{"Old", "Dead", "Nope", ""} {
		if j, err := s.Job(t.Context(), id); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("Job %q: %+v, %v, want ErrNotFound", id, j, err)
		}
	}
	if _, err := s.Job(t.Context(), "Newer"); !errors.Is(err, store.ErrFormat) {
		t.Errorf("a job of a newer version: %v, want ErrFormat", err)
	}
	s.Prune(t.Context())
	exist(map[string]bool{"Old": false, "Dead": false, "Long": true, "Runs": true, "Newer": true})
	for n := range 100 {
		begun := now.Add(time.Duration(n) * time.Second)
		put(t, shared, fmt.Sprintf("J%03d", n), record(jobs.Failed, begun, begun, begun))
	}
	s.Prune(t.Context())
	exist(map[string]bool{"J000": true, "J099": true, "Long": false, "Runs": true, "Newer": true})
	all, err := s.List(t.Context())
	if err != nil || len(all) != 100 || all[0].ID != "J099" || all[99].ID != "J000" {
		t.Errorf("the list has %d jobs, %v", len(all), err)
	}
}

func TestStartPrunes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := jobs.New(memstore.New(), nil)
		defer s.Close()
		old := start(t, s, quick)
		time.Sleep(25 * time.Hour)
		j := start(t, s, quick)
		synctest.Wait()
		all, err := s.List(t.Context())
		if err != nil || len(all) != 1 || all[0].ID != j.ID || all[0].ID == old.ID {
			t.Errorf("the list is %+v, %v", all, err)
		}
	})
}
