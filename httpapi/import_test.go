package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestImport(t *testing.T) {
	var (
		newer  = definition("A", "2")
		same   = definition("B", "1")
		added  = definition("New", "1")
		synced = definition("Synced", "9")
		pretty = strings.ReplaceAll(added, ",", ",\n")
		large  = `{"x":"` + strings.Repeat("x", 200_000) + `"}`
		long   = strings.Repeat(" ", 200_000) + added
		array  = func(definitions ...string) string { return "[" + strings.Join(definitions, ",\n") + "]" }
		lines  = func(definitions ...string) string { return strings.Join(definitions, "\n") }
	)
	const (
		replace      = "?replace=1"
		unchanged    = "A 1 B 1"
		created      = "A 1 B 1 New 1"
		updated      = "A 2 B 1 New 1"
		updatedAgain = "A 2 B 1"
	)
	for _, c := range []struct {
		name, query, body string
		status            int
		want              string // the item, id and result of each line
		titles            string
	}{
		{
			"array", replace, array(newer, same, added, `{"id":"x"}`), 200,
			"/0 A updated, /1 B unchanged, /2 New created, /3  refused", updated,
		},
		{
			"lines", replace, lines(newer, "", "{broken", added), 200,
			"line 1 A updated, line 3  refused, line 4 New created", updated,
		},
		{
			"one title several times", replace, array(newer, definition("a", "3"), same, newer), 200,
			"/0 A updated, /1 A updated, /2 B unchanged, /3 A updated", updatedAgain,
		},
		{"line breaks in one definition", "", pretty, 200, "line 1 New created", created},
		{
			"zip", replace, zipped(t, "x/A.json", newer, "bad.json", "{}", "N.json", added), 200,
			"x/A.json A updated, bad.json  refused, N.json New created", updated,
		},
		{
			"without replace", "", array(newer, same, added), 200,
			"/0 A refused, /1 B unchanged, /2 New created", created,
		},
		{"dry run without replace", "?dry_run=1", array(newer), 200, "/0 A refused", unchanged},
		{
			"dry run", "?dry_run=1&replace=1", array(newer, same, added, synced), 200,
			"/0 A updated, /1 B unchanged, /2 New created, /3 Synced refused", unchanged,
		},
		{"followed title", "", array(synced), 200, "/0 Synced refused", unchanged},
		{"truncated array", replace, "[" + newer + ",{", 200, "/0 A updated, /1  refused", "A 2 B 1"},
		{"empty array", "", "[]", 200, "", unchanged},
		{"empty body", "", " ", 400, "", unchanged},
		{"byte order mark", "", "\ufeff" + array(added), 200, "/0 New created", created},
		{
			"byte order mark before lines", replace, "\ufeff" + lines(added, newer), 200,
			"line 1 New created, line 2 A updated", updated,
		},
		{"text after the array", "", array(added) + " x", 200, "/0 New created, /1  refused", created},
		{
			"zip with other files", "", zipped(t, "README.txt", "x", "N.json", added), 200,
			"README.txt  refused, N.json New created", created,
		},
		{"no JSON", "", "<html>", 415, "", unchanged},
		{"invalid parameter", "?dry_run=x", "[]", 400, "", unchanged},
		{"large definition", replace, array(newer, large, added), 200, "/0 A updated, /1  refused", "A 2 B 1"},
		{
			"long line", replace, lines(newer, long, added), 200,
			"line 1 A updated, line 2  refused, line 3 New created", updated,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memstore.New())
			b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, MaxBodyBytes: 50_000})
			b.create("A", "B")
			follows := &catalog.CreateOptions{Follows: "https://example.com"}
			if _, err := b.catalog.Create(t.Context(), parse(t, definition("Synced", "1")), follows); err != nil {
				t.Fatal(err)
			}
			expect(t, b.do("POST", "/api/v1/titles/import"+c.query, c.body), 401)
			w := b.asAdmin("POST", "/api/v1/titles/import"+c.query, c.body)
			require(t, w, c.status)
			if w.Code == 200 {
				if got := importedLines(t, w.Body); got != c.want {
					t.Errorf("got the lines %s, want %s", got, c.want)
				}
			}
			if got := strings.TrimSuffix(b.titles(), " Synced 1"); got != c.titles {
				t.Errorf("got the titles %s, want %s", got, c.titles)
			}
		})
	}
}

