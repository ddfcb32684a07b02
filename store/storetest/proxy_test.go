package storetest

import (
	"io"
	"net"
	"testing"
	"time"
)

// echo starts a server that sends back what it receives, and returns its address.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

// exchange sends a byte and receives it.
func exchange(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

func TestProxy(t *testing.T) {
	p, err := NewProxy("tcp", echo(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c := dial()
	if err := exchange(c); err != nil {
		t.Fatalf("through the proxy: %v", err)
	}
	p.Cut()
	if err := exchange(c); err == nil {
		t.Error("a connection that was cut works")
	}
	c = dial()
	if err := exchange(c); err != nil {
		t.Fatalf("after a cut: %v", err)
	}
	p.Hold(true)
	done := make(chan error, 1)
	go func() { done <- exchange(c) }()
	select {
	case err := <-done:
		t.Fatalf("through a black hole: %v, want no answer", err)
	case <-time.After(100 * time.Millisecond):
	}
	p.Hold(false)
	if err := <-done; err != nil {
		t.Errorf("after a black hole: %v", err)
	}
}
