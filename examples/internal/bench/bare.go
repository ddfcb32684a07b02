package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"time"
)

// An answer is an answer of the bare handler.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// A bareHandler answers requests by their paths. It is the handler that the server is compared with.
type bareHandler map[string]answer

func (b bareHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := b[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	if a.Status != http.StatusOK {
		w.WriteHeader(a.Status)
	}
	_, _ = w.Write(a.Body)
}

// serveBare is the child process of the bare handler. It reads the answers, writes its address, and serves until it is
// killed.
func serveBare(in io.Reader, out io.Writer) error {
	var h bareHandler
	if err := json.NewDecoder(in).Decode(&h); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	return http.Serve(l, h)
}

// startBare starts a bare handler with these answers.
func startBare(ctx context.Context, answers bareHandler) (*target, error) {
	cmd, err := roleCommand(ctx, "bare")
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &target{name: "bare", cmd: cmd}
	if err := json.NewEncoder(in).Encode(answers); err != nil {
		return nil, t.fail(err)
	}
	if _, err := fmt.Fscanln(out, &t.addr); err != nil {
		return nil, t.fail(err)
	}
	return t, nil
}

// A target is a process that answers requests.
type target struct {
	name, addr string
	cmd        *exec.Cmd
}

// fail kills the process and returns err.
func (t *target) fail(err error) error {
	t.kill()
	return err
}

// kill ends the process at once.
func (t *target) kill() {
	_ = t.cmd.Process.Kill()
	_ = t.cmd.Wait()
}

// A sample is what one slice of a measurement says about a target.
type sample struct {
	result
	cpu float64 // microseconds for a request
}

// measure runs a job against the target. It sets the job's address. The CPU is that of the job and of some time
// afterwards, in which the target does what it has put off.
func (t *target) measure(ctx context.Context, j job, settle time.Duration) (s sample, err error) {
	j.Addr = t.addr
	before, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return s, err
	}
	if s.result, err = load(ctx, j); err != nil {
		return s, fmt.Errorf("%s: %w", t.name, err)
	}
	time.Sleep(settle)
	after, err := cpuTime(t.cmd.Process.Pid)
	s.cpu = microseconds(after-before) / float64(s.Requests)
	return s, err
}
