package s3store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
)

func TestOverrunOfTheHead(t *testing.T) {
	for _, n := range []int{500, 501} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			s, other := open(t, f, nil), open(t, f, nil)
			w := watch(t, s, "things")
			wait(0)
			w.yields(t, "gap")
			for i := range n {
				put(t, other, store.Key{Kind: "others", ID: fmt.Sprint(i)}, "1")
			}
			wait(time.Second)
			if n > 500 {
				w.yields(t, "gap")
			} else {
				w.yields(t)
			}
			put(t, other, thing, "1")
			wait(time.Second)
			w.yields(t, "a")
		})
	}
}

func TestSizeOfTheHead(t *testing.T) {
	f := newFake()
	s := open(t, f, nil)
	for i := range 300 {
		put(t, s, store.Key{Kind: "things", ID: strings.Repeat("x", 500) + fmt.Sprint(i)}, "1")
	}
	if body, _ := f.body(headName); len(body) < 60<<10 || len(body) > 72<<10 {
		t.Errorf("the head has %d bytes", len(body))
	}
}

func TestHeadCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		w := watch(t, s, "things")
		wait(time.Second)
		w.yields(t, "gap")
		f.hook(func(r request) error {
			if r.call == "put" && r.key == headName {
				return errCut
			}
			return nil
		}, nil)
		if _, err := other.Put(t.Context(), thing, []byte("1"), store.IfAbsent()); !isUnknown(err) {
			t.Errorf("Put: %v, want an error", err)
		}
		hasValue(t, s, "1")
		wait(10 * time.Second)
		w.yields(t)
		f.hook(nil, nil)
		wait(10 * time.Second)
		w.yields(t, "a")
	})
}

func TestHeadCannotBeWrittenForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		w := watch(t, s, "things")
		wait(time.Second)
		w.yields(t, "gap")
		f.hook(func(r request) error {
			if r.call == "put" && r.key == headName {
				return errCut
			}
			return nil
		}, nil)
		var all sync.WaitGroup
		for i := range 1100 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				_, err := other.Put(t.Context(), store.Key{Kind: "things", ID: fmt.Sprint(i)}, nil, store.Condition{})
				if !isUnknown(err) {
					t.Errorf("Put: %v, want an error", err)
				}
			})
		}
		all.Wait()
		f.hook(nil, nil)
		wait(10 * time.Second)
		w.yields(t, "gap")
		put(t, other, thing, "1")
		wait(time.Second)
		w.yields(t, "a")
	})
}

func TestUnknownOutcomeIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		w := watch(t, s, "things")
		wait(time.Second)
		w.yields(t, "gap")
		f.hook(once("put", thingName, errCut), nil)
		if _, err := other.Put(t.Context(), thing, nil, store.IfAbsent()); !isUnknown(err) {
			t.Errorf("Put: %v, want an unknown outcome", err)
		}
		wait(time.Second)
		w.yields(t, "a")
	})
}

func TestHeadIsLost(t *testing.T) {
	for name, lose := range map[string]func(f *fake){
		"deleted":     func(f *fake) { f.mu.Lock(); delete(f.objects, headName); f.mu.Unlock() },
		"overwritten": func(f *fake) { f.set(headName, "nonsense") },
	} {
		for _, watcher := range []string{"the same", "another"} {
			t.Run(name+", "+watcher, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFake()
					s, other := open(t, f, nil), open(t, f, nil)
					put(t, s, thing, "1")
					w := watch(t, s, "things")
					wait(time.Second + 200*time.Millisecond) // between two readings of the head
					w.yields(t, "gap")
					lose(f)
					if watcher == "the same" {
						other = s
					}
					put(t, other, thing, "2")
					wait(time.Second)
					w.yields(t, "gap")
					put(t, other, thing, "3")
					wait(time.Second)
					w.yields(t, "a")
				})
			})
		}
	}
}

func TestHeadIsRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		put(t, s, thing, "1")
		backup, _ := f.body(headName)
		put(t, s, thing, "2")
		w := watch(t, s, "things")
		wait(time.Second)
		w.yields(t, "gap")
		f.set(headName, backup)
		wait(time.Second)
		w.yields(t, "gap")
		put(t, other, thing, "3")
		wait(time.Second)
		w.yields(t, "a")
	})
}

func TestUnannouncedKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, &s3store.Options{Unannounced: []string{"leases", "things"}})
		before, _ := f.body(headName)
		put(t, s, thing, "1")
		if err := s.Delete(t.Context(), thing, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if after, _ := f.body(headName); after != before {
			t.Error("the head was written")
		}
		w := watch(t, s, "things")
		wait(0)
		w.yields(t, "error")
		w = watch(t, s, "history")
		wait(0)
		w.yields(t, "gap")
	})
}

func TestChangesShareTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		heads := 0
		f.hook(func(r request) error {
			if r.call == "put" {
				time.Sleep(10 * time.Millisecond)
			}
			if r.call == "put" && r.key == headName {
				heads++
			}
			return nil
		}, nil)
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { put(t, s, store.Key{Kind: "things", ID: fmt.Sprint(i)}, "1") })
		}
		all.Wait()
		if heads > 3 {
			t.Errorf("the head was written %d times for 100 changes at once, want at most 3", heads)
		}
	})
}

func TestCanceledWhileTheHeadIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		w := watch(t, s, "things")
		wait(0)
		w.yields(t, "gap")
		f.hook(func(r request) error {
			if r.call == "put" && r.key == headName {
				time.Sleep(5 * time.Second)
			}
			return nil
		}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Put(ctx, thing, nil, store.IfAbsent()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put: %v, want the error of the context", err)
		}
		wait(10 * time.Second)
		w.yields(t, "a")
	})
}

func TestNewerLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		put(t, s, thing, "1")
		w := watch(t, s, "things")
		wait(0)
		w.yields(t, "gap")
		body, _ := f.body(headName)
		f.set(headName, strings.Replace(body, `"layout":1`, `"layout":2`, 1))
		wait(5 * time.Second)
		w.yields(t, "error")
		_, putErr := s.Put(t.Context(), thing, nil, store.Condition{})
		_, openErr := s3store.Open(t.Context(), f, "bucket", nil)
		deleteErr := s.Delete(t.Context(), thing, store.Condition{})
		for _, err := range []error{putErr, deleteErr, openErr, s.Ping(t.Context())} {
			if !errors.Is(err, store.ErrFormat) {
				t.Errorf("got %v, want ErrFormat", err)
			}
		}
		hasValue(t, s, "1")
	})
}
