package patchsync

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Of many warnings, the first one is logged, and one line with the number of the others and an example.
func TestDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
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
			if got, want := out.String(), strings.Join(lines, ""); got != want {
				t.Errorf("%s, the log is\n%swant\n%s", when, got, want)
			}
			out.Reset()
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
