package app

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// deadlineConns returns both ends of a connection of a deadlineListener.
func deadlineConns(t *testing.T) (l *deadlineListener, c *deadlineConn, peer net.Conn) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	if peer, err = net.Dial("tcp", tcp.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	l = newDeadlineListener(tcp)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return l, conn.(*deadlineConn), peer
}

// sweepAt ends the operations whose deadlines have passed after some time.
func (l *deadlineListener) sweepAt(after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(time.Now().Add(after))
}

// readByte reads a byte in another goroutine.
func readByte(c net.Conn) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(c, make([]byte, 1))
		done <- err
	}()
	return done
}

func TestReadDeadline(t *testing.T) {
	l, c, peer := deadlineConns(t)
	_ = c.SetReadDeadline(time.Now().Add(time.Hour))
	done := readByte(c)
	l.sweepAt(59 * time.Minute)
	_, _ = peer.Write([]byte("a"))
	if err := <-done; err != nil {
		t.Errorf("before the deadline: %v", err)
	}
	done = readByte(c)
	l.sweepAt(61 * time.Minute)
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: got %v, want a timeout", err)
	}
	if err := <-readByte(c); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read that begins after the deadline: got %v, want a timeout", err)
	}
	for _, next := range []time.Time{time.Now().Add(2 * time.Hour), {}} {
		_ = c.SetReadDeadline(next)
		done = readByte(c)
		l.sweepAt(time.Hour)
		_, _ = peer.Write([]byte("a"))
		if err := <-done; err != nil {
			t.Errorf("with another deadline: %v", err)
		}
	}
}

// A deadline in the past ends a read at once, as an http.Server expects that needs the connection for another request.
func TestPastDeadline(t *testing.T) {
	_, c, peer := deadlineConns(t)
	done := readByte(c)
	_ = c.SetReadDeadline(time.Unix(1, 0))
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	_, _ = peer.Write([]byte("a"))
	if err := <-readByte(c); err != nil {
		t.Errorf("after the deadline was removed: %v", err)
	}
}

func TestWriteDeadline(t *testing.T) {
	l, c, _ := deadlineConns(t)
	_ = c.SetDeadline(time.Now().Add(time.Hour))
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := c.Write(make([]byte, 1<<20)); err != nil { // until the peer's buffers are full
				done <- err
				return
			}
		}
	}()
	l.sweepAt(61 * time.Minute)
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
}

// A connection that is closed is forgotten, and then the timer stops.
func TestSweepStops(t *testing.T) {
	l, c, _ := deadlineConns(t)
	_ = c.Close()
	l.sweep()
	if l.mu.Lock(); len(l.conns) != 0 || l.sweeping {
		t.Errorf("%d connections, sweeping %v", len(l.conns), l.sweeping)
	}
	l.mu.Unlock()
}
