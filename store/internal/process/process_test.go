//go:build unix

package process

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A server that exits before it is ready is an error, which quotes the end of its output.
func TestStart(t *testing.T) {
	start := func(script string) (*Process, error) {
		return Start(Server{Command: exec.Command("sh", "-c", script), Signal: syscall.SIGKILL, Message: "is ready"})
	}
	p, err := start("echo the server is ready; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if p.server.Command.ProcessState == nil {
		t.Error("Kill has not waited for the process")
	}
	if _, err := start("echo no disk >&2"); err == nil || !strings.Contains(err.Error(), "it has exited\nno disk") {
		t.Errorf("a server that exits: %v", err)
	}
	if _, err := Start(Server{Command: exec.Command("/no/such/server"), Message: "is ready"}); err == nil {
		t.Error("a server that is missing: no error")
	}
}
