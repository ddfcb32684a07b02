package s3store_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
)

// thing is the key of the record that most tests change, and thingName the name of its object.
var thing = store.Key{Kind: "things", ID: "a"}

const (
	thingName = "things/a"
	headName  = "_head"
)

var errCut = errors.New("the connection was cut")

// put writes a record unconditionally.
func put(t testing.TB, s store.Store, key store.Key, value string) store.Revision {
	t.Helper()
	rev, err := s.Put(t.Context(), key, []byte(value), store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// holds fails the test unless a record has a value and a revision.
func holds(t testing.TB, s store.Store, value string, rev store.Revision) {
	t.Helper()
	r, err := s.Get(t.Context(), thing)
	if err != nil || string(r.Value) != value || r.Revision != rev {
		t.Errorf("Get returns %q in revision %q, %v, want %q in revision %q", r.Value, r.Revision, err, value, rev)
	}
}

// once returns a hook that returns an error for the first of the requests of a kind for an object.
func once(call, key string, err error) func(request) error {
	var done atomic.Bool
	return func(r request) error {
		if r.call == call && r.key == key && done.CompareAndSwap(false, true) {
			return err
		}
		return nil
	}
}

// isUnknown reports whether an error says that the outcome of a write is unknown.
func isUnknown(err error) bool {
	return err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound)
}

// conditions are the conditions of a write that hold for the record thing. The revision is empty if there is none.
func conditions(rev store.Revision) map[string]store.Condition {
	if rev == "" {
		return map[string]store.Condition{"none": {}, "absent": store.IfAbsent()}
	}
	return map[string]store.Condition{"none": {}, "revision": store.IfRevision(rev)}
}

// A Put whose answer is lost succeeds if it was carried out.
func TestLostAnswerOfAPut(t *testing.T) {
	for _, before := range []string{"nothing", "a record", "a tombstone"} {
		for _, name := range []string{"none", "absent", "revision"} {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				s := open(t, f, nil)
				rev := prepare(t, s, before)
				cond, ok := conditions(rev)[name]
				if !ok {
					return
				}
				f.hook(nil, once("put", thingName, errCut))
				rev, err := s.Put(t.Context(), thing, []byte("new"), cond)
				if err != nil {
					t.Fatalf("Put over %s under the condition %s: %v", before, name, err)
				}
				holds(t, s, "new", rev)
			})
		}
	}
}

// prepare leaves the record thing, a tombstone or nothing. It returns the revision of the record.
func prepare(t *testing.T, s store.Store, what string) store.Revision {
	t.Helper()
	if what == "nothing" {
		return ""
	}
	rev := put(t, s, thing, "old")
	if what == "a record" {
		return rev
	}
	if err := s.Delete(t.Context(), thing, store.IfRevision(rev)); err != nil {
		t.Fatal(err)
	}
	return ""
}

// A write of a revision that was not carried out is sent again, and no other.
func TestLostRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		f.hook(once("put", thingName, errCut), nil)
		_, err := s.Put(t.Context(), thing, []byte("1"), store.IfAbsent())
		if !isUnknown(err) || !errors.Is(err, errCut) {
			t.Errorf("Put with IfAbsent: %v, want an unknown outcome", err)
		}
		f.hook(once("put", thingName, errCut), nil)
		if _, err := s.Put(t.Context(), thing, []byte("1"), store.Condition{}); !isUnknown(err) {
			t.Errorf("Put without a condition: %v, want an unknown outcome", err)
		}
		rev := put(t, s, thing, "1")
		f.hook(once("put", thingName, errCut), nil)
		rev, err = s.Put(t.Context(), thing, []byte("2"), store.IfRevision(rev))
		if err != nil {
			t.Fatalf("Put with IfRevision: %v", err)
		}
		holds(t, s, "2", rev)
		f.hook(once("put", thingName, errCut), nil)
		if err := s.Delete(t.Context(), thing, store.IfRevision(rev)); err != nil {
			t.Errorf("Delete with IfRevision: %v", err)
		}
	})
}

