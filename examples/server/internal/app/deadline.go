package app

import (
	"net"
	"sync"
	"time"
)

// sweepInterval is the precision of the deadlines of connections.
const sweepInterval = time.Second

// A deadlineListener accepts connections whose deadlines cost little. An http.Server sets five deadlines for each
// request, and each of them sets or stops a timer of the runtime. A deadline is only recorded; one timer checks for
// expired ones. They are up to a second late.
type deadlineListener struct {
	net.Listener
	started time.Time

	mu       sync.Mutex
	conns    map[*deadlineConn]struct{}
	sweeping bool // the timer runs, which it does while there are connections
}

// newDeadlineListener returns a listener of the connections of a TCP listener.
func newDeadlineListener(l net.Listener) *deadlineListener {
	return &deadlineListener{Listener: l, started: time.Now(), conns: map[*deadlineConn]struct{}{}}
}

// Accept implements net.Listener.
func (l *deadlineListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn, ok := accepted.(*net.TCPConn)
	if !ok {
		return accepted, nil
	}
	c := &deadlineConn{TCPConn: conn, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	if !l.sweeping {
		l.sweeping = true
		time.AfterFunc(sweepInterval, l.sweep)
	}
	return c, nil
}

// sweep ends the operations whose deadlines have passed, again and again while there are connections.
func (l *deadlineListener) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now())
	if l.sweeping = len(l.conns) > 0; l.sweeping {
		time.AfterFunc(sweepInterval, l.sweep)
	}
}

// expire ends the operations whose deadlines have passed at a time. The caller must hold mu.
func (l *deadlineListener) expire(now time.Time) {
	for c := range l.conns {
		c.read.expire(now, c.TCPConn.SetReadDeadline)
		c.write.expire(now, c.TCPConn.SetWriteDeadline)
	}
}

// A deadlineConn is a connection of a deadlineListener.
type deadlineConn struct {
	*net.TCPConn
	listener    *deadlineListener
	read, write deadline
	join        joiner
}

// Close implements net.Conn.
func (c *deadlineConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.TCPConn.Close()
}

// SetDeadline implements net.Conn.
func (c *deadlineConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *deadlineConn) SetReadDeadline(t time.Time) error {
	return c.read.set(t, c.listener.started, c.TCPConn.SetReadDeadline)
}

// SetWriteDeadline implements net.Conn.
func (c *deadlineConn) SetWriteDeadline(t time.Time) error {
	return c.write.set(t, c.listener.started, c.TCPConn.SetWriteDeadline)
}

// A deadline is the deadline of the operations of one kind on a connection.
type deadline struct {
	mu     sync.Mutex
	at     time.Time // zero: there is none
	passed bool      // operations fail, because the connection itself has this deadline
}

// set sets the deadline. A deadline before the server's start, which http.Server uses to interrupt an operation, is set
// on the connection itself with setConn.
func (d *deadline) set(t, started time.Time, setConn func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	switch {
	case !t.IsZero() && t.Before(started):
		d.passed = true
		return setConn(t)
	case d.passed:
		d.passed = false
		return setConn(time.Time{})
	}
	return nil
}

// expire ends the operations if the deadline has passed at a time.
func (d *deadline) expire(now time.Time, setConn func(time.Time) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.passed && !d.at.IsZero() && !d.at.After(now) {
		d.passed = true
		_ = setConn(pastDeadline) // it fails if the connection was closed
	}
}

// pastDeadline ends operations at once.
var pastDeadline = time.Unix(1, 0)
