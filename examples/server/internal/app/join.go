package app

import (
	"context"
	"io"
	"net"
)

// httpBuffer is the size of the buffer through which an http.Server writes an answer. The first write of an answer that
// is larger has this size, and others follow.
const httpBuffer = 4 << 10

// A joiner joins the first two writes of an answer to one system call, which costs a large answer a fifth less. It is
// not safe for concurrent use.
type joiner struct {
	answering bool // a handler runs, and nothing was written since it began
	held      []byte
	parts     [2][]byte
	buffers   net.Buffers // is parts
}

// beginAnswer is called before the handler of a request. The first write of the answer is then held back if another one
// has to follow.
func (c *deadlineConn) beginAnswer() { c.join.answering = true }

// endAnswer is called after the handler of a request, or when the write that is held back must not wait any longer.
func (c *deadlineConn) endAnswer() error {
	c.join.answering = false
	if len(c.join.held) == 0 {
		return nil
	}
	_, err := c.Write(nil)
	return err
}

// Write implements net.Conn.
func (c *deadlineConn) Write(p []byte) (int, error) {
	j := &c.join
	first := j.answering
	j.answering = false
	if first && len(p) == httpBuffer {
		j.held = append(j.held, p...)
		return len(p), nil
	}
	if len(j.held) == 0 {
		return c.TCPConn.Write(p)
	}
	held := len(j.held)
	j.parts = [2][]byte{j.held, p}
	j.buffers = j.parts[:]
	n, err := j.buffers.WriteTo(c.TCPConn)
	j.held, j.parts = j.held[:0], [2][]byte{}
	return max(0, int(n)-held), err
}

// ReadFrom implements io.ReaderFrom.
func (c *deadlineConn) ReadFrom(r io.Reader) (int64, error) {
	if err := c.endAnswer(); err != nil {
		return 0, err
	}
	return c.TCPConn.ReadFrom(r)
}

// connKey is the key of the connection in the context of a request.
type connKey struct{}

// withConn returns a context with a connection. It is the ConnContext of an http.Server.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}
