package app

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/memstore"
)

// callCommand runs the program and returns its exit code and output.
func callCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = Run(t.Context(), args, nil, &out, &err)
	return code, out.String(), err.String()
}

// newPatchSource returns a source with one title.
func newPatchSource(t *testing.T) http.Handler {
	t.Helper()
	s, err := server.Open(t.Context(), server.Config{Store: memstore.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	d, err := patch.NewDefinition(patch.Application{
		Name:      "Some App",
		BundleID:  "com.example",
		Version:   "1",
		MinimumOS: "11.0",
		Released:  time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Catalog.Create(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// closedAddress returns the URL of a server that has stopped.
func closedAddress() string {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

// The exit code of the doctor tells sound sources from others, and its report names the checks.
func TestDoctorCommand(t *testing.T) {
	source := httptest.NewServer(newPatchSource(t))
	t.Cleanup(source.Close)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // in the output
	}{
		{"sound", []string{source.URL + "/jamf/v1"}, 0, "Jamf Pro can use this source (errors: 0, warnings: 0; " +
			"titles: 1"},
		{"with a warning", []string{source.URL}, 0, "warning  address"},
		{"all", []string{"--all", source.URL}, 0, "definitions read: 1"},
		{"no source", []string{other.URL}, 1, "error    status"},
		{"unreachable", []string{closedAddress()}, 2, "error    connect"},
		{"no address", nil, 2, `expected "<url>"`},
		{"another scheme", []string{"ftp://host"}, 2, "https://"},
		{"no time", []string{"--timeout", "0s", source.URL}, 2, "--timeout"},
		{"misspelled flag", []string{"--jsn", source.URL}, 2, "did you mean --json?"},
		{"no file", []string{"--ca", "missing.pem", source.URL}, 2, "--ca"},
		{"no certificate", []string{"--ca", "command_test.go", source.URL}, 2, "no certificate in PEM"},
		{"help", []string{"--help"}, 0, "Exit codes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := callCommand(t, append([]string{"doctor"}, c.args...)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("code %d, want %d with %q:\n%s%s", code, c.code, c.want, stdout, stderr)
			}
		})
	}
}

// The report as JSON has the findings and their numbers.
func TestDoctorJSON(t *testing.T) {
	code, stdout, stderr := callCommand(t, "doctor", "--json", closedAddress())
	var report struct {
		Reached  bool
		Errors   int
		Findings []struct{ Check, Severity, Message string }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	if code != 2 || report.Reached || report.Errors != 1 || len(report.Findings) != 1 ||
		report.Findings[0].Check != "connect" || report.Findings[0].Severity != "error" {
		t.Errorf("code %d: %s", code, stdout)
	}
}

// The doctor trusts the authorities of --ca.
func TestDoctorCA(t *testing.T) {
	source := newTLSServer(t, newPatchSource(t))
	if code, stdout, _ := callCommand(t, "doctor", source.URL+"/jamf/v1"); code != 1 {
		t.Errorf("code %d without --ca, want 1:\n%s", code, stdout)
	}
	file := writeCertificate(t, source)
	if code, stdout, _ := callCommand(t, "doctor", "--ca", file, source.URL+"/jamf/v1"); code != 0 {
		t.Errorf("code %d with --ca, want 0:\n%s", code, stdout)
	}
}

// newTLSServer starts a server with the certificate of package httptest.
func newTLSServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(t.Output(), "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// writeCertificate writes the certificate of a server to a file.
func writeCertificate(t *testing.T, s *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The health check is 0 if the server is ready, and otherwise 1 with the reason.
func TestHealthCheckCommand(t *testing.T) {
	ready := httptest.NewServer(newPatchSource(t))
	t.Cleanup(ready.Close)
	answer := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				w.Header().Set("Location", ready.URL+"/readyz")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // in the output
	}{
		{"ready", []string{ready.URL}, 0, "ready"},
		{"with a slash", []string{ready.URL + "/"}, 0, "ready"},
		{"with a certificate", []string{newTLSServer(t, newPatchSource(t)).URL}, 0, "ready"},
		{"not ready", []string{answer(503, `{"message": "no store"}`)}, 1, `status 503: "no store"`},
		{"another form", []string{answer(500, "oops")}, 1, "status 500"},
		{"redirected", []string{answer(302, "")}, 1, "status 302"},
		{"unreachable", []string{closedAddress()}, 1, "/readyz: "},
		{"no URL", []string{"localhost"}, 1, "it must be a URL"},
		{"no time", []string{"--timeout", "0s"}, 1, "--timeout"},
		{"two URLs", []string{"http://a", "http://b"}, 1, "unexpected argument"},
		{"help", []string{"--help"}, 0, "http://127.0.0.1:8080"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := callCommand(t, append([]string{"healthcheck"}, c.args...)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("code %d, want %d with %q:\n%s%s", code, c.code, c.want, stdout, stderr)
			}
		})
	}
}

// Flags start the server, as before there were commands. Other arguments that are no command are an error, which
// suggests the command that was probably meant.
func TestFindCommand(t *testing.T) {
	for _, args := range [][]string{nil, {"--addr", ":0"}, {"--store", "doctor"}} {
		if found, err := findCommand(args); found != nil || err != nil {
			t.Errorf("%q: got %v, %v, want no command", args, found, err)
		}
	}
	for _, c := range []struct{ name, want string }{
		{"doctors", "did you mean doctor?"},
		{"bakup", "did you mean backup?"},
		{"tokens", "did you mean token?"},
		{"serve", `there is no command "serve"`},
	} {
		code, _, stderr := callCommand(t, c.name)
		if code != 2 || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: got exit code %d, want 2 with %q: %s", c.name, code, c.want, stderr)
		}
	}
}

// The help lists all commands, and each command has a help of its own that documents its exit codes.
func TestHelpOfCommands(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"help", "help"}} {
		code, stdout, stderr := callCommand(t, args...)
		for _, c := range commands() {
			if code != 0 || !strings.Contains(stdout, "patchsource "+c.name) || !strings.Contains(stdout, c.summary) {
				t.Errorf("%q: got exit code %d without %s: %s%s", args, code, c.name, stdout, stderr)
			}
		}
	}
	for _, name := range []string{
		"token list", "token create", "token revoke", "backup", "restore", "copy", "doctor", "healthcheck",
	} {
		words := strings.Fields(name)
		for _, args := range [][]string{append(words, "--help"), append([]string{"help"}, words...)} {
			code, stdout, stderr := callCommand(t, args...)
			if code != 0 || !strings.Contains(strings.ToLower(stdout), "exit code") {
				t.Errorf("%q: got exit code %d: %s%s", args, code, stdout, stderr)
			}
		}
	}
	for _, args := range [][]string{{"token"}, {"token", "--json"}, {"token", "lst"}, {"help", "bakup"}} {
		if code, stdout, stderr := callCommand(t, args...); code != 2 || stdout != "" || stderr == "" {
			t.Errorf("%q: got exit code %d, want 2 with a message: %s%s", args, code, stdout, stderr)
		}
	}
}
