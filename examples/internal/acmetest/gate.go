package acmetest

import (
	"net"
	"sync"
	"testing"
)

// A Gate passes connections to a server unless it is shut.
type Gate struct {
	listener net.Listener
	mu       sync.Mutex
	shut     bool
	conns    []net.Conn
}

// NewGate starts a gate in front of an address. It ends with the test.
func NewGate(t *testing.T, address string) *Gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	g := &Gate{listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			if g.conns = append(g.conns, conn); g.shut {
				_ = conn.Close()
			}
			g.mu.Unlock()
			r := &Relay{known: make(chan struct{})}
			r.To(address)
			go r.pass(t, conn)
		}
	}()
	return g
}

// Addr returns the address of the gate.
func (g *Gate) Addr() string { return g.listener.Addr().String() }

// Shut closes all connections and refuses others, or accepts them again.
func (g *Gate) Shut(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, conn := range g.conns {
		_ = conn.Close()
	}
	g.conns, g.shut = nil, shut
}
