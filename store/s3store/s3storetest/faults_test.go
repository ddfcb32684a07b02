package s3storetest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
)

var thing = store.Key{Kind: "things", ID: "a"}

// eachServer runs a test over each server, as a subtest.
func eachServer(t *testing.T, test func(t *testing.T, s *s3storetest.Server)) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			started, err := s.start()
			s3storetest.Check(t, err)
			test(t, started)
		})
	}
}

// A write that the server has carried out, and whose answer was lost, succeeds. The SDK does not send it again.
func TestLostAnswers(t *testing.T) {
	eachServer(t, func(t *testing.T, server *s3storetest.Server) {
		box, endpoint := newMiddlebox(t, server)
		s := open(t, s3storetest.Client(endpoint), &s3store.Options{Prefix: newPrefix()})
		lost := 0
		box.set(func() {
			box.cut = func(r *http.Request) bool {
				if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "things/a") {
					return false
				}
				lost++
				return true
			}
		})
		var rev store.Revision
		for _, cond := range []func() store.Condition{
			store.IfAbsent,
			func() store.Condition { return store.Condition{} },
			func() store.Condition { return store.IfRevision(rev) },
		} {
			var err error
			if rev, err = s.Put(t.Context(), thing, []byte("value"), cond()); err != nil {
				t.Fatalf("Put: %v", err)
			}
			if r, err := s.Get(t.Context(), thing); err != nil || r.Revision != rev {
				t.Errorf("Get returns the revision %q, %v, want %q", r.Revision, err, rev)
			}
		}
		if err := s.Delete(t.Context(), thing, store.IfRevision(rev)); err != nil {
			t.Errorf("Delete: %v", err)
		}
		if lost != 4 {
			t.Errorf("%d writes were sent, want 4", lost)
		}
	})
}

// A server that ignores conditions is refused.
func TestOpenRefusesTheServer(t *testing.T) {
	for _, header := range []string{"If-Match", "If-None-Match"} {
		box, endpoint := newMiddlebox(t, server(t))
		box.strip = []string{header}
		_, err := s3store.Open(t.Context(), s3storetest.Client(endpoint), s3storetest.Bucket, nil)
		if err == nil || !strings.Contains(err.Error(), "ignores the header "+header) ||
			!strings.Contains(err.Error(), endpoint) {
			t.Errorf("without %s: %v", header, err)
		}
	}
	_, err := s3store.Open(t.Context(), server(t).Client(), "no-such-bucket", nil)
	if err == nil || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("without a bucket: %v", err)
	}
}

// Reading the head costs little while nothing changes, and a write is one request for the record and one for the head.
func TestAnswers(t *testing.T) {
	eachServer(t, func(t *testing.T, server *s3storetest.Server) {
		box, endpoint := newMiddlebox(t, server)
		s := open(t, s3storetest.Client(endpoint), &s3store.Options{
			Prefix: newPrefix(), PollInterval: 10 * time.Millisecond,
		})
		polls, polled := 0, make(chan struct{})
		box.set(func() {
			box.observe = func(a answer) {
				if a.method == http.MethodGet && a.status == http.StatusNotModified {
					if polls++; polls == 20 {
						close(polled)
					}
				}
			}
		})
		for c, err := range s.Watch(t.Context(), "things") {
			if err != nil {
				t.Fatal(err)
			}
			if c.Key == thing {
				break
			}
			<-polled
			if _, err := s.Put(t.Context(), thing, nil, store.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		if full := box.count(http.MethodGet, "_head")[http.StatusOK]; full > 1 {
			t.Errorf("the head was transferred %d times, want at most once", full)
		}
		for _, name := range []string{"things/a", "_head"} {
			want := map[int]int{http.StatusOK: 1}
			if name == "_head" {
				want[http.StatusOK]++ // Open has created it
			}
			if diff := cmp.Diff(want, box.count(http.MethodPut, name)); diff != "" {
				t.Errorf("answers to writes of %s (-want +got):\n%s", name, diff)
			}
		}
	})
}

// When more changes were made between two readings than the head has, the watch yields the zero Key.
func TestOverrunOfTheHead(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	prefix := newPrefix()
	s := open(t, server(t).Client(), &s3store.Options{Prefix: prefix, PollInterval: time.Hour})
	other := open(t, server(t).Client(), &s3store.Options{Prefix: prefix})
	gaps := 0
	for c, err := range s.Watch(ctx, "things") {
		if err != nil {
			t.Fatal(err)
		}
		if c.Key == (store.Key{}) {
			if gaps++; gaps == 2 {
				return
			}
		} // otherwise a late reading of the head came between the writes, which are repeated
		for i := range 501 {
			key := store.Key{Kind: "others", ID: fmt.Sprint(i)}
			if _, err := other.Put(ctx, key, nil, store.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		// A write of its own finds the newer head before the next reading.
		if _, err := s.Put(ctx, thing, nil, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			for range s.Watch(ctx, "others") { // has the head read
			}
		}()
	}
	t.Errorf("%d gaps, want 2", gaps)
}
