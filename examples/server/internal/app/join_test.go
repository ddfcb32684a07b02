package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestJoinedAnswers reads answers whose sizes are around those of the buffers of net/http, over one connection.
func TestJoinedAnswers(t *testing.T) {
	t.Parallel()
	ways := map[string]func(w http.ResponseWriter, body []byte){
		"whole": func(w http.ResponseWriter, body []byte) { _, _ = w.Write(body) },
		"parts": func(w http.ResponseWriter, body []byte) {
			for part := range slices.Chunk(body, 500) {
				_, _ = w.Write(part)
			}
		},
		"flushed": func(w http.ResponseWriter, body []byte) {
			_, _ = w.Write(body)
			_ = http.NewResponseController(w).Flush()
		},
		"copied": func(w http.ResponseWriter, body []byte) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body))) // otherwise it is written in chunks
			_, _ = w.(io.ReaderFrom).ReadFrom(bytes.NewReader(body))
		},
	}
	all := []byte(strings.Repeat("0123456789", httpBuffer))
	s := listenForTest(t)
	s.use(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		way, text, _ := strings.Cut(r.URL.Path[1:], "/")
		size, _ := strconv.Atoi(text)
		ways[way](w, all[:size])
	}))
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	t.Cleanup(client.CloseIdleConnections)
	for way := range ways {
		for _, size := range []int{1, 512, httpBuffer, 2 * httpBuffer, 5 * httpBuffer} {
			for n := max(0, size-160); n <= size+1; n++ { // the header has about 120 bytes
				resp, err := client.Get(s.url(&flags{}) + "/" + way + "/" + strconv.Itoa(n))
				if err != nil {
					t.Fatalf("%s, %d bytes: %v", way, n, err)
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || !bytes.Equal(got, all[:n]) {
					t.Fatalf("%s: got %d bytes and the error %v, want %d bytes", way, len(got), err, n)
				}
			}
		}
	}
}

// firstWrite returns the first write of an answer whose body has a number of bytes.
func firstWrite(length int) []byte {
	p := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: text/plain\r\n\r\n", length)
	return append(p, bytes.Repeat([]byte("b"), httpBuffer-len(p))...)
}

func TestFirstWriteIsHeld(t *testing.T) {
	t.Parallel()
	_, c, client := deadlineConns(t)
	buffer := firstWrite(2 * httpBuffer)
	complete := firstWrite(bytes.Count(firstWrite(1000), []byte("b"))) // that is the whole body
	chunked := bytes.Replace(buffer, []byte("Content-Length: 8192"), []byte("Transfer-Encoding: c"), 1)
	var sent, got []byte
	for i, step := range []struct {
		write []byte
		end   bool
		held  bool // afterwards
	}{
		{write: []byte("small")},
		{write: buffer}, // not the first one
		{end: true},
		{write: buffer, held: true},
		{write: buffer},
		{end: true},
		{write: buffer, held: true},
		{end: true},
		{write: []byte("next")},
		{end: true},
		{write: complete}, // nothing follows
		{end: true},
		{write: chunked}, // something may follow
		{end: true},
		{write: bytes.Repeat([]byte("h"), httpBuffer)}, // the header is longer
		{end: true},
	} {
		if i == 0 || step.end {
			if err := c.endAnswer(); err != nil {
				t.Fatal(err)
			}
			c.beginAnswer()
		}
		if len(step.write) > 0 {
			if n, err := c.Write(step.write); n != len(step.write) || err != nil {
				t.Fatalf("step %d: Write returned %d, %v", i, n, err)
			}
		}
		sent = append(sent, step.write...)
		if held := c.join.held != nil; held != step.held {
			t.Fatalf("step %d: a write is held: %v, want %v", i, held, step.held)
		}
		size := len(sent) - len(got)
		if step.held {
			size -= len(step.write)
		}
		more := make([]byte, size)
		if _, err := io.ReadFull(client, more); err != nil {
			t.Fatal(err)
		}
		if got = append(got, more...); !bytes.Equal(got, sent[:len(got)]) {
			t.Fatalf("step %d: the bytes arrived in another order", i)
		}
	}
}

// What a handler flushes is sent before the handler returns, whatever its size.
func TestFlushIsNotHeld(t *testing.T) {
	t.Parallel()
	s := listenForTest(t)
	received := make(chan struct{})
	s.use(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Path[1:])
		_, _ = io.WriteString(w, strings.Repeat("x", n))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-received:
		case <-r.Context().Done():
		}
	}))
	client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	t.Cleanup(client.CloseIdleConnections)
	for n := httpBuffer - 220; n <= httpBuffer; n++ { // the header has about 120 bytes
		resp, err := client.Get(s.url(&flags{}) + "/" + strconv.Itoa(n))
		if err != nil {
			t.Fatalf("%d bytes that were flushed do not arrive: %v", n, err)
		}
		if _, err = io.ReadFull(resp.Body, make([]byte, n)); err != nil {
			t.Fatalf("%d bytes that were flushed do not arrive: %v", n, err)
		}
		received <- struct{}{}
		if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
			t.Fatalf("%d bytes are followed by %q, %v", n, rest, err)
		}
		_ = resp.Body.Close()
	}
}

// If a write that was held back fails, nothing is sent after it: a part of an answer is missing.
func TestNothingFollowsALostWrite(t *testing.T) {
	t.Parallel()
	_, c, client := deadlineConns(t)
	c.beginAnswer()
	if _, err := c.Write(firstWrite(2 * httpBuffer)); err != nil {
		t.Fatal(err)
	}
	if err := c.TCPConn.SetWriteDeadline(pastDeadline); err != nil {
		t.Fatal(err)
	}
	want := c.endAnswer()
	if !errors.Is(want, os.ErrDeadlineExceeded) {
		t.Errorf("the end of the answer returns %v, want a timeout", want)
	}
	_ = c.TCPConn.SetWriteDeadline(time.Time{})
	c.beginAnswer()
	if _, err := c.Write([]byte("next")); err != want {
		t.Errorf("the next Write returns %v, want %v", err, want)
	}
	if _, err := c.ReadFrom(strings.NewReader("next")); err != want {
		t.Errorf("the next ReadFrom returns %v, want %v", err, want)
	}
	if got, err := io.ReadAll(client); len(got) > 0 || err != nil {
		t.Errorf("the client reads %d bytes, %v; want the end of the connection", len(got), err)
	}
}

// The writes of a handler that has taken over the connection are not held back, and may follow its return.
func TestHijackedConnection(t *testing.T) {
	t.Parallel()
	s := listenForTest(t)
	received, part := make(chan struct{}), firstWrite(2*httpBuffer)
	s.use(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() {
			defer conn.Close()
			_, _ = conn.Write(part)
			<-received
			_, _ = conn.Write([]byte("rest"))
		}()
	}))
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(part))
	_, err = io.ReadFull(conn, got)
	close(received)
	if err != nil || !bytes.Equal(got, part) {
		t.Fatalf("the first write does not arrive: %q, %v", got, err)
	}
	if rest, err := io.ReadAll(conn); string(rest) != "rest" || err != nil {
		t.Errorf("the second write arrives as %q, %v", rest, err)
	}
}

// listenForTest starts a web.
func listenForTest(t *testing.T) *web {
	t.Helper()
	s, err := listen(&flags{Addr: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.servers[0].Close() })
	return s
}
