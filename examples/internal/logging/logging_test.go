package logging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is a record as httpapi.AccessLog makes it.
func request(t time.Time, path string, took time.Duration, more ...slog.Attr) slog.Record {
	r := slog.NewRecord(t, slog.LevelInfo, "request", 0)
	r.AddAttrs(
		slog.String("request_id", "ABCDEFGHIJKL"),
		slog.String("method", "GET"),
		slog.String("path", path),
		slog.Int("status", 200),
		slog.Int64("bytes", 12345),
		slog.Duration("took", took),
		slog.String("client", "192.0.2.1"),
	)
	r.AddAttrs(more...)
	return r
}

// checkLine reports a line that differs from that of package slog.
func checkLine(t *testing.T, r slog.Record) {
	t.Helper()
	for _, json := range []bool{false, true} {
		var want bytes.Buffer
		h := newHandler(nil, json)
		_ = h.Handle(t.Context(), r)
		_ = h.standard(&want).Handle(t.Context(), r)
		if got := string(h.output.batch); got != want.String() {
			t.Errorf("got  %swant %s", got, want.String())
		}
	}
}

// FuzzLine checks that a line is that of package slog, whatever is in it.
func FuzzLine(f *testing.F) {
	paths := []string{"/jamf/v1/software", "", "/a b", `/"`, `/\`, "/a=b", "/é", "/\x00\n", "/\xff", "/\x7f<&>", "/…"}
	for _, path := range paths {
		f.Add(path, int64(1_234_567), int64(1_700_000_000_123_456_789), "more", 1)
	}
	f.Add("/", int64(0), int64(1_700_000_000_000_000_000), "a b", 0)
	f.Add("/", int64(-1), int64(1_700_000_000_100_000_000), "", 2)
	f.Add("/", int64(5_000_000_000), int64(1_700_000_000_999_999_999), `"`, 3)
	f.Add("/", int64(5), int64(-1), "\n", 4)
	places := []*time.Location{time.UTC, time.FixedZone("", 3600), time.FixedZone("", -12600)}
	f.Fuzz(func(t *testing.T, path string, took, at int64, key string, kind int) {
		more := []slog.Attr{
			slog.Bool(key, took > 0), slog.Uint64(key, uint64(took)), slog.Any(key, errors.New(path)),
			slog.Group(key, slog.String(path, path)), slog.Float64(key, float64(took)), {}, slog.String(key, path),
		}
		kind = max(kind, -kind, 0) % len(more)
		checkLine(t, request(time.Unix(0, at).In(places[kind%len(places)]), path, time.Duration(took), more[kind]))
	})
}

func TestRecordsWithoutTime(t *testing.T) { checkLine(t, request(time.Time{}, "/", 0)) }

func TestClock(t *testing.T) {
	var c clock
	for _, at := range []int64{0, 1, 999_999, 1_000_000, 999_999_999, 1_000_000_000, 60_000_000_000, 5_000_000_000} {
		for _, place := range []*time.Location{time.UTC, time.FixedZone("", 5400)} {
			at := time.Unix(1_700_000_000, at).In(place)
			if got, want := string(c.append(nil, at, false)), at.Format(time.RFC3339Nano); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got, want := string(c.append(nil, at, true)), at.Format("2006-01-02T15:04:05.000Z07:00"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}

// A gate is a writer that waits until it is opened, and fails with its error.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed if the gate is open
	err    error
	room   int // bytes that are written in spite of the error
	text   bytes.Buffer
	writes int
}

func newGate() *gate { return &gate{opened: make(chan struct{})} }

func (g *gate) open() { close(g.opened) }

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = make(chan struct{})
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	<-opened
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes++
	if g.err != nil {
		n, _ := g.text.Write(p[:min(len(p), g.room)])
		g.room -= n
		return n, g.err
	}
	return g.text.Write(p)
}

func (g *gate) fail(err error, room int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err, g.room = err, room
}

func (g *gate) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

// Lines keep their order, and those of requests are written together, at the latest by Close. A line about a failure
// is written when Handle returns, with all lines before it.
func TestOrder(t *testing.T) {
	g := newGate()
	g.open()
	h := New(g, false)
	log := slog.New(h)
	for i := range 10 {
		_ = h.Handle(t.Context(), request(time.Now(), "/"+strconv.Itoa(i), 0))
	}
	log.Error("failure")
	log.With("a", 1).Info("with")
	if got := g.String(); !strings.Contains(got, "failure") || strings.Count(got, "path=") != 10 {
		t.Errorf("after the failure, the log has: %s", got)
	}
	_ = h.Handle(t.Context(), request(time.Now(), "/10", 0))
	h.Close()
	log.Info("late")
	at := -1
	for _, part := range []string{"/0 ", "/1 ", "/9 ", "failure", "msg=with a=1", "/10 ", "late"} {
		i := strings.Index(g.String(), part)
		if i <= at {
			t.Errorf("%q is missing, or at the wrong place: %s", part, g.String())
		}
		at = i
	}
	if g.writes > 5 {
		t.Errorf("%d lines took %d writes, want the lines of requests together", 14, g.writes)
	}
}

// The lines of requests are written without a call of Close.
func TestInterval(t *testing.T) {
	r, w := io.Pipe()
	h := New(w, false)
	defer h.Close()
	defer r.Close()
	_ = h.Handle(t.Context(), request(time.Now(), "/a", 0))
	var buffer [1000]byte
	n, err := r.Read(buffer[:])
	if err != nil || !strings.Contains(string(buffer[:n]), "path=/a") {
		t.Errorf("read %s, %v", buffer[:n], err)
	}
}

// A blocked output blocks no request for long. A line tells how many lines were lost.
func TestBlockedOutput(t *testing.T) {
	g := newGate()
	h := New(g, false)
	h.output.patience = 10 * time.Millisecond
	line := request(time.Now(), "/"+strings.Repeat("a", 1000), 0)
	const lines = 3000 // more than there is room for
	for range lines {
		_ = h.Handle(context.Background(), line)
	}
	slog.New(h).Error("failure") // does not wait either
	g.open()
	h.output.patience = time.Minute
	h.Close()
	text := g.String()
	written := strings.Count(text, "path=")
	if written == 0 || written == lines || len(text) > 3<<20 {
		t.Errorf("%d of %d lines were written, %d bytes", written, lines, len(text))
	}
	lost := lines + 1 - written - strings.Count(text, "msg=failure")
	if notice := "for some time\" lines=" + strconv.Itoa(lost) + "\n"; !strings.Contains(text, notice) {
		t.Errorf("the log lacks %q: %s", notice, text[max(0, len(text)-300):])
	}
}

// Lines that could not be written are counted. What follows is on lines of its own.
func TestFailingOutput(t *testing.T) {
	g := newGate()
	g.open()
	h := New(g, false)
	log := slog.New(h)
	log.Error("first")
	g.fail(errors.New("the disk is full"), 10)
	log.Error("second")
	log.Error("third")
	g.fail(nil, 0)
	log.Error("fourth")
	h.Close()
	lines := strings.Split(strings.TrimSpace(g.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("got %d lines, want the first, a part of the second, the notice and the fourth:\n%s", len(lines), g)
	}
	for i, want := range []string{"msg=first", "time=", `lines=2 error="the disk is full"`, "msg=fourth"} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d lacks %s: %s", i+1, want, lines[i])
		}
	}
}

// A logger with attributes or groups writes what one of package slog does. Its errors are written when Error returns.
func TestDerivedLoggers(t *testing.T) {
	for _, json := range []bool{false, true} {
		g := newGate()
		g.open()
		h := New(g, json)
		defer h.Close()
		var want bytes.Buffer
		for i := range 100 {
			for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
				for _, root := range []slog.Handler{h, h.standard(&want)} {
					with := root.WithAttrs([]slog.Attr{slog.Int("i", i)})
					for _, d := range []slog.Handler{with, root.WithGroup("g"), with.WithGroup("g").WithGroup("h")} {
						r := slog.NewRecord(time.Unix(int64(i), 0), level, "message", 0)
						r.AddAttrs(slog.Bool("last", true))
						if d.Enabled(t.Context(), level) {
							_ = d.Handle(t.Context(), r)
						}
					}
				}
			}
			if got := g.String(); got != want.String() {
				t.Fatalf("after an error, the log has\n%swant\n%s", got, want.String())
			}
		}
	}
}

