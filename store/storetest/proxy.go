package storetest

import (
	"net"
	"sync"
)

// A Proxy forwards TCP connections to the server of a storage and breaks them on request. It is safe for concurrent
// use.
type Proxy struct {
	listener net.Listener
	network  string // of the server
	address  string

	mu          sync.Mutex
	connections map[net.Conn]bool // of clients and to the server
	open        *sync.Cond        // the proxy is not a black hole
	hole        bool
}

// NewProxy starts a proxy to the server at an address of a network, such as "tcp" or "unix". The caller must call
// Close.
func NewProxy(network, address string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, network: network, address: address, connections: map[net.Conn]bool{}}
	p.open = sync.NewCond(&p.mu)
	go p.accept()
	return p, nil
}

// Addr returns the address at which the proxy listens.
func (p *Proxy) Addr() *net.TCPAddr { return p.listener.Addr().(*net.TCPAddr) }

// Cut closes all connections. New ones are accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.connections {
		_ = c.Close()
	}
}

// Hold makes the proxy a black hole, or ends that: bytes in both directions, and new connections, wait.
func (p *Proxy) Hold(hole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = hole
	p.open.Broadcast()
}

// Close closes all connections and stops the proxy.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Hold(false)
	p.Cut()
}

// accept forwards connections until the proxy is closed.
func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.forward(client)
	}
}

// forward forwards one connection.
func (p *Proxy) forward(client net.Conn) {
	defer p.add(client)()
	p.pass()
	server, err := net.Dial(p.network, p.address)
	if err != nil {
		return
	}
	defer p.add(server)()
	go p.copy(client, server)
	p.copy(server, client)
}

// add makes a connection known to Cut. The returned function closes it.
func (p *Proxy) add(c net.Conn) (remove func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connections[c] = true
	return func() {
		_ = c.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.connections, c)
	}
}

// copy copies one direction of a connection, and closes both ends at its end.
func (p *Proxy) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	defer func() { _ = from.Close() }()
	for buffer := make([]byte, 32<<10); ; {
		n, err := from.Read(buffer)
		p.pass()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits while the proxy is a black hole.
func (p *Proxy) pass() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hole {
		p.open.Wait()
	}
}
