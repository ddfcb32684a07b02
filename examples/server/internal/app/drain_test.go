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
	"sync"
	"syscall"
	"testing"
	"time"
)

// Clients that keep their connection and send one request after the other get an
// answer to each of them while the server stops; the last answer has them close the
// connection, and a new one is refused.
func TestNoRequestIsResetByAStop(t *testing.T) {
	for range 5 {
		f := &flags{Addr: "127.0.0.1:0"}
		w, err := listen(f, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w.drain.timeout = time.Minute // it ends when the clients have
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
			t.Errorf("a new connection: %v, want it refused", err)
		}
	}
}

// postOnOneConnection sends requests until an answer says that the connection ends.
// It returns the number of the request that failed.
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
