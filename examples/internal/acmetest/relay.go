package acmetest

import (
	"io"
	"net"
	"testing"
)

// FreeAddr returns an address at which nothing listens.
func FreeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A Relay passes connections to a server whose address becomes known later. They wait for it.
type Relay struct {
	listener net.Listener
	known    chan struct{} // closed when target is set
	target   string
}

// newRelay starts a relay.
func newRelay(t *testing.T) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r := &Relay{listener: l, known: make(chan struct{})}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(t, conn)
		}
	}()
	return r
}

// port returns the port of the relay.
func (r *Relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// To sets the target: "" closes connections.
func (r *Relay) To(target string) {
	r.target = target
	close(r.known)
}

// pass passes a connection to the target.
func (r *Relay) pass(t *testing.T, conn net.Conn) {
	defer conn.Close()
	select {
	case <-t.Context().Done():
		return
	case <-r.known:
	}
	to, err := net.Dial("tcp", r.target)
	if r.target == "" || err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, conn)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(conn, to)
}
