package patchsync_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/releases"
)

// slowHost answers requests to hosts whose names begin with "slow" after a delay, or never if that is 0.
type slowHost struct {
	*world
	delay time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (h slowHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Host, "slow") {
		if h.delay == 0 {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		time.Sleep(h.delay)
	}
	return h.world.RoundTrip(r)
}

// A host that answers slowly, or not at all, does not delay the feeds of other hosts, however many feeds it has.
func TestWatchSlowHost(t *testing.T) {
	for name, delay := range map[string]time.Duration{"slow": 9 * time.Second, "silent": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const feeds = 300
				w := newWorld(t)
				s := open(t, newStore(), slowHost{w, delay}, withLines(patchsync.Options{}))
				for i := range feeds {
					url := fmt.Sprintf("https://slow.example/%d", i)
					w.lines(url, "1.0.0")
					watch := lineWatch(url)
					watch.Policy.Interval = recipe.Duration(5 * time.Minute)
					s.watch(fmt.Sprintf("Slow%d", i), watch, "1.0.0")
				}
				defer run(t, s)()
				time.Sleep(5 * time.Second)
				w.lines(feedURL, "1.1.0")
				s.watch("App", lineWatch(feedURL), "1.0.0")
				time.Sleep(5 * time.Second)
				expect(t, "versions soon after the watch was made", s.versions("App"), "1.1.0 1.0.0")
				time.Sleep(2 * time.Hour)
				w.lines(feedURL, "1.2.0")
				time.Sleep(67 * time.Minute)
				expect(t, "version", s.version("App"), "1.2.0")
				before := w.requests("https://slow.example/")
				time.Sleep(10 * time.Hour)
				n := w.requests("https://slow.example/") - before
				if most := feeds * 24; delay > 0 && (n < feeds*10 || n > most) {
					t.Errorf("%d requests in ten hours, want %d at most", n, most)
				}
			})
		})
	}
}

// faultyKind panics when it reads an answer that has the line "fault".
type faultyKind struct{ lineKind }

// Read implements [releases.Kind].
func (k faultyKind) Read(
	f recipe.Feed, a releases.Answer,
) (found []recipe.Release, next *releases.Request, err error) {
	if strings.Contains(string(a.Body), "fault") {
		panic("a fault of an embedding program")
	}
	return k.lineKind.Read(f, a)
}

// A panic of an embedding program's parts fails the feed, and neither ends the process nor stops other watches.
func TestWatchContainsFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var log journal
		s := open(t, newStore(), w, patchsync.Options{
			Logger: log.logger(),
			Kinds:  map[string]releases.Kind{"lines": faultyKind{}},
			FeedTokens: []patchsync.FeedToken{{
				Host:  "token.example",
				Token: func() (string, error) { panic("a fault of a token") },
			}},
		})
		const tokenURL = "https://token.example/feed.txt"
		w.lines(feedURL, "fault")
		w.lines(tokenURL, "1.0.0")
		s.watch("App", lineWatch(feedURL), "1.0.0")
		s.create(application(t, "Other", "1.0.0"))
		trusted := patchsync.WatchOptions{Trusted: true}
		if err := s.sync.Watches().Set(t.Context(), "Other", lineWatch(tokenURL), trusted); err != nil {
			t.Fatal(err)
		}
		defer run(t, s)()
		time.Sleep(time.Minute)
		for id, want := range map[string]string{
			"App": `a fault in the kind "lines"`, "Other": "a fault in the program",
		} {
			if state := s.watchState(id); state.Failures != 1 || !strings.Contains(state.LastError, want) {
				t.Errorf("%s: %d failures, %q, want %q", id, state.Failures, state.LastError, want)
			}
		}
		for _, want := range []string{"a fault of an embedding program", "faultyKind", "a fault of a token"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q: %s", want, log.String())
			}
		}
		w.lines(feedURL, "1.1.0")
		time.Sleep(70 * time.Minute)
		expect(t, "versions", s.versions("App"), "1.1.0 1.0.0")
	})
}

// A watch whose words fit no release of a page that does not change leaves the requests for the page conditional. Its
// failures count at its own times, although the page is asked for others.
func TestWatchFailureLeavesRequestsConditional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, withLines(patchsync.Options{}))
		w.lines(feedURL, "a:1.0.0")
		good, bad := lineWatch(feedURL), lineWatch(feedURL)
		good.Feed.Match, bad.Feed.Match = "a:", "b:"
		s.watch("Good", good, "1.0.0")
		s.watch("Bad", bad, "1.0.0")
		defer run(t, s)()
		time.Sleep(time.Minute)
		w.mu.Lock()
		asked := len(w.log[feedURL])
		w.mu.Unlock()
		time.Sleep(10 * time.Hour)
		w.mu.Lock()
		for i, r := range w.log[feedURL][asked:] {
			if r.Header.Get("If-None-Match") == "" {
				t.Errorf("request %d is not conditional", asked+i)
			}
		}
		w.mu.Unlock()
		if n := s.watchState("Bad").Failures; n < 3 || n > 5 { // after 0, 1, 3 and 7 hours
			t.Errorf("%d failures in ten hours, want about 4", n)
		}
		expect(t, "status of the good one", s.watchState("Good").Status, patchsync.WatchOK)
	})
}

// A watch whose record cannot be written does not keep the other watches of its feed from new versions, and the feed is
// asked at its interval.
func TestWatchWithCorruptRecordBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.lines(feedURL, "1.0.0")
		bad := s.watch("Bad", lineWatch(feedURL), "1.0.0")
		s.watch("Good", lineWatch(feedURL), "1.0.0")
		defer run(t, s)()
		time.Sleep(time.Minute)
		key := store.Key{Kind: "watches", ID: bad.UID}
		if _, err := st.Put(t.Context(), key, []byte("{"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		before := w.requests(feedURL)
		for hour := range 5 {
			version := fmt.Sprintf("1.%d.0", hour+1)
			w.lines(feedURL, version)
			time.Sleep(67 * time.Minute)
			expect(t, "version", s.version("Good"), version)
		}
		if n := w.requests(feedURL) - before; n > 7 {
			t.Errorf("%d requests in five hours, want about 5", n)
		}
	})
}

// A feed that fails for long is not written with each attempt, and the state counts all of them.
func TestWatchFailuresAreRarelyWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, st := newWorld(t), newStore()
		s := open(t, st, w, withLines(patchsync.Options{}))
		w.put(feedURL, page{status: 503})
		s.watch("App", lineWatch(feedURL), "1.0.0")
		writes := st.written("watches")
		stop := run(t, s)
		time.Sleep(70 * time.Hour) // attempts after 0, 1, 3, 7, 15, 31 and 63 hours
		state := s.watchState("App")
		expect(t, "failures", state.Failures, 7)
		// The pauses, and with them the time of the last attempt, differ by up to a tenth: 63 h and 32 h.
		if left := time.Until(state.NextCheck); left < 15*time.Hour || left > 35*time.Hour {
			t.Errorf("the feed is asked again in %v", left)
		}
		expect(t, "writes", st.written("watches")-writes, 2)
		stop()
		s = open(t, st, w, withLines(patchsync.Options{}))
		defer run(t, s)()
		time.Sleep(time.Hour)
		expect(t, "failures after a restart", s.watchState("App").Failures, 4)
		w.lines(feedURL, "1.0.0")
		time.Sleep(9 * time.Hour)
		expect(t, "failures after the recovery", s.watchState("App").Failures, 0)
	})
}
