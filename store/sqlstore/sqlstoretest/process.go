package sqlstoretest

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout bounds the time until a server accepts connections. It may have to recover from a crash.
	startTimeout = 30 * time.Second
	// maxTail bounds the end of the log that errors quote.
	maxTail = 4096
)

// A process is a running server.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // is closed when the process has exited
	log    logWatch
}

// startProcess starts a server in a directory and waits until it accepts connections.
func startProcess(dir, path string, args []string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.log.ready = make(chan struct{})
	p.cmd.Dir, p.cmd.SysProcAttr, p.cmd.Stderr = dir, attributes(syscall.SIGQUIT), &p.log
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("sqlstoretest: %w", err)
	}
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	err := errors.New("it has exited")
	select {
	case <-p.log.ready:
		return p, nil
	case <-p.exited:
	case <-timeout.C:
		err = errors.New("it does not accept connections")
		p.kill()
	}
	return nil, fmt.Errorf("sqlstoretest: start %s: %w\n%s", path, err, p.log.end())
}

// run starts the process and waits until it has exited. The thread is locked, because on Linux the process gets its
// signal when the thread that started it dies.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait()
	}
	close(p.exited)
}

// kill has the server shut down immediately, and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	<-p.exited
}

// A logWatch receives the log of a server. It closes ready when the server accepts connections.
type logWatch struct {
	ready chan struct{}

	mu   sync.Mutex
	tail []byte
	seen bool
}

// Write implements io.Writer.
func (l *logWatch) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if !l.seen && bytes.Contains(l.tail, []byte("database system is ready to accept connections")) {
		l.seen = true
		close(l.ready)
	}
	if n := len(l.tail) - maxTail; n > 0 {
		l.tail = append(l.tail[:0], l.tail[n:]...)
	}
	return len(p), nil
}

// end returns the end of the log.
func (l *logWatch) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.tail)
}
