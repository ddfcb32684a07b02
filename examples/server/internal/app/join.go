package app

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"sync"
)

// httpBuffer is the size of the buffer through which an http.Server writes an answer. The first write of an answer that
// is larger has this size, and others follow.
const httpBuffer = 4 << 10

// A joiner joins the first two writes of an answer to one system call, which costs a large answer a fifth less. It is
// not safe for concurrent use.
type joiner struct {
	answering bool // a handler runs, and nothing was written since it began
	hijacked  bool // a handler has taken over the connection
	held      *[httpBuffer]byte
	err       error // of writing what was held; nothing may be sent after it
	parts     [2][]byte
	buffers   net.Buffers // is parts
}

// heldBuffers has the buffers for writes that are held back, so that idle connections have none.
var heldBuffers = sync.Pool{New: func() any { return new([httpBuffer]byte) }}

// beginAnswer is called before the handler of a request. The first write of the answer is then held back if another one
// has to follow.
func (c *deadlineConn) beginAnswer() { c.join.answering = true }

// endAnswer is called after the handler of a request, or when the write that is held back must not wait any longer. If
// that fails, it closes the connection, because a part of the answer is missing.
func (c *deadlineConn) endAnswer() error {
	if c.join.hijacked {
		return nil // other goroutines may use the connection
	}
	c.join.answering = false
	if c.join.held == nil {
		return nil
	}
	_, err := c.Write(nil)
	return err
}

// hijack is called when a handler takes over the connection, before it is given to it.
func (c *deadlineConn) hijack() {
	_ = c.endAnswer() // the next write returns the error
	c.join.hijacked = true
}

// Write implements net.Conn.
func (c *deadlineConn) Write(p []byte) (int, error) {
	j := &c.join
	if j.err != nil {
		return 0, j.err
	}
	if j.hijacked {
		return c.TCPConn.Write(p)
	}
	first := j.answering
	j.answering = false
	if first && len(p) == httpBuffer && announcesMore(p) {
		j.held = heldBuffers.Get().(*[httpBuffer]byte)
		copy(j.held[:], p)
		return len(p), nil
	}
	if j.held == nil {
		return c.TCPConn.Write(p)
	}
	j.parts = [2][]byte{j.held[:], p}
	j.buffers = j.parts[:]
	n, err := j.buffers.WriteTo(c.TCPConn)
	heldBuffers.Put(j.held)
	j.held, j.parts = nil, [2][]byte{}
	if err != nil {
		j.err = err
		_ = c.Close() // the server does not see the error if it has nothing more to write
	}
	return max(0, int(n)-httpBuffer), err
}

// announcesMore reports whether the first write of an answer has a header that announces a longer answer. Without one,
// the write may be all that a handler flushes before it waits.
func announcesMore(p []byte) bool {
	header, body, ok := bytes.Cut(p, []byte("\r\n\r\n"))
	if !ok {
		return false
	}
	_, length, ok := bytes.Cut(header, []byte("\r\nContent-Length: "))
	if !ok {
		return false
	}
	length, _, _ = bytes.Cut(length, []byte("\r\n"))
	n, err := strconv.ParseInt(string(length), 10, 64)
	return err == nil && n > int64(len(body))
}

// ReadFrom implements io.ReaderFrom.
func (c *deadlineConn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.endAnswer(); err != nil {
		return 0, err
	}
	if c.join.err != nil {
		return 0, c.join.err
	}
	return c.TCPConn.ReadFrom(r)
}

// connKey is the key of the connection in the context of a request.
type connKey struct{}

// withConn returns a context with a connection. It is the ConnContext of an http.Server.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}
