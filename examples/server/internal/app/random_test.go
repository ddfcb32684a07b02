package app

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/patchsource/patchsource/httpapi/openapi"
)

// requestsVariable is the number of random requests. The default is 3000.
const requestsVariable = "PATCHSOURCE_RANDOM_REQUESTS"

// Random requests that are derived from the published document are never answered with an internal error or a redirect,
// and never cost more than a second of CPU time.
func TestRandomRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("sends many requests")
	}
	n, _ := strconv.Atoi(os.Getenv(requestsVariable))
	if n == 0 {
		n = 3000
	}
	doc, err := openapi3.NewLoader().LoadFromData(openapi.Document())
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, t.TempDir(), "--rate-limit=false", "--no-access-log", "--max-titles=100000")
	g := newGuesser(p, doc)
	seed := rand.Uint64()
	g.rand = rand.New(rand.NewPCG(seed, 1))
	client := &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	statuses := map[int]int{}
	var highest time.Duration
	for i := range n {
		r, text := g.request()
		res, body, took, err := costOf(t, client, r)
		if err != nil {
			t.Fatalf("seed %d, request %d: %s: %v", seed, i, text, err)
		}
		for again := 0; again < 2 && took > time.Second; again++ { // the time may be that of other work
			_, _, less, err := costOf(t, client, r)
			if err == nil {
				took = min(took, less)
			}
		}
		highest = max(highest, took)
		statuses[res.StatusCode]++
		g.learn(body)
		unavailable := res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
		redirect := res.StatusCode >= 300 && res.StatusCode < 400 && res.StatusCode != http.StatusNotModified
		if res.StatusCode >= 500 && !unavailable || redirect || took > time.Second {
			t.Errorf("seed %d, request %d: got status %d after %v of CPU time: %s\n%.400s",
				seed, i, res.StatusCode, took, text, body)
		}
	}
	t.Logf("seed %d: %d requests, statuses %v, at most %v of CPU time", seed, n, statuses, highest)
	if statuses[200] == 0 || statuses[201] == 0 || statuses[400] == 0 || statuses[403] == 0 {
		t.Errorf("some statuses did not occur: %v", statuses)
	}
}

// costOf sends a request and returns the answer and the CPU time until it was read.
func costOf(t *testing.T, client *http.Client, r *http.Request) (*http.Response, []byte, time.Duration, error) {
	t.Helper()
	var err error
	if r.GetBody != nil {
		if r.Body, err = r.GetBody(); err != nil {
			return nil, nil, 0, err
		}
	}
	before := cpuTime(t)
	res, err := client.Do(r)
	if err != nil {
		return nil, nil, 0, err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body) // the status of an aborted answer is enough
	return res, body, cpuTime(t) - before, nil
}

// cpuTime returns the CPU time that this process, which includes the server, has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A guesser makes random requests from the examples of a document, and from modified ones.
type guesser struct {
	rand   *rand.Rand
	url    string
	calls  []guessedCall
	tokens []string // the first is an administrator's, the second is empty
	ids    []string
}

// A guessedCall is a call of the document.
type guessedCall struct {
	method, path string
	op           *openapi3.Operation
}

// newGuesser returns a guesser for a server.
func newGuesser(p *process, doc *openapi3.T) *guesser {
	g := &guesser{
		url:    p.url,
		tokens: []string{p.token(), "", "pst_wrong"},
		ids:    []string{"App", "Sub", "Composer", "%2e%2e", "a%2Fb", "%00", strings.Repeat("x", 300), "é", "1"},
	}
	paths := doc.Paths.Map()
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		operations := paths[path].Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			g.calls = append(g.calls, guessedCall{method, path, operations[method]})
		}
	}
	return g
}

// pick returns a random element.
func pick[T any](g *guesser, all []T) T { return all[g.rand.IntN(len(all))] }

