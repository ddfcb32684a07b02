package logging

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// interval bounds the time for which lines are gathered.
	interval = 250 * time.Millisecond
	// fullBatch is the size in bytes at which a batch is written before that.
	fullBatch = 64 << 10
	// maxPending bounds the bytes that are pending while the output is slow.
	maxPending = 1 << 20
	// defaultPatience is the time for which a line waits for a slow output. Close waits five times as long.
	defaultPatience = time.Second
)

// An urgency says when a line is written.
type urgency int

const (
	later urgency = iota // with its batch
	soon                 // at once, while the program goes on
	now                  // at once, before the program goes on
)

// An output writes lines to an io.Writer, one batch at a time. It is safe for concurrent use.
type output struct {
	w        io.Writer
	patience time.Duration
	pending  chan struct{} // has a value if the first line of a batch was added
	flushNow chan struct{} // has a value if the batch is to be written at once

	mu      sync.Mutex
	batch   []byte
	taken   int64         // batches that run has taken
	written int64         // batches that run has written, or failed to write
	flushed chan struct{} // closed after each batch
	stalled bool          // a line has waited in vain since the last batch
	lost    int           // lines, since the last notice
	closed  bool

	// The fields below describe the last write. Only run uses them.
	failure     error
	lastWritten int  // bytes
	midLine     bool // the last byte that was written did not end a line
}

func newOutput(w io.Writer) *output {
	return &output{
		w:        w,
		patience: defaultPatience,
		pending:  make(chan struct{}, 1),
		flushNow: make(chan struct{}, 1),
		flushed:  make(chan struct{}),
	}
}

// writer returns an io.Writer that adds lines with an urgency.
func (o *output) writer(u urgency) io.Writer { return writerFunc(func(line []byte) { o.add(line, u) }) }

// add adds a line to the batch. It waits for room for at most the patience of o; without room, the line is lost. If u
// is now, or if o is closed, add then waits until the line was written, again for at most the patience of o.
func (o *output) add(line []byte, u urgency) {
	n := len(line)
	o.mu.Lock()
	if !o.hasRoom(n) {
		o.mu.Unlock()
		o.wait(o.patience, func() bool { return o.hasRoom(n) || o.stalled })
		o.mu.Lock()
	}
	if !o.hasRoom(n) { // others may have taken the room
		o.lost++
		o.mu.Unlock()
		return
	}
	first := len(o.batch) == 0
	o.batch = append(o.batch, line...)
	if o.closed {
		u = now
	}
	full, batch := len(o.batch) >= fullBatch, o.taken+1
	o.mu.Unlock()
	if first {
		signal(o.pending)
	}
	if u != later || full {
		signal(o.flushNow)
	}
	if u == now {
		o.wait(o.patience, func() bool { return o.written >= batch || o.stalled })
	}
}

// hasRoom reports whether the batch has room for n bytes. The caller must hold mu.
func (o *output) hasRoom(n int) bool { return len(o.batch) == 0 || len(o.batch)+n <= maxPending }

// wait waits until a condition holds, for a limited time, and reports whether it holds. If no batch was written in this
// time, the output has stalled, and the next line does not wait. wait holds mu when it calls ok.
func (o *output) wait(limit time.Duration, ok func() bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		o.mu.Lock()
		holds, flushed := ok(), o.flushed
		o.mu.Unlock()
		if holds {
			return true
		}
		select {
		case <-flushed:
		case <-timer.C:
			o.mu.Lock()
			o.stalled = o.stalled || flushed == o.flushed
			o.mu.Unlock()
			return false
		}
	}
}

// run writes the batches until the process ends. notice returns a line about lost lines and the error of the last
// write.
func (o *output) run(notice func(lines int, err error) []byte) {
	var spare []byte
	for {
		o.await()
		o.mu.Lock()
		batch, lost := o.batch, o.lost
		o.batch = spare[:0]
		o.taken++
		o.mu.Unlock()
		reported, unwritten := 0, 0
		if lost > 0 && o.write(notice(lost, o.failure)) == nil {
			reported = lost
		}
		if len(batch) > 0 && o.write(batch) != nil {
			unwritten = bytes.Count(batch[o.lastWritten:], newline)
		}
		o.mu.Lock()
		o.written = o.taken
		o.lost += unwritten - reported
		o.stalled = false
		if o.lost > 0 && o.failure == nil {
			signal(o.flushNow) // to report the lines that were lost meanwhile
		}
		close(o.flushed)
		o.flushed = make(chan struct{})
		o.mu.Unlock()
		if spare = batch; cap(spare) > 2*maxPending {
			spare = nil
		}
	}
}

var newline = []byte("\n")

// write writes lines. If the last write ended within a line, it ends that line first. Only run calls it.
func (o *output) write(lines []byte) error {
	if o.midLine {
		if _, o.failure = o.w.Write(newline); o.failure != nil {
			o.lastWritten = 0
			return o.failure
		}
	}
	o.lastWritten, o.failure = o.w.Write(lines)
	o.midLine = o.lastWritten > 0 && lines[o.lastWritten-1] != '\n'
	return o.failure
}

// await waits until the batch is to be written.
func (o *output) await() {
	select {
	case <-o.flushNow:
		return
	case <-o.pending:
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-o.flushNow:
	case <-timer.C:
	}
}

// close writes the batch. If lines were lost, it tries once to report them. It waits for a limited time.
func (o *output) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	end := time.Now().Add(5 * o.patience)
	if !o.flush(end) {
		return
	}
	o.mu.Lock()
	lost := o.lost
	o.mu.Unlock()
	if lost > 0 {
		o.flush(end)
	}
}

// flush has the batch written and waits for it until a time. It reports whether the batch was written, or failed to be.
func (o *output) flush(end time.Time) bool {
	o.mu.Lock()
	batch := o.taken + 1
	o.mu.Unlock()
	signal(o.flushNow)
	return o.wait(time.Until(end), func() bool { return o.written >= batch })
}

// signal puts a value into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