// importedLines returns the item, id and result of each line of an answer. Each line that is refused says why.
func importedLines(t *testing.T, body io.Reader) string {
	t.Helper()
	var all []string
	for dec := json.NewDecoder(body); ; {
		var line struct{ Item, ID, Result, Message string }
		err := dec.Decode(&line)
		if errors.Is(err, io.EOF) {
			return strings.Join(all, ", ")
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line.Item+" "+line.ID+" "+line.Result)
		if line.Result == "refused" && (line.Message == "" || strings.Contains(line.Message, "within the server")) {
			t.Errorf("%s is refused with the message %q", line.Item, line.Message)
		}
	}
}

// A title may be called import.
func TestATitleCalledImport(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("import")
	expect(t, b.do("GET", "/api/v1/titles/import", ""), 200, `"id":"import"`)
	expect(t, b.asAdmin("DELETE", "/api/v1/titles/import", ""), 200)
}

// The lines of many titles have the order of the definitions, although several are imported at once.
func TestImportKeepsTheOrder(t *testing.T) {
	b := newBench(t, memstore.New())
	var body, want []string
	for i := range 100 {
		id := fmt.Sprintf("T%d", i)
		body = append(body, definition(id, "1"))
		want = append(want, fmt.Sprintf("line %d %s created", i+1, id))
	}
	w := b.asAdmin("POST", "/api/v1/titles/import", strings.Join(body, "\n"))
	require(t, w, 200)
	if got := importedLines(t, w.Body); got != strings.Join(want, ", ") {
		t.Errorf("got the lines %s, want %s", got, strings.Join(want, ", "))
	}
}

// A hangUpWriter is the answer to a client that hangs up after the first line.
type hangUpWriter struct {
	*httptest.ResponseRecorder
	hangUp func()
}

func (w *hangUpWriter) Write(p []byte) (int, error) {
	w.hangUp()
	return len(p), nil
}

func TestImportStopsWhenTheClientHangsUp(t *testing.T) {
	b := newBench(t, memstore.New())
	var body strings.Builder
	const titles = 500
	for i := range titles {
		body.WriteString(definition(fmt.Sprintf("T%d", i), "1") + "\n")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/titles/import", strings.NewReader(body.String()))
	r.Header.Set("Authorization", "Bearer "+b.admin)
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, MaxBodyBytes: 1 << 20})
	b.handler.ServeHTTP(&hangUpWriter{httptest.NewRecorder(), cancel}, r)
	if n := b.catalog.Len(); n == 0 || n == titles {
		t.Errorf("%d titles were imported, want some of %d", n, titles)
	}
}

// An interceptedStore calls a function with the number of each write of a title.
type interceptedStore struct {
	store.Store
	titles atomic.Int64
	write  func(n int64) error
}

func (s *interceptedStore) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "titles" {
		if err := s.write(s.titles.Add(1)); err != nil {
			return "", err
		}
	}
	return s.Store.Put(ctx, k, v, c)
}

// importInto imports titles into a store whose writes of titles call a function. It returns the answer and the log.
func importInto(
	t *testing.T, ctx context.Context, titles int, write func(n int64) error,
) (w *httptest.ResponseRecorder, log string) {
	t.Helper()
	b := newBench(t, &interceptedStore{Store: memstore.New(), write: write})
	var lines bytes.Buffer
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Tokens: b.auth, Logger: slog.New(slog.NewTextHandler(&lines, nil)),
	})
	var body strings.Builder
	for i := range titles {
		body.WriteString(definition(fmt.Sprintf("T%d", i), "1") + "\n")
	}
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/titles/import", strings.NewReader(body.String()))
	r.Header.Set("Authorization", "Bearer "+b.admin)
	w = httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w, lines.String()
}

//go:noinline
func panicInStore() error { panic("a fault of the store") }

// A panic while a title is imported ends the request and not the process. The log has each panic and its stack.
func TestImportPanics(t *testing.T) {
	const titles = 3
	for _, gone := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var all sync.WaitGroup
		all.Add(titles)
		w, log := importInto(t, ctx, titles, func(int64) error {
			all.Done()
			all.Wait()
			if gone {
				cancel()
			}
			return panicInStore()
		})
		expect(t, w, 500)
		panics, stacks := strings.Count(log, "panic: a fault of the store"), strings.Count(log, "panicInStore(")
		if panics != titles || stacks != titles {
			t.Errorf("client gone: %v; the log has %d panics and %d of their stacks, want %d:\n%s",
				gone, panics, stacks, titles, log)
		}
	}
}

// A client that hangs up causes no error in the log.
func TestImportLogsNoErrorsOfAClientThatHangsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, log := importInto(t, ctx, 200, func(n int64) error {
		if n == 40 {
			cancel()
		}
		return nil
	})
	if strings.Contains(log, "level=ERROR") {
		t.Errorf("the log has errors:\n%s", log)
	}
}