// request returns a random request and a description of it.
func (g *guesser) request() (*http.Request, string) {
	call := pick(g, g.calls)
	if g.rand.IntN(3) == 0 { // prefer calls that create something: the others need it
		for call.method != "POST" {
			call = pick(g, g.calls)
		}
	}
	path, query := call.path, url.Values{}
	for _, ref := range call.op.Parameters {
		parameter := ref.Value
		switch {
		case parameter.In == "path":
			value := pick(g, g.ids)
			if parameter.Example != nil && g.rand.IntN(2) == 0 {
				value = url.PathEscape(fmt.Sprint(parameter.Example))
			}
			path = strings.ReplaceAll(path, "{"+parameter.Name+"}", value)
		case parameter.In == "query" && g.rand.IntN(4) == 0:
			query.Set(parameter.Name, pick(g, []string{
				"", "1", "0", "-1", "true", "App", "2", "merge", "ordered", "9999999999999999999", "\x00", "é",
				strings.Repeat("y", 3000),
			}))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	body := ""
	if call.op.RequestBody != nil {
		body = g.body(call.op.RequestBody.Value)
	}
	r, err := http.NewRequest(call.method, g.url+path, strings.NewReader(body))
	if err != nil { // the path is invalid
		return g.request()
	}
	token := pick(g, g.tokens)
	if g.rand.IntN(2) == 0 {
		token = g.tokens[0]
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", pick(g, []string{
		"application/json", "application/json", "application/json", "application/json; charset=utf-8", "text/plain",
		"text/html", "", "multipart/form-data", "multipart/form-data; boundary=b", "application/zip",
	}))
	if g.rand.IntN(10) == 0 {
		r.Header.Set("If-Match", pick(g, []string{"*", `"x"`, "x", `W/"x", "y"`, ""}))
		r.Header.Set("If-None-Match", pick(g, []string{"*", `"x"`, "x"}))
		r.Header.Set("Accept", pick(g, []string{"*/*", "application/json; indent=2", ";;", "text/html"}))
	}
	// The other requests need the last administrator's token.
	if strings.Contains(path, "invalidate") {
		r.URL.RawQuery = ""
	}
	return r, fmt.Sprintf("%s %s\n%v\n%.2000s", call.method, path, r.Header, body)
}

// body returns an example of a body, with a few changes.
func (g *guesser) body(of *openapi3.RequestBody) string {
	for _, mediaType := range slices.Sorted(maps.Keys(of.Content)) {
		examples := of.Content[mediaType].Examples
		if len(examples) == 0 {
			continue
		}
		var value any
		text, err := json.Marshal(examples[pick(g, slices.Sorted(maps.Keys(examples)))].Value.Value)
		if err != nil || json.Unmarshal(text, &value) != nil {
			continue
		}
		for range g.rand.IntN(4) {
			value = g.change(value)
		}
		if text, err = json.Marshal(value); err != nil {
			continue
		}
		if g.rand.IntN(20) == 0 {
			text = text[:g.rand.IntN(len(text)+1)]
		}
		return string(text)
	}
	return pick(g, []string{
		"", "{}", "[]", "PK\x03\x04",
		"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{}\r\n--b--\r\n",
	})
}

// change returns a value with one change.
func (g *guesser) change(value any) any {
	if g.rand.IntN(4) == 0 {
		switch v := value.(type) {
		case string:
			return pick(g, []any{
				"", v + "1", "1." + strconv.Itoa(g.rand.IntN(50)), "\x00", "\u202e", "(",
				strings.Repeat("a{1000}", 500), "N\u043e", strings.Repeat("z", 2000), 1, nil, "App", "a@example.com",
			})
		case bool:
			return !v
		case float64:
			return pick(g, []any{-1, 0, 1e300, v + 1, "1"})
		}
		return pick(g, []any{nil, "", 1, []any{}, map[string]any{}, value})
	}
	switch v := value.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		if len(names) == 0 {
			v["x"] = "y"
			return v
		}
		name := pick(g, names)
		if g.rand.IntN(6) == 0 {
			delete(v, name)
		} else {
			v[name] = g.change(v[name])
		}
		return v
	case []any:
		if len(v) == 0 {
			return v
		}
		i := g.rand.IntN(len(v))
		if g.rand.IntN(6) == 0 {
			return append(v, v[i])
		}
		v[i] = g.change(v[i])
		return v
	}
	return value
}

// learn remembers the ids and tokens in an answer for later requests.
func (g *guesser) learn(body []byte) {
	var made struct {
		ID    string `json:"id"`
		Token string `json:"api_token"`
	}
	if json.Unmarshal(body, &made) != nil {
		return
	}
	if made.ID != "" && len(g.ids) < 100 {
		g.ids = append(g.ids, url.PathEscape(made.ID))
	}
	if made.Token != "" && len(g.tokens) < 30 {
		g.tokens = append(g.tokens, made.Token)
	}
}
