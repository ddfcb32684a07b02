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

// maxPeak bounds the memory that the server may take while strangers do what they can to it, in MiB.
const maxPeak = 300

// What strangers, and authors with a title's token, send and ask for in order to exhaust the server, eight at once:
// the server stays within its memory, and the feed goes on answering.
func TestStrangersCannotExhaust(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	dir := t.TempDir()
	s := start(t, dir, "--rate-limit=false", "--no-access-log", "--mail", "outbox:"+filepath.Join(dir, "outbox"))
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)); err != nil {
		t.Skip("there is no /proc here to read the memory from")
	}
	author := publishAs(t, s, dir, "Ann", trial.Definition("App", "1"))
	for i := range 300 {
		if status, body := s.do("POST", "/api/v1/title", trial.Definition(fmt.Sprintf("T%d", i), "1")); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
	}
	grown := hostileVersions(9<<20, 0)
	for i := range 21 {
		if status, body := s.as(author, "PUT", "/api/v1/title/App_Ann", strings.Replace(grown, `"publisher":"Example"`, fmt.Sprintf(`"publisher":"Example %d"`, i), 1)); status != 200 {
			t.Fatalf("%d %s", status, shortened(body))
		}
	}
	puts := [2][2]string{
		{hostileVersions(27<<20/10, 0), hostileVersions(27<<20/10, 1)},
		{hostileVersions(17<<20/2, 0), hostileVersions(17<<20/2, 1)},
	}

	for _, attack := range []struct {
		name string
		do   func(i int) (status int)
	}{
		{"nothing", func(int) int { return 200 }},
		{"lint of 3,200 repeats", func(int) int {
			return s.anyone("POST", "/api/v1/lint", withRegex(strings.Repeat("a{1000}", 3200)))
		}},
		{"lint of 3,200 expressions", func(int) int { return s.anyone("POST", "/api/v1/lint", manyRegexes(3200)) }},
		{"lint of a broken expression", func(int) int { return s.anyone("POST", "/api/v1/lint", withRegex(strings.Repeat("(", 1<<20))) }},
		{"lint of a broken expression within the limit", func(int) int {
			return s.anyone("POST", "/api/v1/lint", withRegex(strings.Repeat("(", 1000<<10)))
		}},
		{"lint of attributes times criteria", func(int) int { return s.anyone("POST", "/api/v1/lint", attributesTimesCriteria(20_000)) }},
		{"lint of attributes times criteria within the limit", func(int) int {
			return s.anyone("POST", "/api/v1/lint", attributesTimesCriteria(7_000))
		}},
		{"lint of a million empty objects", func(int) int {
			return s.anyone("POST", "/api/v1/lint", `{"patches":[`+strings.Repeat("{},", 340_000)+`{}]}`)
		}},
		{"an author name of a megabyte", func(int) int {
			return s.anyone("POST", "/api/v1/title", `{"author_name":"`+strings.Repeat("Ж", 500_000)+`","author_email":"a@example.com","definition":`+trial.Definition("N", "1")+`}`)
		}},
		{"an author name of 1.5 MB", func(int) int {
			return s.anyone("POST", "/api/v1/title", `{"author_name":"`+strings.Repeat("Ж", 750_000)+`","author_email":"a@example.com","definition":`+trial.Definition("N", "1")+`}`)
		}},
		{"five stalled posts of 10 MiB", func(int) int { s.stall(5); return 200 }},
		{"the page of 9 MiB", func(int) int { return s.anyone("GET", "/titles/App_Ann", "") }},
		{"the history of 21 editions of 9 MiB", func(int) int { return s.anyone("GET", "/api/v1/titles/App_Ann/history", "") }},
		{"the difference of two editions of 9 MiB", func(int) int { return s.anyone("GET", "/api/v1/titles/App_Ann/history/20/diff", "") }},
		{"backups", func(int) int { return s.anyone("GET", "/api/v1/backup", "") }},
		{"an author's 2.7 MiB in another order", func(i int) int {
			status, _ := s.as(author, "PUT", "/api/v1/title/App_Ann", puts[0][i%2])
			return status
		}},
		{"an author's 8.5 MiB in another order", func(i int) int {
			status, _ := s.as(author, "PUT", "/api/v1/title/App_Ann", puts[1][i%2])
			return status
		}},
		{"an author's versions, one by one", func(i int) int {
			status, _ := s.as(author, "POST", "/api/v1/title/App_Ann/version", trial.Version("v"+strconv.Itoa(i)))
			return status
		}},
	} {
		s.resetPeak(t)
		before := s.cpu(t)
		var mu sync.Mutex
		statuses := map[int]int{}
		done := make(chan struct{})
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				status := attack.do(i)
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
				t.Errorf("%s: the feed answers %d", attack.name, status)
			}
		}
		peak := s.peak(t)
		t.Logf(
			"%-52s %6.2f CPU s, peak %4d MiB, answers %v, %d of the feed meanwhile",
			attack.name,
			(s.cpu(t) - before).Seconds(),
			peak,
			statuses,
			feed,
		)
		if peak > maxPeak {
			t.Errorf("%s: the server took %d MiB, and %d are allowed", attack.name, peak, maxPeak)
		}
		for status := range statuses {
			if status >= 500 && status != http.StatusServiceUnavailable || status >= 300 && status < 400 {
				t.Errorf("%s: %d", attack.name, status)
			}
		}
	}
}

