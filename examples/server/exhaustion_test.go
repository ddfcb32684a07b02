package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// maxPeak bounds the memory of the server during an attack, in MiB.
const maxPeak = 300

// An attack is a request that a client sends in order to exhaust the server.
type attack struct {
	name string
	do   func(i int) (status int) // the i-th of several that run at the same time
}

// Anonymous clients, and an author with the token of a title, try to exhaust the server with eight requests at a time.
// The server stays within its memory, and the feed is answered meanwhile.
func TestAnonymousClientsCannotExhaust(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dir := t.TempDir()
	s := start(t, dir, "--rate-limit=false", "--no-access-log", "--mail", "outbox:"+filepath.Join(dir, "outbox"))
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)); err != nil {
		t.Skip("there is no /proc to read the memory from")
	}
	author := publishAs(t, s, dir, "Ann", trial.Definition("App", "1"))
	for i := range 300 {
		if status, body := s.do("POST", "/api/v1/title", trial.Definition(fmt.Sprintf("T%d", i), "1")); status != 201 {
			t.Fatalf("got status %d: %s", status, body)
		}
	}
	large := hostileVersions(9<<20, 0)
	for i := range 21 {
		def := strings.Replace(large, `"publisher":"Example"`, fmt.Sprintf(`"publisher":"Example %d"`, i), 1)
		if status, body := s.as(author, "PUT", "/api/v1/title/App_Ann", def); status != 200 {
			t.Fatalf("got status %d: %.300s", status, body)
		}
	}
	attacks := append([]attack{{"nothing", func(int) int { return 200 }}}, s.lints()...)
	attacks = append(attacks, s.reads()...)
	for _, a := range append(attacks, s.writes(author)...) {
		s.withstand(t, a)
	}
}

// lints returns attacks with definitions that are hard to check.
func (s *server) lints() []attack {
	lint := func(name, def string) attack {
		return attack{"lint of " + name, func(int) int { return s.anyone("POST", "/api/v1/lint", def) }}
	}
	return []attack{
		lint("3,200 repeats", withRegex(strings.Repeat("a{1000}", 3200))),
		lint("3,200 expressions", manyRegexes(3200)),
		lint("a broken expression", withRegex(strings.Repeat("(", 1<<20))),
		lint("a broken expression within the limit", withRegex(strings.Repeat("(", 1000<<10))),
		lint("attributes times criteria", attributesTimesCriteria(20_000)),
		lint("attributes times criteria within the limit", attributesTimesCriteria(7_000)),
		lint("a million empty objects", `{"patches":[`+strings.Repeat("{},", 340_000)+`{}]}`),
	}
}

// reads returns attacks with expensive reads.
func (s *server) reads() []attack {
	read := func(name, path string) attack {
		return attack{name, func(int) int { return s.anyone("GET", path, "") }}
	}
	return []attack{
		read("the page of 9 MiB", "/titles/App_Ann"),
		read("the history of 21 revisions of 9 MiB", "/api/v1/titles/App_Ann/history"),
		read("the difference of two revisions of 9 MiB", "/api/v1/titles/App_Ann/history/20/diff"),
		read("backups", "/api/v1/backup"),
	}
}

// writes returns attacks that publish, and that change the title of an author.
func (s *server) writes(author string) []attack {
	publish := func(name string) func(int) int {
		body := `{"author_name":"` + name + `","author_email":"a@example.com","definition":` +
			trial.Definition("N", "1") + `}`
		return func(int) int { return s.anyone("POST", "/api/v1/title", body) }
	}
	replace := func(size int) func(int) int {
		defs := []string{hostileVersions(size, 0), hostileVersions(size, 1)}
		return func(i int) int {
			status, _ := s.as(author, "PUT", "/api/v1/title/App_Ann", defs[i%2])
			return status
		}
	}
	return []attack{
		{"an author name of a megabyte", publish(strings.Repeat("Ж", 500_000))},
		{"an author name of 1.5 MB", publish(strings.Repeat("Ж", 750_000))},
		{"five stalled posts of 10 MiB", func(int) int { s.stall(5); return 200 }},
		{"an author's 2.7 MiB in another order", replace(27 << 20 / 10)},
		{"an author's 8.5 MiB in another order", replace(17 << 20 / 2)},
		{"an author's versions, one by one", func(i int) int {
			status, _ := s.as(author, "POST", "/api/v1/title/App_Ann/version", trial.Version("v"+strconv.Itoa(i)))
			return status
		}},
	}
}

// withstand runs an attack eight times at once. It checks the answers, those of the feed meanwhile, and the memory.
func (s *server) withstand(t *testing.T, a attack) {
	t.Helper()
	s.resetPeak(t)
	before := s.cpu(t)
	var mu sync.Mutex
	statuses := map[int]int{}
	done := make(chan struct{})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			status := a.do(i)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	go func() { group.Wait(); close(done) }()
	feed := 0
	for over := false; !over; feed++ {
		select {
		case <-done:
			over = true
		case <-time.After(20 * time.Millisecond):
		}
		if status := s.anyone("GET", "/jamf/v1/software", ""); status != 200 {
			t.Errorf("%s: the feed answers with status %d", a.name, status)
		}
	}
	peak := s.peak(t)
	t.Logf("%-52s %6.2f CPU s, peak %4d MiB, answers %v, %d of the feed meanwhile",
		a.name, (s.cpu(t) - before).Seconds(), peak, statuses, feed)
	if peak > maxPeak {
		t.Errorf("%s: the server used %d MiB, more than %d", a.name, peak, maxPeak)
	}
	for status := range statuses {
		if status >= 500 && status != http.StatusServiceUnavailable || status >= 300 && status < 400 {
			t.Errorf("%s: got status %d", a.name, status)
		}
	}
}

