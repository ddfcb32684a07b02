package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A readClient is a process that sends requests, so that its CPU time is not that of the server.
type readClient struct {
	in  io.Writer
	out *bufio.Reader
}

// readClientVariable is set in the environment of the process.
const readClientVariable = "PATCHSOURCE_TEST_READ_CLIENT"

// A readOrder asks a readClient for requests over 16 connections.
type readOrder struct {
	Addr, Request string
	Requests      int
}

const readConnections = 16

// startReadClient starts a readClient.
func startReadClient(b *testing.B) *readClient {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestReadClient$")
	cmd.Env = append(os.Environ(), readClientVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &readClient{in, bufio.NewReader(out)}
}

// send has requests sent, and returns when they were answered.
func (c *readClient) send(b *testing.B, addr, request string, requests int) {
	b.Helper()
	if err := json.NewEncoder(c.in).Encode(readOrder{addr, request, requests}); err != nil {
		b.Fatal(err)
	}
	if line, err := c.out.ReadString('\n'); err != nil || line != "done\n" {
		b.Fatalf("the client wrote %q, %v", line, err)
	}
}

// readsCPU returns the CPU time of this process.
func readsCPU() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it fails for an invalid argument
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestReadClient is the process of a readClient.
func TestReadClient(t *testing.T) {
	if os.Getenv(readClientVariable) == "" {
		t.Skip("BenchmarkReads starts it")
	}
	connections := map[string][]*readConnection{}
	for orders := json.NewDecoder(os.Stdin); ; {
		var o readOrder
		if orders.Decode(&o) != nil {
			return // BenchmarkReads has ended
		}
		for len(connections[o.Addr]) < readConnections {
			c, err := net.Dial("tcp", o.Addr)
			if err != nil {
				t.Fatal(err)
			}
			connections[o.Addr] = append(connections[o.Addr], &readConnection{c, bufio.NewReaderSize(c, 64<<10)})
		}
		var work sync.WaitGroup
		for _, c := range connections[o.Addr] {
			work.Go(func() {
				for range o.Requests / readConnections {
					if err := c.get(o.Request); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		work.Wait()
		if t.Failed() {
			return
		}
		fmt.Println("done")
	}
}

// A readConnection is a connection of a readClient.
type readConnection struct {
	net.Conn
	in *bufio.Reader
}

// get sends a request and reads the answer.
func (c *readConnection) get(request string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.Contains(line, []byte(" 200 ")) && !bytes.Contains(line, []byte(" 304 ")) {
			return fmt.Errorf("got %q, want a status 200 or 304", line)
		}
		if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(text))); err != nil {
				return err
			}
		}
		if len(line) == len("\r\n") {
			break
		}
	}
	_, err := c.in.Discard(length)
	return err
}
