// Package process starts the servers of tests. A server is killed when the test that started it dies.
package process

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout bounds the time until a server is ready. It may have to recover from a crash.
	startTimeout = 30 * time.Second
	// maxOutput bounds the end of the output that errors quote.
	maxOutput = 4096
)

// A Server describes a server that is to be started.
type Server struct {
	// Command is its command. Start sets its output and its SysProcAttr.
	Command *exec.Cmd
	// Signal stops the server at once. On Linux the server gets it, too, when this process dies.
	Signal syscall.Signal
	// Nobody says that the server runs as the user [Nobody] if this process is root's.
	Nobody bool
	// Address is a TCP address. The server is ready when it accepts connections there.
	Address string
	// Message, if not empty, is a part of the output. The server is ready when it has written that.
	Message string
}

// Nobody is the id of a user and a group without rights.
const Nobody = 65534

// A Process is a running server.
type Process struct {
	server Server
	exited chan struct{} // is closed when the process has exited
	output output
}

// Start starts a server and waits until it is ready.
func Start(s Server) (*Process, error) {
	p := &Process{server: s, exited: make(chan struct{}), output: output{message: []byte(s.Message)}}
	s.Command.SysProcAttr = Attributes(s.Signal, s.Nobody)
	s.Command.Stdout, s.Command.Stderr = &p.output, &p.output
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	err := errors.New("it has exited")
	for deadline := time.Now().Add(startTimeout); ; {
		if p.ready() {
			return p, nil
		}
		select {
		case <-p.exited:
		case <-time.After(10 * time.Millisecond):
			if time.Now().Before(deadline) {
				continue
			}
			err = errors.New("it is not ready in time")
			p.Kill()
		}
		return nil, fmt.Errorf("start %s: %w\n%s", s.Command.Path, err, p.output.end())
	}
}

// ready reports whether the server is ready.
func (p *Process) ready() bool {
	if p.server.Message != "" {
		return p.output.hasMessage()
	}
	c, err := net.Dial("tcp", p.server.Address)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// run starts the process and waits until it has exited. The thread is locked, because on Linux the process gets its
// signal when the thread that started it dies.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.server.Command.Start()
	started <- err
	if err == nil {
		_ = p.server.Command.Wait()
	}
	close(p.exited)
}

// Kill sends the process its signal and waits until it has exited.
func (p *Process) Kill() {
	_ = p.server.Command.Process.Signal(p.server.Signal)
	<-p.exited
}

// An output keeps the end of what a server writes, and looks for a message in it.
type output struct {
	message []byte

	mu   sync.Mutex
	tail []byte
	seen bool
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = append(o.tail, p...)
	o.seen = o.seen || bytes.Contains(o.tail, o.message)
	if n := len(o.tail) - maxOutput; n > 0 {
		o.tail = append(o.tail[:0], o.tail[n:]...)
	}
	return len(p), nil
}

// hasMessage reports whether the server has written the message.
func (o *output) hasMessage() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

// end returns the end of the output.
func (o *output) end() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.tail)
}
