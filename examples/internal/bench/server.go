package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A server is a running build of the reference server.
type server struct {
	target
	build  build
	folder string // has the store and the files beside it
	token  string // the administrator's
	ready  time.Duration
	exited chan struct{}
}

// readyTimeout bounds a start.
const readyTimeout = 10 * time.Minute

// start starts a build over the store in a folder, and waits until it is ready.
func (b *bench) start(ctx context.Context, bin build, folder string, flags ...string) (*server, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{
		target: target{name: bin.name, addr: addr},
		build:  bin,
		folder: folder,
		exited: make(chan struct{}),
	}
	s.cmd = exec.CommandContext(ctx, bin.path, append([]string{
		"--addr", addr,
		"--store", "file:" + filepath.Join(folder, "data"),
		"--rate-limit=false",
		"--max-titles", "1000000",
	}, flags...)...)
	s.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PATCHSOURCE_") })
	log, err := os.Create(s.logFile())
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	if err := s.awaitReady(ctx, begun); err != nil {
		s.kill()
		return nil, err
	}
	token, err := os.ReadFile(filepath.Join(folder, "data.admin-token"))
	s.token = string(bytes.TrimSpace(token))
	return s, err
}

// freeAddress returns an address that nothing listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *server) logFile() string { return filepath.Join(s.folder, "log") }

// awaitReady asks the server until it is ready, and records how long that took.
func (s *server) awaitReady(ctx context.Context, begun time.Time) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for time.Since(begun) < readyTimeout {
		resp, err := http.Get("http://" + s.addr + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				s.ready = time.Since(begun)
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.exited:
			return fmt.Errorf("%s has exited: %s", s.name, s.tail())
		}
	}
	return fmt.Errorf("%s is not ready after %v: %s", s.name, readyTimeout, s.tail())
}

// tail returns the end of the server's log.
func (s *server) tail() []byte {
	log, _ := os.ReadFile(s.logFile())
	return log[max(0, len(log)-2000):]
}

// kill ends the server at once.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// stop stops the server as an administrator does, and kills it if it does not end.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
		return nil
	case <-time.After(2 * time.Minute):
		s.kill()
		return fmt.Errorf("%s did not stop: %s", s.name, s.tail())
	}
}

// A call is a request that is sent through net/http, for calls that are measured one by one.
type call struct {
	method, path, body string
	header             http.Header
	anonymous          bool
	to                 io.Writer // if not nil, gets the body
}

// A reply is what one call costs.
type reply struct {
	status int
	header http.Header
	body   []byte
	time   time.Duration
	cpu    time.Duration
}

// errTimeout reports that a call was given up.
var errTimeout = errors.New("no answer in time")

// do sends a call and reads the answer. It returns an error for the status of one. The CPU is that of the server until
// the answer is complete.
func (s *server) do(ctx context.Context, c call, timeout time.Duration) (r reply, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, "http://"+s.addr+c.path, strings.NewReader(c.body))
	if err != nil {
		return r, err
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	if !c.anonymous {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	before, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	begun := time.Now()
	resp, err := plainTransport.RoundTrip(req)
	if err == nil {
		r.status, r.header = resp.StatusCode, resp.Header
		if c.to != nil && r.status == http.StatusOK {
			_, err = io.Copy(c.to, resp.Body)
		} else {
			r.body, err = io.ReadAll(resp.Body)
		}
		_ = resp.Body.Close()
	}
	r.time = time.Since(begun)
	if err != nil && context.Cause(ctx) == errTimeout {
		err = errTimeout
	}
	if err != nil {
		return r, fmt.Errorf("%s: %s %s: %w", s.name, c.method, c.path, err)
	}
	after, err := cpuTime(s.cmd.Process.Pid)
	r.cpu = after - before
	if err == nil && r.status >= 400 {
		err = fmt.Errorf("%s: %s %s: %d %.300s", s.name, c.method, c.path, r.status, r.body)
	}
	return r, err
}

// plainTransport sends requests as they are: it neither asks for compression nor undoes it.
var plainTransport = &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 4}
