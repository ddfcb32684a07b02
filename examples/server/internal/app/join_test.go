package app

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
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
	s, err := listen(&flags{Addr: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.server.Close() })
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

func TestFirstWriteIsHeld(t *testing.T) {
	t.Parallel()
	_, c, client := deadlineConns(t)
	buffer := bytes.Repeat([]byte("b"), httpBuffer)
	var sent, got []byte
	for i, step := range []struct {
		write []byte
		end   bool
		held  int // afterwards
	}{
		{write: []byte("small")},
		{write: buffer}, // not the first one
		{end: true},
		{write: buffer, held: httpBuffer},
		{write: buffer},
		{end: true},
		{write: buffer, held: httpBuffer},
		{end: true},
		{write: []byte("next")},
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
		if len(c.join.held) != step.held {
			t.Errorf("step %d: %d bytes are held, want %d", i, len(c.join.held), step.held)
		}
		more := make([]byte, len(sent)-step.held-len(got))
		if _, err := io.ReadFull(client, more); err != nil {
			t.Fatal(err)
		}
		if got = append(got, more...); !bytes.Equal(got, sent[:len(got)]) {
			t.Fatalf("step %d: the bytes arrived in another order", i)
		}
	}
}
