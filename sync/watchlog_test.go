package patchsync

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A lockedBuffer is a buffer that is safe for concurrent use.
type lockedBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements [io.Writer].
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

// take returns what was written since the last call.
func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.all.Reset()
	return b.all.String()
}

// Of many warnings, the first one is logged, and one line with the number of the others and an example.
func TestDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		handler := slog.NewTextHandler(&out, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		})
		d := newDigest(slog.New(handler), "it fails", "they fail")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			d.run(ctx)
		}()
		expect := func(when string, lines ...string) {
			t.Helper()
			synctest.Wait()
			if got, want := out.take(), strings.Join(lines, ""); got != want {
				t.Errorf("%s, the log is\n%swant\n%s", when, got, want)
			}
		}
		const one, more = "level=WARN msg=\"it fails\" id=", "level=WARN msg=\"they fail\" more="
		d.warn("id", 0)
		expect("at once", one+"0\n")
		for i := range 300 {
			time.Sleep(200 * time.Millisecond)
			d.warn("id", i+1)
		}
		expect("after many")
		time.Sleep(quietTime)
		expect("once it is quiet", more+"300 id=1\n")
		d.warn("id", 7)
		expect("later", one+"7\n")
		time.Sleep(time.Hour)
		expect("after a single one")
		for i := range 61 {
			d.warn("id", i)
			time.Sleep(10 * time.Second)
		}
		expect("while they do not end", one+"0\n", more+"29 id=1\n", one+"30\n", more+"29 id=31\n", one+"60\n")
		d.warn("id", 8)
		cancel()
		<-done
		expect("at the end", more+"1 id=8\n")
	})
}
