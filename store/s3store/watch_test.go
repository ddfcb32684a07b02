package s3store_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
)

// A recorder records what a watch yields: ids, "gap" for the zero Key, and "error".
type recorder struct {
	mu   sync.Mutex
	seen []string
	errs []error
}

// watch records a watch of a kind until the test ends.
func watch(t testing.TB, s *s3store.Store, kind string) *recorder {
	w := &recorder{}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(cancel)
	all.Go(func() {
		for c, err := range s.Watch(ctx, kind) {
			w.mu.Lock()
			switch {
			case err != nil:
				w.seen, w.errs = append(w.seen, "error"), append(w.errs, err)
			case c.Key == store.Key{}:
				w.seen = append(w.seen, "gap")
			default:
				w.seen = append(w.seen, c.Key.ID)
			}
			w.mu.Unlock()
		}
	})
	return w
}

// yields fails the test unless a watch has yielded this, and no more, since the last call.
func (w *recorder) yields(t testing.TB, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.seen); diff != "" {
		t.Errorf("the watch yields (-want +got), with errors %v:\n%s", w.errs, diff)
	}
	w.seen, w.errs = nil, nil
}

// down has every request for the head fail.
func down(f *fake) {
	f.hook(func(r request) error {
		if r.key == headName {
			return errCut
		}
		return nil
	}, nil)
}

// wait lets time pass in a bubble of synctest.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// A change is seen by another server after one poll, and one of the same process at once.
func TestWatchLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		w := watch(t, s, "things")
		wait(0)
		w.yields(t, "gap")
		put(t, s, thing, "1")
		wait(0)
		w.yields(t, "a")
		put(t, other, store.Key{Kind: "things", ID: "b"}, "1")
		put(t, other, store.Key{Kind: "others", ID: "c"}, "1")
		if err := other.Delete(t.Context(), thing, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		wait(500 * time.Millisecond)
		w.yields(t, "b", "a")
	})
}

// When more changes were made between two readings than the head has, the watch yields the zero Key.
// The head does not grow beyond 64 KiB, however long the ids are.
// A server that is killed between the write of a record and that of the head announces nothing. The other servers find
// the change when they list the kind.
func TestCrashBeforeTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		rev := put(t, s, thing, "1")
		w := watch(t, s, "things")
		wait(time.Second)
		w.yields(t, "gap")

		killed := open(t, crashingClient{f}, nil)
		if _, err := killed.Put(t.Context(), thing, []byte("2"), store.IfRevision(rev)); !isUnknown(err) {
			t.Fatalf("Put: %v, want an unknown outcome", err)
		}
		if err := killed.Close(); err != nil {
			t.Fatal(err)
		}
		wait(9 * time.Minute)
		w.yields(t)
		wait(2 * time.Minute)
		w.yields(t, "a")
		if r, err := s.Get(t.Context(), thing); err != nil || string(r.Value) != "2" {
			t.Errorf("Get returns %q, %v, want the value of the killed server", r.Value, err)
		}
		wait(30 * time.Minute)
		w.yields(t)
	})
}

// A crashingClient cannot write to the head after it was opened.
type crashingClient struct{ *fake }

func (c crashingClient) PutObject(
	ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	if _, exists := c.body(headName); exists && *in.Key == headName {
		return nil, errCut
	}
	return c.fake.PutObject(ctx, in, o...)
}

// If the head cannot be written, Put returns an error although the record was written, and the change is announced when
// the head can be written again.
// hasValue fails the test unless the record thing has a value.
func hasValue(t testing.TB, s store.Store, value string) {
	t.Helper()
	if r, err := s.Get(t.Context(), thing); err != nil || string(r.Value) != value {
		t.Errorf("Get returns %q, %v, want %q", r.Value, err, value)
	}
}

// More changes than the head has room for, made while it cannot be written, are a gap.
// The outcome of a write is unknown, and it was not announced. It is announced without an outcome.
// A head that cannot be read is an error of the watch within three seconds, whether requests fail or are not answered.
// When it can be read again, the zero Key comes first.
func TestConnectionLost(t *testing.T) {
	for name, fault := range map[string]error{"cut": errCut, "silent": errSilent} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				s := open(t, silentClient{f}, nil)
				other := open(t, f, nil)
				w := watch(t, s, "things")
				wait(10*time.Second + 200*time.Millisecond)
				w.yields(t, "gap")
				f.hook(func(r request) error {
					if r.call == "get" && r.key == headName {
						return fault
					}
					return nil
				}, nil)
				wait(time.Second)
				w.yields(t)
				wait(2 * time.Second)
				w.yields(t, "error")
				wait(time.Minute)
				w.yields(t)
				f.hook(nil, nil)
				put(t, other, thing, "1")
				wait(3 * time.Second)
				w.yields(t, "gap")
				put(t, other, thing, "2")
				wait(time.Second)
				w.yields(t, "a")
			})
		})
	}
}

// A head that is deleted or overwritten is replaced, and the watch yields the zero Key.
// A bucket whose head is restored from a backup has an older count of changes.
// A watch begins only when the kind could be listed.
func TestFirstListFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		f.hook(func(r request) error {
			if r.call == "list" {
				return errCut
			}
			return nil
		}, nil)
		w := watch(t, s, "things")
		wait(time.Second / 2)
		w.yields(t, "error")
		f.hook(nil, nil)
		wait(2 * time.Second)
		w.yields(t, "gap")
	})
}

// Without checks, no kind is listed.
func TestNoChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, &s3store.Options{CheckInterval: -1})
		before := f.count("list")
		w := watch(t, s, "things")
		wait(time.Hour)
		w.yields(t, "gap")
		put(t, s, thing, "1")
		wait(time.Second)
		w.yields(t, "a")
		if n := f.count("list") - before; n != 0 {
			t.Errorf("%d lists, want none", n)
		}
	})
}

// Changes that a process makes at once share writes of the head.
// A caller that gives up while the head is written gets an error, and the change is announced.
// A program does not change a store whose layout is newer, nor open it.
// Ping finds out that the server cannot be reached, or that nothing can be written, at a write a minute at most.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		denied := apiError(http.StatusForbidden, "AccessDenied")
		writes := f.count("put")
		for range 60 {
			if err := s.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			wait(10 * time.Second)
		}
		if n := f.count("put") - writes; n < 8 || n > 10 {
			t.Errorf("%d writes in 10 minutes, want one a minute", n)
		}
		f.hook(func(r request) error {
			if r.call == "put" {
				return denied
			}
			return nil
		}, nil)
		wait(time.Minute)
		if err := s.Ping(t.Context()); !errors.Is(err, denied) {
			t.Errorf("without the permission to write: %v", err)
		}
		down(f)
		if err := s.Ping(t.Context()); !errors.Is(err, errCut) {
			t.Errorf("without the server: %v", err)
		}
		f.hook(nil, nil)
	})
}