func shortened(b []byte) []byte { return b[:min(len(b), 300)] }

// as sends a request with a token.
func (s *server) as(token, method, path, body string) (int, []byte) {
	other := *s
	other.token = token
	other.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Minute}
	return other.do(method, path, body)
}

// anyone sends a request without a token, and returns the status, 0 if there was no answer.
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

// stall begins n posts of 10 MiB, sends nearly all of each, and keeps them open for a while.
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
		fmt.Fprintf(
			conn,
			"POST /api/v1/title HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			10<<20,
		)
		_ = conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
		_, _ = conn.Write([]byte("{\"x\":\"" + strings.Repeat("x", 9<<20)))
	}
	time.Sleep(500 * time.Millisecond)
}

// publishAs publishes a title as an author does, and returns the token that is mailed.
func publishAs(t *testing.T, s *server, dir, name, definition string) string {
	t.Helper()
	body, err := json.Marshal(
		map[string]any{
			"author_name":  name,
			"author_email": strings.ToLower(name) + "@example.com",
			"definition":   json.RawMessage(definition),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	if status := s.anyone("POST", "/api/v1/title", string(body)); status != 201 {
		t.Fatalf("publish: %d", status)
	}
	mails, err := filepath.Glob(filepath.Join(dir, "outbox", "*.eml"))
	if err != nil || len(mails) == 0 {
		t.Fatalf("no mail: %v", err)
	}
	data, err := os.ReadFile(mails[len(mails)-1])
	if err != nil {
		t.Fatal(err)
	}
	token := regexp.MustCompile(`pst_[0-9A-Z]{59}`).Find(data)
	if token == nil {
		t.Fatalf("no token: %s", data)
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

// peak returns the most memory that the server has taken since resetPeak, in MiB.
func (s *server) peak(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(data)
	if m == nil {
		t.Fatalf("no VmHWM: %s", data)
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib >> 10
}

func (s *server) resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0); err != nil {
		t.Logf("the peak is that since the start: %v", err)
	}
}

func criterion(name, operator, value, kind string) string {
	data, _ := json.Marshal(
		map[string]any{"name": name, "operator": operator, "value": value, "type": kind, "and": true},
	)
	return string(data)
}

func withRequirements(requirements, attributes []string) string {
	return `{"id":"Bad","name":"Bad","publisher":"P","appName":null,"bundleId":"com.example.bad","requirements":[` + strings.Join(
		requirements,
		",",
	) + `],"patches":[` +
		trial.Version(
			"1",
		) + `],"extensionAttributes":[` + strings.Join(
		attributes,
		",",
	) + `]}`
}

// withRegex is a definition that asks for a regular expression.
func withRegex(expr string) string {
	return withRequirements([]string{criterion("Application Bundle ID", "matches regex", expr, "recon")}, nil)
}

func manyRegexes(n int) string {
	var all []string
	for i := range n {
		all = append(all, criterion("Application Bundle ID", "matches regex", fmt.Sprintf("a{1000}%d", i), "recon"))
	}
	return withRequirements(all, nil)
}

func attributesTimesCriteria(n int) string {
	var criteria, attributes []string
	for i := range n {
		criteria = append(criteria, criterion(fmt.Sprintf("c%d", i), "is", "x", "extensionAttribute"))
		attributes = append(attributes, fmt.Sprintf(`{"key":"a%d","value":"","displayName":""}`, i))
	}
	return withRequirements(criteria, attributes)
}

// hostileVersions is a definition of App_Ann of about so many bytes, with as many versions as it may have and as many
// criteria in each as it takes; turned, they stand in another order.
func hostileVersions(size, turn int) string {
	const versions = 3000
	var patches []string
	per := size/versions/150 - 1
	for v := range versions {
		var criteria []string
		for i := range max(per, 1) {
			j := i
			if turn > 0 {
				j = max(per, 1) - 1 - i
			}
			criteria = append(
				criteria,
				criterion(
					"Application Bundle ID",
					"is",
					fmt.Sprintf("com.example.app.%d.%d.of.somebody.who.writes.long.identifiers", v, j),
					"recon",
				),
			)
		}
		n := v
		if turn > 0 {
			n = versions - 1 - v
		}
		patches = append(
			patches,
			fmt.Sprintf(
				`{"version":"1.%d","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[{"name":"App","version":"1.%d","criteria":[%s]}],"capabilities":[]}`,
				n,
				n,
				strings.Join(criteria, ","),
			),
		)
	}
	return `{"id":"App_Ann","name":"App (Ann)","publisher":"Example","appName":"App.app","bundleId":"com.example.app","requirements":[` +
		criterion(
			"Application Bundle ID",
			"is",
			"com.example.app",
			"recon",
		) + `],"patches":[` + strings.Join(
		patches,
		",",
	) + `],"extensionAttributes":[]}`
}
