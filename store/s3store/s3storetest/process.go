package s3storetest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// A process is a running server.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // is closed when the process has exited
	output bytes.Buffer  // may be read after that
}

// startProcess starts a server and waits until it accepts connections at an address.
func startProcess(path string, env []string, addr string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = &p.output, &p.output, attributes()
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("s3storetest: %w", err)
	}
	for deadline := time.Now().Add(startTimeout); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			return p, c.Close()
		}
		err := errors.New("it has exited")
		select {
		case <-p.exited:
		case <-time.After(10 * time.Millisecond):
			if time.Now().Before(deadline) {
				continue
			}
			err = errors.New("it does not accept connections")
			p.kill()
		}
		return nil, fmt.Errorf("s3storetest: start %s: %w\n%s", path, err, p.output.Bytes())
	}
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

// kill kills the process and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// install returns the path of a program, which it installs into the user's cache directory if it is not there.
func install(pkg, version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "patchsource-test", filepath.Base(pkg)+"-"+version+"-"+runtime.Version())
	path := filepath.Join(dir, filepath.Base(pkg))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Other tests may install it at the same time, so that it is moved to its place when it is complete.
	building, err := os.MkdirTemp(dir, "building-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(building) }()
	cmd := exec.Command("go", "install", "-p", "1", pkg+"@"+version)
	cmd.Dir = building // outside of this module
	cmd.Env = append(os.Environ(), "GOBIN="+building, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: go install %s@%s: %w: %s", ErrMissing, pkg, version, err, bytes.TrimSpace(out))
	}
	return path, os.Rename(filepath.Join(building, filepath.Base(pkg)), path)
}
