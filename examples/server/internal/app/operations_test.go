package app

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The metrics tell of requests by route, of the storage, of titles, sources, caches and
// tokens, and name no title and no token.
func TestMetrics(t *testing.T) {
	p := start(t, t.TempDir())
	p.do("POST", "/api/v1/title", definition("SomeTitle", "1"))
	p.do("GET", "/jamf/v1/patch/SomeTitle", "")
	p.do("GET", "/jamf/v1/patch/Nope", "")
	p.do("GET", "/jamf/v1/software/SomeTitle,Nope", "")
	p.do("GET", "/no/such/call", "")
	p.do("GET", "/titles/SomeTitle", "")
	p.do("GET", "/titles/Nope/edit", "")
	status, text := p.do("GET", "/metrics", "")
	for _, want := range []string{
		`patchsource_http_requests_total{method="POST",route="/api/v1/title",status="201"} 1`,
		`patchsource_http_requests_total{method="GET",route="/jamf/v1/patch/{id}",status="200"} 1`,
		`patchsource_http_requests_total{method="GET",route="/jamf/v1/patch/{id}",status="404"} 1`,
		`patchsource_http_requests_total{method="GET",route="none",status="404"} 1`,
		`patchsource_http_requests_total{method="GET",route="/titles/{id}",status="200"} 1`,
		`patchsource_http_requests_total{method="GET",route="/titles/{id}/edit",status="401"} 1`,
		`patchsource_http_response_bytes_total{route="/jamf/v1/patch/{id}"}`,
		`patchsource_http_request_seconds_bucket{route="/jamf/v1/patch/{id}",status="200",le="`,
		"patchsource_titles 1",
		`patchsource_sources{result="failing"} 0`,
		`patchsource_sync_rounds_total{result="failed"} 0`,
		`patchsource_tokens_checked_total{result="accepted"} 1`,
		`patchsource_cache_requests_total{cache="selections",result="miss"} 1`,
		`patchsource_cache_bytes{cache="definitions"}`,
		"patchsource_webhook_deliveries_pending 0",
		`patchsource_store_seconds_count{operation="put"}`,
	} {
		if status != 200 || !strings.Contains(text, want) {
			t.Errorf("%d, %s is not told", status, want)
		}
	}
	if strings.Contains(text, "SomeTitle") || strings.Contains(text, "pst_") {
		t.Error("a title or a token is told")
	}
}

