package catalog

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
)

// A body is bytes in one or more segments. It never changes. It is safe for concurrent use.
type body struct {
	size     int
	segments [][]byte
	joined   func() []byte
	isJoined atomic.Bool // joined was called
	written  atomic.Bool // writeTo was called
}

const (
	// maxJoined is the size up to which a body is joined when it is first written.
	maxJoined = 256 << 10
	// writeSize is about how many bytes are written at once of a body that is not joined.
	writeSize = 64 << 10
)

// newBody returns the body of segments, of which there must be at least one.
func newBody(segments [][]byte) *body {
	b := &body{segments: segments}
	for _, s := range segments {
		b.size += len(s)
	}
	if len(segments) == 1 {
		b.joined = func() []byte { return segments[0] }
		b.isJoined.Store(true)
		return b
	}
	b.joined = sync.OnceValue(func() []byte {
		defer b.isJoined.Store(true)
		return bytes.Join(segments, nil)
	})
	return b
}

// bytes returns the bytes. The first call joins them.
func (b *body) bytes() []byte { return b.joined() }

var writeBuffers = sync.Pool{New: func() any { return new([writeSize]byte) }}

// writeTo writes the body. A large body that is written for the first time may change before it is written again, and
// is not joined for that.
func (b *body) writeTo(w io.Writer) (written int64, err error) {
	if b.isJoined.Load() || b.size <= maxJoined || b.written.Swap(true) {
		n, err := w.Write(b.joined())
		return int64(n), err
	}
	array := writeBuffers.Get().(*[writeSize]byte)
	defer writeBuffers.Put(array)
	buffer := array[:0]
	flush := func() {
		if err == nil && len(buffer) > 0 {
			var n int
			n, err = w.Write(buffer)
			written += int64(n)
		}
		buffer = array[:0]
	}
	for _, s := range b.segments {
		for len(s) > 0 && err == nil {
			n := min(len(s), writeSize-len(buffer))
			buffer = append(buffer, s[:n]...)
			if s = s[n:]; len(buffer) == writeSize {
				flush()
			}
		}
	}
	flush()
	return written, err
}