// as sends a request with a token.
func (s *server) as(token, method, path, body string) (int, []byte) {
	other := *s
	other.token = token
	other.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Minute}
	return other.do(method, path, body)
}

// anyone sends a request without a token and returns the status, or 0 if there was no answer.
func (s *server) anyone(method, path, body string) int {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Minute}
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0
	}
	if strings.HasPrefix(path, "/titles/") {
		r.Header.Set("Accept", "text/html")
	}
	res, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// stall begins n posts of 10 MiB, sends nearly all of each, and keeps the connections open for half a second.
func (s *server) stall(n int) {
	u, err := url.Parse(s.url)
	if err != nil {
		return
	}
	for range n {
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			continue
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /api/v1/title HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
			"Content-Length: %d\r\n\r\n", 10<<20)
		_ = conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
		_, _ = conn.Write([]byte("{\"x\":\"" + strings.Repeat("x", 9<<20)))
	}
	time.Sleep(500 * time.Millisecond)
}

// publishAs publishes a title as an author and returns the mailed token.
func publishAs(t *testing.T, s *server, dir, name, definition string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"author_name":  name,
		"author_email": strings.ToLower(name) + "@example.com",
		"definition":   json.RawMessage(definition),
	})
	if err != nil {
		t.Fatal(err)
	}
	if status := s.anyone("POST", "/api/v1/title", string(body)); status != 201 {
		t.Fatalf("publish: got status %d", status)
	}
	mails, err := filepath.Glob(filepath.Join(dir, "outbox", "*.eml"))
	if err != nil || len(mails) == 0 {
		t.Fatalf("there is no mail: %v", err)
	}
	data, err := os.ReadFile(mails[len(mails)-1])
	if err != nil {
		t.Fatal(err)
	}
	token := regexp.MustCompile(`pst_[0-9A-Z]{59}`).Find(data)
	if token == nil {
		t.Fatalf("the mail has no token: %s", data)
	}
	return string(token)
}

// cpu returns the CPU time that the server has used.
func (s *server) cpu(t *testing.T) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // in hundredths of a second
}

// peak returns the highest memory use of the server since resetPeak, in MiB.
func (s *server) peak(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(data)
	if m == nil {
		t.Fatalf("there is no VmHWM: %s", data)
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib >> 10
}

// resetPeak resets the peak that the kernel keeps.
func (s *server) resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Logf("cannot reset the peak, which is now that since the start: %v", err)
	}
}

// criterion returns a criterion in JSON.
func criterion(name, operator, value, kind string) string {
	c := map[string]any{"name": name, "operator": operator, "value": value, "type": kind, "and": true}
	data, _ := json.Marshal(c) // strings and a bool
	return string(data)
}

// withRequirements returns a definition with requirements and extension attributes.
func withRequirements(requirements, attributes []string) string {
	return `{"id":"Bad","name":"Bad","publisher":"P","appName":null,"bundleId":"com.example.bad","requirements":[` +
		strings.Join(requirements, ",") + `],"patches":[` + trial.Version("1") + `],"extensionAttributes":[` +
		strings.Join(attributes, ",") + `]}`
}

// withRegex returns a definition with a regular expression.
func withRegex(expr string) string {
	return withRequirements([]string{criterion("Application Bundle ID", "matches regex", expr, "recon")}, nil)
}

// manyRegexes returns a definition with n regular expressions.
func manyRegexes(n int) string {
	var all []string
	for i := range n {
		all = append(all, criterion("Application Bundle ID", "matches regex", fmt.Sprintf("a{1000}%d", i), "recon"))
	}
	return withRequirements(all, nil)
}

// attributesTimesCriteria returns a definition with n extension attributes and n criteria about other ones.
func attributesTimesCriteria(n int) string {
	var criteria, attributes []string
	for i := range n {
		criteria = append(criteria, criterion(fmt.Sprintf("c%d", i), "is", "x", "extensionAttribute"))
		attributes = append(attributes, fmt.Sprintf(`{"key":"a%d","value":"","displayName":""}`, i))
	}
	return withRequirements(criteria, attributes)
}

// hostileVersions returns a definition of App_Ann of about size bytes, with the maximum number of versions. If turn is
// not 0, the versions and their criteria are in the opposite order.
func hostileVersions(size, turn int) string {
	const versions = 3000
	const bundleID = "com.example.app.%d.%d.of.somebody.who.writes.long.identifiers"
	criteriaOf := max(size/versions/150-1, 1)
	var patches []string
	for v := range versions {
		var criteria []string
		for i := range criteriaOf {
			j := i
			if turn > 0 {
				j = criteriaOf - 1 - i
			}
			criteria = append(criteria, criterion("Application Bundle ID", "is", fmt.Sprintf(bundleID, v, j), "recon"))
		}
		n := v
		if turn > 0 {
			n = versions - 1 - v
		}
		patches = append(patches, fmt.Sprintf(`{"version":"1.%d","releaseDate":"2018-02-02T17:39:58Z",`+
			`"standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],`+
			`"components":[{"name":"App","version":"1.%d","criteria":[%s]}],"capabilities":[]}`,
			n, n, strings.Join(criteria, ",")))
	}
	return `{"id":"App_Ann","name":"App (Ann)","publisher":"Example","appName":"App.app",` +
		`"bundleId":"com.example.app","requirements":[` +
		criterion("Application Bundle ID", "is", "com.example.app", "recon") + `],"patches":[` +
		strings.Join(patches, ",") + `],"extensionAttributes":[]}`
}