// An output that blocks after Close blocks no line for long.
func TestBlockedOutputAfterClose(t *testing.T) {
	g := newGate()
	g.open()
	h := New(g, false)
	h.output.patience = 10 * time.Millisecond
	log := slog.New(h)
	log.Info("before")
	h.Close()
	g.shut()
	const lines = 20
	var all sync.WaitGroup
	for i := range lines {
		all.Go(func() { log.Info("after", "i", i) })
	}
	all.Wait()
	h.Close()
	g.open()
	h.output.patience = time.Minute
	h.Close()
	if n := strings.Count(g.String(), "msg=after"); n != lines {
		t.Errorf("the log has %d lines, want %d:\n%s", n, lines, g)
	}
}

// An interruptedWriter fails at its first write after half of the bytes.
type interruptedWriter struct {
	bytes.Buffer
	interrupted bool
}

func (w *interruptedWriter) Write(p []byte) (int, error) {
	if !w.interrupted {
		w.interrupted = true
		n, _ := w.Buffer.Write(p[:len(p)/2])
		return n, io.ErrShortWrite
	}
	return w.Buffer.Write(p)
}

// If the last write before the end fails, Close ends its line and reports the loss.
func TestCloseReportsLostLines(t *testing.T) {
	var w interruptedWriter
	h := New(&w, false)
	_ = h.Handle(t.Context(), request(time.Now(), "/a", 0))
	h.Close()
	lines := strings.Split(w.String(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], `lines=1 error="short write"`) || lines[2] != "" {
		t.Errorf("got %q, want a part of a line and the notice", lines)
	}
}

// A line of a request is made without an allocation.
func TestAllocations(t *testing.T) {
	for _, json := range []bool{false, true} {
		h := New(io.Discard, json)
		r := request(time.Now(), "/jamf/v1/software", 123456)
		if got := testing.AllocsPerRun(1000, func() { _ = h.Handle(context.Background(), r) }); got > 0 {
			t.Errorf("JSON %v: %v allocations, want none", json, got)
		}
		h.Close()
	}
}

func BenchmarkHandle(b *testing.B) {
	for name, json := range map[string]bool{"text": false, "json": true} {
		h := New(io.Discard, json)
		for kind, h := range map[string]slog.Handler{"ours": h, "slog": h.standard(io.Discard)} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				r := request(time.Now(), "/jamf/v1/software", 123456)
				b.ReportAllocs()
				for b.Loop() {
					_ = h.Handle(context.Background(), r)
				}
			})
		}
	}
}