// If the answer is lost and another server has written since, the outcome is unknown, whatever the condition.
func TestLostAnswerAndAnotherWriter(t *testing.T) {
	for _, carriedOut := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			s, other := open(t, f, nil), open(t, f, nil)
			rev := put(t, s, thing, "old")
			overtaken := func(r request) error {
				f.hook(nil, nil)
				put(t, other, thing, "other")
				return errCut
			}
			hook := func() {
				onPut := func(r request) error {
					if r.call == "put" && r.key == thingName {
						return overtaken(r)
					}
					return nil
				}
				if carriedOut {
					f.hook(nil, onPut)
				} else {
					f.hook(onPut, nil)
				}
			}
			hook()
			if _, err := s.Put(t.Context(), thing, []byte("new"), store.IfRevision(rev)); !isUnknown(err) {
				t.Errorf("Put, carried out: %v: %v, want an unknown outcome", carriedOut, err)
			}
			rev = put(t, s, thing, "old")
			hook()
			if err := s.Delete(t.Context(), thing, store.IfRevision(rev)); !isUnknown(err) {
				t.Errorf("Delete, carried out: %v: %v, want an unknown outcome", carriedOut, err)
			}
		})
	}
}

// A proxy may send a request again although it was carried out. The refusal of the repetition is not one of the write.
func TestRepeatedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		refused := apiError(http.StatusPreconditionFailed, "PreconditionFailed")
		f.hook(nil, once("put", thingName, refused))
		rev, err := s.Put(t.Context(), thing, []byte("1"), store.IfAbsent())
		if err != nil {
			t.Fatalf("Put: %v", err)
		}
		f.hook(nil, once("put", thingName, refused))
		if err := s.Delete(t.Context(), thing, store.IfRevision(rev)); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
}

// The outcome of a Delete without a condition whose answer is lost is unknown: the request may still be carried out.
func TestLostAnswerOfADelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		put(t, s, thing, "1")
		f.hook(nil, once("delete", thingName, errCut))
		if err := s.Delete(t.Context(), thing, store.Condition{}); !isUnknown(err) {
			t.Errorf("Delete: %v, want an unknown outcome", err)
		}
	})
}

// A server that is busy is asked again.
func TestBusy(t *testing.T) {
	for _, busy := range []error{
		apiError(http.StatusConflict, "ConditionalRequestConflict"),
		apiError(http.StatusServiceUnavailable, "SlowDown"),
		apiError(http.StatusTooManyRequests, "TooManyRequests"),
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			s := open(t, f, nil)
			left := 5
			f.hook(func(r request) error {
				if left--; r.call == "put" && left >= 0 {
					return busy
				}
				return nil
			}, nil)
			if _, err := s.Put(t.Context(), thing, nil, store.IfAbsent()); err != nil {
				t.Errorf("Put: %v", err)
			}
			f.hook(func(r request) error {
				if r.call == "put" {
					return busy
				}
				return nil
			}, nil)
			if _, err := s.Put(t.Context(), thing, nil, store.Condition{}); !isUnknown(err) || !errors.Is(err, busy) {
				t.Errorf("Put while the server stays busy: %v, want that error", err)
			}
			f.hook(nil, nil)
		})
	}
}

// A request that the server does not accept was not carried out, and is not sent again.
func TestDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		denied := apiError(http.StatusForbidden, "AccessDenied")
		f.hook(func(r request) error { return denied }, nil)
		before := f.count("put") + f.count("get")
		_, err := s.Put(t.Context(), thing, nil, store.IfAbsent())
		if !isUnknown(err) || !errors.Is(err, denied) || strings.Contains(err.Error(), "unknown") {
			t.Errorf("Put: %v, want the server's error", err)
		}
		if n := f.count("put") + f.count("get") - before; n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		_, err = s.Get(t.Context(), thing)
		if !isUnknown(err) || !errors.Is(err, denied) {
			t.Errorf("Get: %v, want the server's error", err)
		}
		f.hook(nil, nil)
	})
}

// A create that arrives late, after the record was created and deleted by others, is refused: a tombstone differs from
// every earlier one.
func TestLateCreateOverATombstone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		prepare(t, s, "a tombstone")
		f.hook(func(r request) error {
			if r.call == "put" && r.key == thingName && strings.HasSuffix(r.body, "late") {
				f.hook(nil, nil)
				prepare(t, other, "a tombstone")
				put(t, other, thing, "other")
			}
			return nil
		}, nil)
		if _, err := s.Put(t.Context(), thing, []byte("late"), store.IfAbsent()); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Put: %v, want ErrConflict", err)
		}
	})
}

