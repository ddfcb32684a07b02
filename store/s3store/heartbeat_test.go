package s3store_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
)

// A pulse records what a watch with heartbeats yields: ids, "gap" for the zero Key, "error", and "beat" with the time
// of the heartbeat since the start of the test. A test that takes the value of idle keeps it from reading on.
type pulse struct {
	began time.Time
	idle  chan struct{}
	mu    sync.Mutex
	seen  []string
}

// heartbeats records a watch of things that has heartbeats until the test ends.
func heartbeats(t testing.TB, s *s3store.Store) *pulse {
	p := &pulse{began: time.Now(), idle: make(chan struct{}, 1)}
	p.idle <- struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	t.Cleanup(cancel)
	all.Go(func() { p.record(s.WatchHeartbeats(ctx, "things")) })
	return p
}

// record reads a watch until its context ends.
func (p *pulse) record(changes iter.Seq2[store.Change, error]) {
	for c, err := range changes {
		what := c.Key.ID
		switch {
		case err != nil:
			what = "error"
		case !c.Heartbeat.IsZero():
			what = "beat " + c.Heartbeat.Sub(p.began).String()
		case c.Key == store.Key{}:
			what = "gap"
		}
		p.mu.Lock()
		p.seen = append(p.seen, what)
		p.mu.Unlock()
		<-p.idle
		p.idle <- struct{}{}
	}
}

// take returns what the watch has yielded since the last call.
func (p *pulse) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.seen = nil }()
	return p.seen
}

// yields fails the test unless the watch has yielded this, and no more, since the last call.
func (p *pulse) yields(t testing.TB, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, p.take()); diff != "" {
		t.Errorf("the watch yields (-want +got):\n%s", diff)
	}
}

// onHead returns a hook that waits for a while at the next reading of the head.
func onHead(d time.Duration) func(request) error {
	var waited atomic.Bool
	return func(r request) error {
		if r.call == "get" && r.key == headName && !waited.Swap(true) {
			time.Sleep(d)
		}
		return nil
	}
}

// The time of a heartbeat is that of the request, whether the head has changed or not. A watch without heartbeats is
// not woken by them.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		plain, p := watch(t, s, "things"), heartbeats(t, s)
		wait(300 * time.Millisecond)
		if got := p.take(); !slices.Equal(slices.Compact(got), []string{"gap", "beat 0s"}) {
			t.Errorf("the watch begins with %v", got)
		}
		f.hook(onHead(200*time.Millisecond), nil)
		wait(390 * time.Millisecond)
		p.yields(t)
		wait(20 * time.Millisecond)
		p.yields(t, "beat 500ms") // answered at 700 ms: not modified
		put(t, other, thing, "1")
		f.hook(onHead(100*time.Millisecond), onHead(100*time.Millisecond))
		wait(480 * time.Millisecond)
		p.yields(t)
		wait(20 * time.Millisecond)
		p.yields(t, "a", "beat 1s")
		plain.yields(t, "gap", "a")
	})
}

// A change that another process makes before the answer arrives, but after it was given, is not in it.
func TestHeartbeatOfAnOldAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		p := heartbeats(t, s)
		wait(300 * time.Millisecond)
		p.take()
		put(t, other, store.Key{Kind: "others", ID: "b"}, "1") // so that there is an answer
		f.hook(nil, onHead(200*time.Millisecond))
		wait(300 * time.Millisecond)
		put(t, other, thing, "1") // at 600 ms
		wait(150 * time.Millisecond)
		p.yields(t, "beat 500ms")
		wait(500 * time.Millisecond)
		p.yields(t, "a", "beat 1s")
	})
}

// A racingClient answers reads of the head with the body from before a change that is made meanwhile and the ETag from
// after it.
type racingClient struct {
	*fake
	mu      sync.Mutex
	changes []func()
}

// next removes and returns the next change, nil if there is none.
func (c *racingClient) next() (change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.changes) > 0 {
		change, c.changes = c.changes[0], c.changes[1:]
	}
	return change
}

// add adds a change that is made during a later reading.
func (c *racingClient) add(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes = append(c.changes, change)
}

func (c *racingClient) GetObject(
	ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options),
) (*s3.GetObjectOutput, error) {
	var change func()
	if *in.Key == headName {
		change = c.next()
	}
	if change == nil {
		return c.fake.GetObject(ctx, in, o...)
	}
	old, _ := c.body(headName)
	change()
	current, _ := c.body(headName)
	return &s3.GetObjectOutput{
		Body: io.NopCloser(strings.NewReader(old)),
		ETag: aws.String(etag([]byte(current))),
	}, nil
}

// If the head is replaced during each of several readings, it is not taken for the one that its ETag names: the last
// change would not be yielded, though heartbeats say that it was.
func TestHeartbeatsAndAMixedHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		racing := &racingClient{fake: f}
		s, other := open(t, racing, nil), open(t, f, nil)
		p := heartbeats(t, s)
		wait(700 * time.Millisecond)
		p.take()
		for _, id := range []string{"a", "b", "c"} {
			racing.add(func() { put(t, other, store.Key{Kind: "things", ID: id}, "1") })
		}
		wait(time.Second)
		p.yields(t, "a", "b", "c", "beat 1.5s")
	})
}

