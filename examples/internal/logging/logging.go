// Package logging writes the log of a server whose access log has many lines.
//
// It writes what the handlers of package log/slog write, to the byte, at a lower cost. The lines of
// httpapi.AccessLog are gathered and written together, after at most a quarter of a second. All other lines are
// written at once, and those above the level Info before the program goes on. After a crash, the lines of the last
// requests may be missing.
//
// An output that cannot be written, such as a full disk or a pipe that is not read, does not stop the server: a line
// waits for at most a second, and is lost then. When the output can be written again, a line reports how many were
// lost.
package logging

import (
	"context"
	"io"
	"log/slog"
)

// access is the message of the lines of httpapi.AccessLog.
const access = "request"

// A Handler is a slog.Handler. It is safe for concurrent use. Its lines begin at the level Info.
type Handler struct {
	output *output
	json   bool
	clock  clock
	// Handlers of package slog format the lines that this one does not. They differ in when a line is written: now,
	// before Handle returns; soon, at once but while the program goes on; later, with its batch.
	now, soon, later slog.Handler
}

// New returns a Handler that writes to w, in the JSON of a slog.JSONHandler if json is true, and in the text of a
// slog.TextHandler otherwise. The caller must call Close at the end. The goroutine that writes to w runs
// until the process ends.
func New(w io.Writer, json bool) *Handler {
	h := newHandler(w, json)
	go h.output.run(h.notice)
	return h
}

// newHandler returns a Handler whose output is not running.
func newHandler(w io.Writer, json bool) *Handler {
	h := &Handler{json: json, output: newOutput(w)}
	h.now = h.standard(h.output.writer(now))
	h.soon = h.standard(h.output.writer(soon))
	h.later = h.standard(h.output.writer(later))
	return h
}

// standard returns a handler of package slog.
func (h *Handler) standard(w io.Writer) slog.Handler {
	if h.json {
		return slog.NewJSONHandler(w, nil)
	}
	return slog.NewTextHandler(w, nil)
}

// Close writes the lines that are gathered. It waits for a slow output for at most five seconds. Each later line is
// written before the program goes on.
func (h *Handler) Close() { h.output.close() }

// Enabled implements slog.Handler.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool { return enabled(level) }

func enabled(level slog.Level) bool { return level >= slog.LevelInfo }

// urgent reports whether a line of a level is written before the program goes on.
func urgent(level slog.Level) bool { return level > slog.LevelInfo }

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case urgent(r.Level):
		return h.now.Handle(ctx, r)
	case r.Message != access || r.Level != slog.LevelInfo:
		return h.soon.Handle(ctx, r)
	}
	var buffer [512]byte
	if line, ok := h.format(buffer[:0], &r); ok {
		h.output.add(line, later)
		return nil
	}
	return h.later.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return (&derived{now: h.now, soon: h.soon}).WithAttrs(attrs)
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return (&derived{now: h.now, soon: h.soon}).WithGroup(name)
}

// A derived handler has attributes or groups of its own. It gathers no lines.
type derived struct{ now, soon slog.Handler }

// Enabled implements slog.Handler.
func (d *derived) Enabled(_ context.Context, level slog.Level) bool { return enabled(level) }

// Handle implements slog.Handler.
func (d *derived) Handle(ctx context.Context, r slog.Record) error {
	if urgent(r.Level) {
		return d.now.Handle(ctx, r)
	}
	return d.soon.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (d *derived) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &derived{now: d.now.WithAttrs(attrs), soon: d.soon.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (d *derived) WithGroup(name string) slog.Handler {
	return &derived{now: d.now.WithGroup(name), soon: d.soon.WithGroup(name)}
}

// notice returns the line about lines that were lost.
func (h *Handler) notice(lines int, err error) []byte {
	var text []byte
	log := slog.New(h.standard(writerFunc(func(p []byte) { text = append(text, p...) })))
	if err != nil {
		log.Error("lines of the log were lost: the log could not be written", "lines", lines, "error", err)
	} else {
		log.Error("lines of the log were lost: the log could not be written for some time", "lines", lines)
	}
	return text
}

// A writerFunc is an io.Writer that does not fail.
type writerFunc func(p []byte)

// Write implements io.Writer.
func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
