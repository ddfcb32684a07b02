package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A request that is in progress when the server is stopped is answered.
func TestGracefulStop(t *testing.T) {
	p := start(t, t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := definition("Slow", "1")
	fmt.Fprintf(conn, "POST /api/v1/title HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", p.token(), len(text))
	in := bufio.NewReader(conn)
	// The handler reads the body: the request is in progress.
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q (%v), want 100 Continue", line, err)
	}
	if line, err := in.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("got %q (%v), want an empty line", line, err)
	}
	code := make(chan int, 1)
	go func() { code <- p.stop() }()
	waitFor(t, "new connections are refused", func() bool {
		other, err := net.Dial("tcp", conn.RemoteAddr().String())
		if err == nil {
			_ = other.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 201 {
		t.Errorf("got status %d for the request in progress, want 201", res.StatusCode)
	}
	if c := <-code; c != 0 {
		t.Errorf("got exit code %d", c)
	}
	p = start(t, p.dir)
	if status, _ := p.do("GET", "/jamf/v1/patch/Slow", ""); status != 200 {
		t.Errorf("got status %d for an acknowledged title", status)
	}
}

// While the server stops, it answers each request of clients that send one after the other on a connection. The last
// answer asks the client to close the connection, and a new connection is refused.
func TestNoRequestIsResetByAStop(t *testing.T) {
	for range 5 {
		f := &flags{Addr: "127.0.0.1:0"}
		w, err := listen(f, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w.drain.timeout = time.Minute // the drain ends when the clients have closed their connections
		w.use(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
		const clients = 8
		var begun, ended sync.WaitGroup
		begun.Add(clients)
		for range clients {
			ended.Go(func() {
				n, err := postOnOneConnection(w.listener.Addr().String(), begun.Done)
				if err != nil {
					t.Errorf("request %d was not answered: %v", n, err)
				}
			})
		}
		begun.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.stop(ctx); err != nil {
			t.Error(err)
		}
		ended.Wait()
		if _, err := net.Dial("tcp", w.listener.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new connection: got %v, want ECONNREFUSED", err)
		}
	}
}

// postOnOneConnection sends requests until an answer closes the connection. It calls first after the first answer, and
// returns the number of the request that failed.
func postOnOneConnection(addr string, first func()) (n int, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		first()
		return 0, err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for n = 1; ; n++ {
		if _, err := fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
			return n, err
		}
		res, err := http.ReadResponse(answers, nil)
		if n == 1 {
			first()
		}
		if err != nil {
			return n, err
		}
		if _, err = io.Copy(io.Discard, res.Body); err != nil || res.Close {
			return n, err
		}
	}
}