// A change of this process is yielded at once, while the head is being read. The heartbeat comes after it and those
// that others made before.
func TestHeartbeatAndOwnChange(t *testing.T) {
	for name, hooks := range map[string][2]func(request) error{
		"before the answer": {onHead(200 * time.Millisecond), nil},
		"after the answer":  {nil, onHead(200 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				s, other := open(t, f, nil), open(t, f, nil)
				p := heartbeats(t, s)
				wait(300 * time.Millisecond)
				p.take()
				put(t, other, store.Key{Kind: "things", ID: "b"}, "1")
				f.hook(hooks[0], hooks[1])
				wait(300 * time.Millisecond) // the request is made at 500 ms
				put(t, s, thing, "1")
				wait(0)
				p.yields(t, "b", "a")
				wait(200 * time.Millisecond)
				p.yields(t, "beat 500ms")
			})
		})
	}
}

// After the head was lost, whoever notices, no heartbeat comes before the zero Key, not even one from before.
func TestHeartbeatsAndALostHead(t *testing.T) {
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("slow=%v", slow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				s, other := open(t, f, nil), open(t, f, nil)
				p := heartbeats(t, s)
				wait(300 * time.Millisecond)
				p.take()
				if slow {
					<-p.idle // it reads one more and then nothing
				}
				wait(time.Second)
				put(t, other, thing, "1")
				wait(300 * time.Millisecond) // 1.6 s: the change and a heartbeat of 1.5 s have been seen
				f.mu.Lock()
				delete(f.objects, headName)
				f.mu.Unlock()
				put(t, s, store.Key{Kind: "things", ID: "b"}, "1")
				wait(0)
				before := p.take()
				if slow {
					p.idle <- struct{}{}
					wait(0)
					p.yields(t) // what was pending is replaced by the zero Key, which has not come
				} else if !slices.Equal(before, []string{"beat 500ms", "beat 1s", "a", "beat 1.5s"}) {
					t.Errorf("the watch yields %v before the head is lost", before)
				}
				wait(600 * time.Millisecond)
				p.yields(t, "gap", "beat 2s")
			})
		})
	}
}

// There is no heartbeat before the records of the kind were listed, and a list that is repeated does not delay any.
func TestHeartbeatsWhileRecordsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, &s3store.Options{CheckInterval: time.Minute})
		f.hook(func(r request) error {
			if r.call == "list" {
				time.Sleep(1700 * time.Millisecond)
			}
			return nil
		}, nil)
		p := heartbeats(t, s)
		wait(1600 * time.Millisecond)
		p.yields(t)
		wait(200 * time.Millisecond)
		p.yields(t, "gap", "beat 1.7s")
		wait(time.Minute - 1800*time.Millisecond)
		p.take()
		wait(3 * time.Second)
		if n := len(p.take()); n != 6 {
			t.Errorf("%d heartbeats in 3 s while records are listed, want 6", n)
		}
	})
}

// While the head cannot be read there are no heartbeats, and the zero Key comes before the next one.
func TestHeartbeatsDuringAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, nil)
		p := heartbeats(t, s)
		wait(300 * time.Millisecond)
		p.take()
		down(f)
		wait(time.Second)
		f.hook(nil, nil)
		wait(500 * time.Millisecond)
		p.yields(t, "beat 1.5s") // no gap: nothing was missed
		down(f)
		wait(10 * time.Second)
		p.yields(t, "error")
		f.hook(nil, nil)
		wait(500 * time.Millisecond)
		p.yields(t, "gap", "beat 12s")
	})
}

// A slow reader gets a heartbeat after the changes that precede it, and the newest one only.
func TestHeartbeatsOfASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s, other := open(t, f, nil), open(t, f, nil)
		p := heartbeats(t, s)
		wait(300 * time.Millisecond)
		p.take()
		<-p.idle
		for _, id := range []string{"b", "c", "d"} {
			put(t, other, store.Key{Kind: "things", ID: id}, "1")
			wait(500 * time.Millisecond)
		}
		wait(time.Second)
		p.idle <- struct{}{}
		wait(0)
		if got := strings.Join(p.take(), ", "); got != "b, beat 500ms, c, d, beat 2.5s" {
			t.Errorf("the watch yields %s", got)
		}
	})
}

// With heartbeats the head is read once a second even if it is read less often without them.
func TestHeartbeatsOfASlowPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := open(t, f, &s3store.Options{PollInterval: time.Hour})
		watch(t, s, "things")
		wait(time.Second)
		before := f.count("get")
		wait(time.Minute)
		if n := f.count("get") - before; n != 0 {
			t.Errorf("%d readings in a minute without heartbeats, want 0", n)
		}
		heartbeats(t, s)
		wait(time.Minute)
		if n := f.count("get") - before; n < 59 || n > 62 {
			t.Errorf("%d readings in a minute with heartbeats, want 60", n)
		}
	})
}