// Equal bytes in a record do not bring an old revision back, also after it was deleted.
func TestEqualBytes(t *testing.T) {
	s := open(t, newFake(), nil)
	first := put(t, s, thing, "same")
	second := put(t, s, thing, "same")
	if err := s.Delete(t.Context(), thing, store.IfRevision(second)); err != nil {
		t.Fatal(err)
	}
	third, err := s.Put(t.Context(), thing, []byte("same"), store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	for _, rev := range []store.Revision{first, second} {
		if _, err := s.Put(t.Context(), thing, []byte("x"), store.IfRevision(rev)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Put with an old revision: %v, want ErrConflict", err)
		}
		if err := s.Delete(t.Context(), thing, store.IfRevision(rev)); !errors.Is(err, store.ErrConflict) {
			t.Errorf("Delete with an old revision: %v, want ErrConflict", err)
		}
	}
	holds(t, s, "same", third)
}

// A request that the server does not answer times out.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, silentClient{f}, nil)
		f.hook(func(r request) error {
			if r.key == thingName {
				return errSilent
			}
			return nil
		}, nil)
		if _, err := s.Get(t.Context(), thing); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get: %v, want the error of a deadline", err)
		}
		if _, err := s.Put(t.Context(), thing, nil, store.IfAbsent()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put: %v, want the error of a deadline", err)
		}
		f.hook(nil, nil)
	})
}

func TestLargeValue(t *testing.T) {
	s := open(t, newFake(), nil)
	if _, err := s.Put(t.Context(), thing, make([]byte, 32<<20+1), store.Condition{}); !isUnknown(err) {
		t.Errorf("Put of more than 32 MiB: %v, want an error", err)
	}
}

// Objects that are not those of records are not listed, and corrupt ones are errors.
func TestForeignAndCorruptObjects(t *testing.T) {
	f := newFake()
	s := open(t, f, &s3store.Options{Prefix: "p"})
	rev := put(t, s, thing, "value")
	good, _ := f.body("p/" + thingName)
	for _, name := range []string{
		"p/things/", "p/things/.hidden", "p/things/sub/a", "p/thingsa", "p/other", "q/things/b",
	} {
		f.set(name, "foreign")
	}
	n := 0
	for r, err := range s.List(t.Context(), "things") {
		if n++; err != nil || r.Revision != rev {
			t.Errorf("List yields %v, %v", r.Key, err)
		}
	}
	if n != 1 {
		t.Errorf("List yields %d records, want 1", n)
	}
	for name, body := range map[string]string{
		"empty":       "",
		"no header":   "value",
		"cut":         good[:len(good)-1],
		"longer":      good + " ",
		"another id":  strings.Replace(good, `"id":"a"`, `"id":"b"`, 1),
		"changed":     strings.Replace(good, "value", "VALUE", 1),
		"only header": good[:strings.Index(good, "\n")+1],
	} {
		f.set("p/"+thingName, body)
		if _, err := s.Get(t.Context(), thing); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: Get: %v, want ErrCorrupt", name, err)
		}
		if _, err := s.Put(t.Context(), thing, nil, store.IfAbsent()); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: Put with IfAbsent: %v, want ErrConflict", name, err)
		}
		var listErr error
		for _, err := range s.List(t.Context(), "things") {
			listErr = err
		}
		if !errors.Is(listErr, store.ErrCorrupt) {
			t.Errorf("%s: List: %v, want ErrCorrupt", name, listErr)
		}
	}
	if err := s.Delete(t.Context(), thing, store.Condition{}); err != nil {
		t.Errorf("Delete of a corrupt record: %v", err)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, newFake(), nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := s.Get(t.Context(), thing)
	_, putErr := s.Put(t.Context(), thing, nil, store.Condition{})
	errs := []error{getErr, putErr, s.Delete(t.Context(), thing, store.Condition{}), s.Ping(t.Context())}
	for _, err := range s.List(t.Context(), "things") {
		errs = append(errs, err)
	}
	for _, err := range s.Watch(t.Context(), "things") {
		errs = append(errs, err)
	}
	if len(errs) != 6 {
		t.Errorf("%d errors, want 6", len(errs))
	}
	for i, err := range errs {
		if !isUnknown(err) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("call %d: %v", i, err)
		}
	}
}
