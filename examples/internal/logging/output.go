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
	// fullBatch is the size at which the lines are written before.
	fullBatch = 64 << 10
	// maxWaiting bounds the bytes that wait while the output is slow.
	maxWaiting = 1 << 20
	// defaultPatience is how long a line waits for a slow output. Close waits five times as long.
	defaultPatience = time.Second
)

// An output writes lines to an io.Writer, one batch at a time. It is safe for concurrent use.
type output struct {
	w        io.Writer
	patience time.Duration
	begun    chan struct{} // has a value if the first line of a batch was added
	urgent   chan struct{} // has a value if the batch is to be written at once
	ended    chan struct{} // closed when run has returned

	mu      sync.Mutex
	batch   []byte
	added   int64         // bytes, since the beginning
	written int64         // of those
	wrote   chan struct{} // closed after each write
	stalled bool          // a line has waited in vain since the last write
	lost    int           // lines, since the last notice
	closed  bool

	// Of the last write; they belong to run.
	failure error
	partly  int  // the bytes that were written
	torn    bool // the last byte that was written ended no line
}

func newOutput(w io.Writer) *output {
	return &output{
		w:        w,
		patience: defaultPatience,
		begun:    make(chan struct{}, 1),
		urgent:   make(chan struct{}, 1),
		ended:    make(chan struct{}),
		wrote:    make(chan struct{}),
	}
}

// writeLater adds a line to the batch.
func (o *output) writeLater(line []byte) { o.add(line, false) }

// writeSoon adds a line to the batch, and has the batch written at once.
func (o *output) writeSoon(line []byte) { o.add(line, true) }

// writeNow is writeSoon, and waits until the line was written, or for some time.
func (o *output) writeNow(line []byte) {
	if end := o.add(line, true); end > 0 {
		o.wait(func() bool { return o.written >= end || o.stalled })
	}
}

// add adds a line to the batch. It waits for room for some time; a line that finds none is lost. It returns the number
// of bytes that are written when the line is, and 0 if there is nothing to wait for.
func (o *output) add(line []byte, urgent bool) (end int64) {
	n := len(line)
	o.mu.Lock()
	if !o.hasRoom(n) {
		o.mu.Unlock()
		o.wait(func() bool { return o.hasRoom(n) || o.stalled })
		o.mu.Lock()
	}
	if o.closed {
		o.mu.Unlock()
		o.writeAfterClose(bytes.Clone(line)) // line itself may be on the stack of the caller
		return 0
	}
	if !o.hasRoom(n) { // others may have taken the room
		o.lost++
		o.mu.Unlock()
		return 0
	}
	first := len(o.batch) == 0
	o.batch = append(o.batch, line...)
	o.added += int64(n)
	end, full := o.added, len(o.batch) >= fullBatch
	o.mu.Unlock()
	if first {
		signal(o.begun)
	}
	if urgent || full {
		signal(o.urgent)
	}
	return end
}

// writeAfterClose writes a line after all others.
func (o *output) writeAfterClose(line []byte) {
	select {
	case <-o.ended:
		o.mu.Lock()
		defer o.mu.Unlock()
		_, _ = o.w.Write(line)
	case <-time.After(o.patience): // the output is blocked
	}
}

// hasRoom reports whether the batch has room for n bytes. The caller must hold mu.
func (o *output) hasRoom(n int) bool {
	return o.closed || len(o.batch) == 0 || len(o.batch)+n <= maxWaiting
}

// wait waits until a condition holds, for some time. Then the output has stalled, and the next line does not wait. The
// condition is called with mu.
func (o *output) wait(ok func() bool) {
	timer := time.NewTimer(o.patience)
	defer timer.Stop()
	for {
		o.mu.Lock()
		done, wrote := ok(), o.wrote
		o.mu.Unlock()
		if done {
			return
		}
		select {
		case <-wrote:
		case <-timer.C:
			o.mu.Lock()
			o.stalled = o.stalled || wrote == o.wrote
			o.mu.Unlock()
			return
		}
	}
}

// run writes the batches until close is called. notice returns a line about lost lines and the error of the last write.
func (o *output) run(notice func(lines int, err error) []byte) {
	defer close(o.ended)
	var spare []byte
	for more := true; more; {
		o.await()
		o.mu.Lock()
		batch, lost := o.batch, o.lost
		o.batch, more = spare[:0], !o.closed
		o.mu.Unlock()
		told := lost > 0 && o.write(notice(lost, o.failure)) == nil
		if !told {
			lost = 0
		}
		unwritten := 0
		if len(batch) > 0 && o.write(batch) != nil {
			unwritten = bytes.Count(batch[o.partly:], newline)
		}
		o.mu.Lock()
		o.written += int64(len(batch))
		o.lost += unwritten - lost
		o.stalled = false
		if o.lost > 0 && o.failure == nil {
			signal(o.urgent) // tell of the lines that were lost meanwhile
		}
		close(o.wrote)
		o.wrote = make(chan struct{})
		o.mu.Unlock()
		if spare = batch; cap(spare) > 2*maxWaiting {
			spare = nil
		}
	}
}

var newline = []byte("\n")

// write writes lines after those of before. Only run calls it.
func (o *output) write(lines []byte) error {
	if o.torn {
		_, o.failure = o.w.Write(newline)
		if o.failure != nil {
			o.partly = 0
			return o.failure
		}
	}
	o.partly, o.failure = o.w.Write(lines)
	o.torn = o.partly > 0 && lines[o.partly-1] != '\n'
	return o.failure
}

// await waits until the batch is to be written.
func (o *output) await() {
	select {
	case <-o.urgent:
		return
	case <-o.begun:
	}
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-o.urgent:
	case <-timer.C:
	}
}

// close writes the batch and ends run. It waits for some time.
func (o *output) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	signal(o.urgent)
	select {
	case <-o.ended:
	case <-time.After(5 * o.patience):
	}
}

// signal puts a value into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