// Browsers get the page, clients of the feed JSON whatever they say.
func TestAccept(t *testing.T) {
	p := start(t, t.TempDir())
	for _, c := range []struct{ path, accept, contentType string }{
		{"/", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html"},
		{"/", "*/*", "text/html"},
		{"/", "application/json", "application/json"},
		{"/jamf/v1/software", "text/html", "application/json"},
		{"/jamf/v1/software/x", "text/html", "application/json"},
		{"/jamf/v1/patch/x", "text/html", "application/json"},
		{"/software", "text/html", "application/json"},
		{"/docs", "text/html", "text/html"},
		{"/api/v1/titles", "text/html", "application/json"},
	} {
		r, err := http.NewRequest("GET", p.url+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", c.accept)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, c.contentType) {
			t.Errorf("%s as %s: %s", c.path, c.accept, got)
		}
	}
}

// Requests are logged, with ids that the answers have, and what machines ask all the time
// is not.
func TestAccessLog(t *testing.T) {
	p := start(t, t.TempDir())
	res, err := http.Get(p.url + "/jamf/v1/software")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		p.do("GET", path, "")
	}
	p.stop()
	var lines int
	for line := range strings.Lines(p.logged()) {
		var l struct {
			Msg, Path, Client string
			RequestID         string `json:"request_id"`
			Status            int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg != "request" {
			continue
		}
		lines++
		if l.Path != "/jamf/v1/software" || l.Status != 200 || l.Client != "127.0.0.1" ||
			l.RequestID != res.Header.Get("X-Request-Id") ||
			l.RequestID == "" {
			t.Errorf("%s", line)
		}
	}
	if lines != 1 {
		t.Errorf("%d lines: %s", lines, p.logged())
	}
	quiet := start(t, t.TempDir(), "--no-access-log")
	quiet.do("GET", "/jamf/v1/software", "")
	quiet.stop()
	if strings.Contains(quiet.logged(), "/jamf/v1/software\"") {
		t.Errorf("%s", quiet.logged())
	}
}

// Profiles are served when they are asked for, on an address of their own.
func TestProfiles(t *testing.T) {
	p := start(t, t.TempDir(), "--pprof-addr", "127.0.0.1:0")
	if status, _ := p.do("GET", "/debug/pprof/", ""); status != 404 {
		t.Errorf("the server itself answers %d", status)
	}
	where := ""
	for line := range strings.Lines(p.logged()) {
		var l struct{ Msg, URL string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "serving profiles" {
			where = l.URL
		}
	}
	res, err := http.Get(where + "goroutine?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 ||
		!strings.Contains(string(text), "goroutine profile") {
		t.Errorf("%d %v", res.StatusCode, err)
	}
	for _, wrong := range []string{"6060", "localhost"} {
		if code := Run(t.Context(), []string{"--pprof-addr", wrong}, nil, io.Discard, io.Discard); code != 2 {
			t.Errorf("%s: %d", wrong, code)
		}
	}
}

// Pages are compressed for who takes that, and for nobody else.
func TestCompression(t *testing.T) {
	p := start(t, t.TempDir())
	for _, c := range []struct {
		path, accept, byteRange string
		encoding                string
	}{
		{"/publish", "gzip", "", "gzip"},
		{"/publish", "gzip, deflate, br, zstd", "", "gzip"},
		{"/publish", "gzip;q=0", "", ""},
		{"/publish", "identity", "", ""},
		{"/publish", "*;q=0", "", ""},
		{"/api/openapi.yaml", "gzip", "", "gzip"},
		{"/api/openapi.yaml", "gzip", "bytes=0-99", ""},
		{"/docs/swagger-ui.css", "gzip", "", "gzip"}, // as it lies there
	} {
		r, err := http.NewRequest("GET", p.url+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", c.accept)
		if c.byteRange != "" {
			r.Header.Set("Range", c.byteRange)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.Header.Get("Content-Encoding") != c.encoding ||
			!strings.Contains(strings.Join(res.Header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("%+v: %v, %v", c, err, res.Header)
		}
		if zipped := strings.HasPrefix(string(body), "\x1f\x8b"); zipped != (c.encoding == "gzip") {
			t.Errorf("%+v: %v", c, res.Header)
		}
		if c.byteRange != "" && (res.StatusCode != 206 || len(body) != 100) && res.StatusCode != 200 {
			t.Errorf("%+v: %d, %d bytes", c, res.StatusCode, len(body))
		}
	}
}

// Who listens on all addresses has links that lead somewhere: in answers to where the
// client is, in mails to the machine's name.
func TestLinksOfAServerOnAllAddresses(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Skipf("this machine has no name: %v", err)
	}
	dir := t.TempDir()
	p := start(t, dir, "--addr", ":0", "--rate-limit=false")
	_, port, _ := strings.Cut(strings.TrimPrefix(p.url, "http://["), "]:")
	if status, text := p.do("POST", "/api/v1/contributors/register", `{"name":"macman","email":"mac@example.com"}`); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	mails, _ := filepath.Glob(filepath.Join(dir, "data.outbox", "*.eml"))
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	mail, err := os.ReadFile(mails[0])
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(mail))
	if want := "http://" + name + ":" + port + "/api/v1/contributors/verify"; !strings.Contains(plain, want) ||
		strings.Contains(plain, "[::]") {
		t.Errorf("there is no %s in %s", want, plain)
	}
	if !strings.Contains(p.logged(), "--base-url") {
		t.Errorf("nothing is said of --base-url: %s", p.logged())
	}
	res, err := http.Get("http://127.0.0.1:" + port + "/feed.atom")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if feed, err := io.ReadAll(res.Body); err != nil ||
		!strings.Contains(string(feed), "http://127.0.0.1:"+port+"/feed.atom") {
		t.Errorf("%v: %s", err, feed)
	}
	quiet := start(t, t.TempDir(), "--addr", ":0", "--base-url", "https://p.example.com")
	if strings.Contains(quiet.logged(), "--base-url") {
		t.Error("it is said although there is one")
	}
}

// A backup is not loaded by a server that cannot go on with it.
func TestRestoreWithoutItsSecret(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.do("POST", "/api/v1/title", definition("App", "1"))
	status, zip := p.do("GET", "/api/v1/backup?full=1", "")
	if status != 200 {
		t.Fatalf("%d %s", status, zip)
	}
	p.stop()
	file, wrong, moved := filepath.Join(dir, "full.zip"), filepath.Join(dir, "wrong"), t.TempDir()
	if err := os.WriteFile(file, []byte(zip), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(wrong, 0o700); err != nil { // which no secret can be read from
		t.Fatal(err)
	}
	for _, flag := range []string{"--secret-file", "--admin-token-file"} {
		args := []string{
			"--addr",
			"127.0.0.1:0",
			"--store",
			"file:" + filepath.Join(moved, "data"),
			"--restore",
			file,
			flag,
			wrong,
		}
		if code := Run(t.Context(), args, nil, io.Discard, io.Discard); code != 1 {
			t.Errorf("%s: %d", flag, code)
		}
	}
	again := start(t, moved, "--restore", file) // into what is still empty
	if status, text := again.do("GET", "/jamf/v1/patch/App", ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
}

// A server whose administrator token was revoked starts again, with another token, and says so.
func TestRevokedAdministratorTokenStopsNothing(t *testing.T) {
	p := start(t, t.TempDir())
	old := p.token()
	id := strings.ToLower(old[len("pst_") : len("pst_")+12])
	if status, body := p.do("POST", "/api/v1/tokens/"+id+"/invalidate?confirm=last-administrator", ""); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, body)
	}
	p.stop()
	p = start(t, p.dir)
	if p.token() == old {
		t.Error("the token in the file is the old one")
	}
	if status, body := p.do("GET", "/api/v1/tokens", ""); status != http.StatusOK {
		t.Errorf("the new token: %d %s", status, body)
	}
	if !strings.Contains(p.logged(), `"level":"WARN","msg":"the administrator token in the file is no longer valid`) ||
		strings.Contains(p.logged(), "pst_") {
		t.Errorf("%s", p.logged())
	}
}
