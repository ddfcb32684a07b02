package patchsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// An inbox takes events, unless it fails.
type inbox struct {
	mu     sync.Mutex
	fails  bool
	events []patchsync.WatchEvent
	calls  int
}

// notify is Options.Notify.
func (i *inbox) notify(_ context.Context, e patchsync.WatchEvent) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls++
	if i.fails {
		return errors.New("the queue is full")
	}
	i.events = append(i.events, e)
	return nil
}

// set makes the inbox fail or not.
func (i *inbox) set(fails bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fails = fails
}

// kinds returns the kinds of the events, with their versions.
func (i *inbox) kinds() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []string
	for _, e := range i.events {
		all = append(all, strings.TrimSpace(e.Kind+" "+e.Version))
	}
	return strings.Join(all, ", ")
}

// The state of a feed is failing from the first failure on, an event follows after the third, and another one after
// the recovery.
func TestWatchEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{}
		s := open(t, newStore(), w, withLines(patchsync.Options{Notify: in.notify}))
		defer run(t, s)()
		w.lines(feedURL, "1.0.0")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		time.Sleep(time.Minute)
		w.put(feedURL, page{status: 404})
		c := s.check("App")
		var failure *patchsync.FeedError
		if !errors.As(c.Err, &failure) || failure.Status != 404 || !errors.Is(c.Err, patchsync.ErrUpstream) {
			t.Errorf("error %v, want a FeedError with status 404", c.Err)
		}
		for i := range 4 {
			for began := time.Now(); s.watchState("App").Failures <= i && time.Since(began) < 20*time.Hour; {
				time.Sleep(time.Minute)
			}
			expect(t, "status", s.watchState("App").Status, patchsync.WatchFailing)
			expect(t, "failures", s.watchState("App").Failures, i+1)
			synctest.Wait()
			expect(t, "events", in.kinds(), []string{"", "", "watch_failed", "watch_failed"}[i])
		}
		w.lines(feedURL, "1.0.0", "2024.1")
		s.check("App")
		synctest.Wait()
		expect(t, "events", in.kinds(), "watch_failed, version_proposed 2024.1, watch_recovered")
		s.check("App")
		synctest.Wait()
		expect(t, "events", in.kinds(), "watch_failed, version_proposed 2024.1, watch_recovered")
		expect(t, "status", s.watchState("App").Status, patchsync.WatchOK)
		for _, e := range in.events {
			if e.ID == "" || e.Title != "App" || e.Message == "" || e.At.IsZero() {
				t.Errorf("event %+v", e)
			}
		}
	})
}

// A feed that lists nothing new for three times its rhythm is silent: the state and one event say so.
func TestWatchSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{}
		st := newStore()
		s := open(t, st, w, withLines(patchsync.Options{Notify: in.notify}))
		feed := []string{"1.4.0 1999-12-20", "1.3.0 1999-12-10", "1.2.0 1999-12-01", "1.1.0 1999-11-20"}
		w.lines(feedURL, feed...)
		s.watch("App", lineWatch(feedURL), "1.4.0")
		time.Sleep(10 * 24 * time.Hour)
		expect(t, "silent after 22 days", s.check("App").State.Silent, false)
		time.Sleep(20 * 24 * time.Hour)
		stop := run(t, s)
		time.Sleep(2 * time.Hour)
		stop()
		expect(t, "events", in.kinds(), "watch_failed")
		s = open(t, st, w, withLines(patchsync.Options{Notify: in.notify}))
		state := s.watchState("App")
		if !state.Silent || state.Status != patchsync.WatchOK || state.Rhythm < 9*24*time.Hour {
			t.Errorf("state %+v, want silence", state)
		}
		w.lines(feedURL, append([]string{"1.5.0 2000-01-30"}, feed...)...)
		defer run(t, s)()
		time.Sleep(2 * time.Hour)
		expect(t, "events", in.kinds(), "watch_failed, watch_recovered")
	})
}

// An event is delivered until it is taken, also after a restart and by another server.
func TestWatchEventsAreDelivered(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, in := newWorld(t), &inbox{fails: true}
				opts := withLines(patchsync.Options{Notify: in.notify})
				disk := memstore.New()
				s := open(t, alone{disk}, w, opts)
				if shared {
					s = open(t, disk, w, opts)
				}
				w.lines(feedURL, "2024.1")
				s.watch("App", lineWatch(feedURL), "1.0.0")
				s.check("App")
				stop := run(t, s)
				time.Sleep(10 * time.Minute)
				in.mu.Lock()
				if in.calls < 10 || in.calls > 25 {
					t.Errorf("%d attempts in ten minutes, want some with backoff", in.calls)
				}
				in.mu.Unlock()
				stop()
				in.set(false)
				s = open(t, alone{disk}, w, opts)
				if shared {
					s = open(t, disk, w, opts)
				}
				stop = run(t, s)
				defer stop()
				time.Sleep(10 * time.Minute)
				expect(t, "events", in.kinds(), "version_proposed 2024.1")
			})
		})
	}
}

// An event that was taken, but whose removal the store refused, is delivered again with the same id.
func TestWatchEventsAtLeastOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, in := newWorld(t), &inbox{}
		st := &mortal{Store: alone{memstore.New()}}
		s := open(t, st, w, withLines(patchsync.Options{Notify: in.notify}))
		w.lines(feedURL, "2024.1")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		s.check("App")
		st.readOnly.Store(true)
		stop := run(t, s)
		defer stop()
		time.Sleep(30 * time.Second)
		st.readOnly.Store(false)
		time.Sleep(5 * time.Minute)
		in.mu.Lock()
		defer in.mu.Unlock()
		if len(in.events) < 2 || in.events[0].ID != in.events[len(in.events)-1].ID {
			t.Errorf("events %+v, want the same one several times", in.events)
		}
		n := len(in.events)
		in.mu.Unlock()
		time.Sleep(time.Hour)
		in.mu.Lock()
		expect(t, "further deliveries", len(in.events)-n, 0)
	})
}
