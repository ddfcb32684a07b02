//go:build unix

package linear

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A Plan says which workers run and what happens to them.
type Plan struct {
	// Workers is the number of worker processes that run at a time.
	Workers int
	// Command returns the command of a new process of a worker, which calls [Work] with an id of its own. Its output is
	// read by Run.
	Command func(worker, start int) *exec.Cmd
	// Faults are further faults, of a worker or of the storage. Each is called in turn and ends the fault before it
	// returns.
	Faults map[string]func(ctx context.Context, worker int) error
	// Processes says that processes are killed and suspended too.
	Processes bool
	// Time is how long calls are made.
	Time time.Duration
}

// Run runs workers for a time and returns their history and the number of faults of each kind.
func Run(ctx context.Context, p Plan) (h *History, faults map[string]int, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.Time)
	defer cancel()
	h = &History{}
	workers := make([]*worker, p.Workers)
	var all sync.WaitGroup
	errs := make([]error, p.Workers)
	for i := range workers {
		workers[i] = &worker{}
		all.Go(func() { errs[i] = workers[i].run(ctx, h, func(start int) *exec.Cmd { return p.Command(i, start) }) })
	}
	faults, err = p.disturb(ctx, workers)
	<-ctx.Done()
	all.Wait()
	return h, faults, errors.Join(append(errs, err)...)
}

// disturb causes one fault after the other until ctx ends.
func (p *Plan) disturb(ctx context.Context, workers []*worker) (map[string]int, error) {
	counts := map[string]int{}
	all := map[string]func(context.Context, int) error{}
	for name, fault := range p.Faults {
		all[name] = fault
	}
	if p.Processes {
		all["kill"] = func(_ context.Context, i int) error { workers[i].signal(syscall.SIGKILL); return nil }
		all["stop"] = func(ctx context.Context, i int) error {
			workers[i].signal(syscall.SIGSTOP)
			Pause(ctx, time.Second)
			workers[i].signal(syscall.SIGCONT)
			return nil
		}
	}
	for i := 0; len(all) > 0; {
		for name, fault := range all {
			Pause(ctx, 500*time.Millisecond)
			if ctx.Err() != nil {
				return counts, nil
			}
			if err := fault(ctx, i%len(workers)); err != nil {
				return counts, fmt.Errorf("%s: %w", name, err)
			}
			counts[name]++
			i++
		}
	}
	return counts, nil
}

// Pause waits for d or until ctx ends. Faults call it.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// A worker is a process that is started again when it was killed.
type worker struct {
	mu      sync.Mutex
	command *exec.Cmd // nil if no process runs
}

// run runs processes until ctx ends, and reads their output into a history.
func (w *worker) run(ctx context.Context, h *History, command func(start int) *exec.Cmd) error {
	for start := 0; ctx.Err() == nil; start++ {
		cmd := command(start)
		var messages bytes.Buffer
		cmd.Stderr = &messages
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := w.start(cmd); err != nil {
			return err
		}
		stop := context.AfterFunc(ctx, func() { w.signal(syscall.SIGKILL) })
		readErr := h.Read(out)
		err = w.wait()
		stop()
		var exit *exec.ExitError
		killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled()
		if err := errors.Join(readErr, err); readErr != nil || !killed {
			return fmt.Errorf("a worker has ended: %w\n%s", err, messages.Bytes())
		}
	}
	return nil
}

// start starts a process.
func (w *worker) start(cmd *exec.Cmd) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	w.command = cmd
	return nil
}

// wait waits for the process to end.
func (w *worker) wait() error {
	err := w.command.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.command = nil
	return err
}

// signal sends a signal to the process if it runs.
func (w *worker) signal(s syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.command != nil {
		_ = w.command.Process.Signal(s)
	}
}
