package answer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var then = time.Date(2026, 5, 1, 12, 0, 0, 5, time.UTC)

func newServer() *Server { return &Server{Now: func() time.Time { return then.Add(time.Hour) }} }

// get returns the answer with a document to a request with a header of names and values in turn.
func get(t *testing.T, s *Server, doc Document, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	if err := s.Serve(w, r, doc, JSON); err != nil {
		t.Fatal(err)
	}
	return w
}

// Indented JSON is bounded: JSON that would become too large stays as it is.
func TestPrettyIsBounded(t *testing.T) {
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	for body, indented := range map[string]bool{
		`{"a":[1,{}],"b":"\"{"}`: true,
		deep:                     false,
		"no JSON":                false,
	} {
		doc := New([]byte(body), then)
		if doc.HasPretty() {
			t.Error("a document is indented before it is asked for")
		}
		pretty := doc.Pretty()
		if got := string(pretty.Bytes()) != body; got != indented {
			t.Errorf("%.40s: indented: %v, want %v", body, got, indented)
		}
		if !doc.HasPretty() || &doc.Pretty().Bytes()[0] != &pretty.Bytes()[0] {
			t.Errorf("%.40s: a document is indented twice", body)
		}
	}
}

// The time of a document that is ahead of the clock is not shown.
func TestLastModifiedIsNotInTheFuture(t *testing.T) {
	s := newServer()
	w := get(t, s, New([]byte("{}"), s.Now().Add(time.Minute)), "/")
	if got, want := w.Header().Get("Last-Modified"), s.Now().Format(http.TimeFormat); got != want {
		t.Errorf("got Last-Modified %s, want %s", got, want)
	}
}

// A document is sent and indented only as far as the hooks allow.
func TestHooks(t *testing.T) {
	s := newServer()
	var sent, indented, left int
	leave := func() { left++ }
	s.Send = func(_ http.ResponseWriter, _ *http.Request, bytes int) (func(), error) {
		sent += bytes
		return leave, nil
	}
	s.Indent = func(_ *http.Request, bytes int) (func(), error) {
		indented += bytes
		return leave, nil
	}
	doc := New([]byte(`{"a":1}`), then)
	get(t, s, doc, "/?pretty")
	if indented != 7 || sent != len(doc.Pretty().Bytes()) || left != 2 {
		t.Errorf("%d bytes were indented and %d sent, and %d hooks left", indented, sent, left)
	}
	sent, indented = 0, 0
	get(t, s, doc, "/?pretty", "If-None-Match", doc.Pretty().ETag())
	if indented != 0 || sent != 0 {
		t.Errorf("of a document that the client has, %d bytes were indented and %d sent", indented, sent)
	}
	busy := errors.New("busy")
	s.Send = func(http.ResponseWriter, *http.Request, int) (func(), error) { return nil, busy }
	w := httptest.NewRecorder()
	if err := s.Serve(w, httptest.NewRequest("GET", "/", nil), doc, JSON); !errors.Is(err, busy) || w.Body.Len() != 0 {
		t.Errorf("got error %v and the body %s, want busy and none", err, w.Body)
	}
}
