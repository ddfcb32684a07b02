package monitoring_test

import (
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// A metric is the type and the labels of a metric.
type metric struct {
	kind   string
	labels map[string]bool
}

// scraped returns the metrics of a server that has TLS and has done some work.
func scraped(t *testing.T) map[string]metric {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile, client := certificate(t, dir)
	tokenFile := filepath.Join(dir, "token")
	server := trial.Start(t, exec.Command(trial.Build(t, dir), "--addr", "127.0.0.1:0", "--store", "memory:",
		"--log-format", "json", "--tls-cert", certFile, "--tls-key", keyFile,
		"--secret-file", filepath.Join(dir, "secret"), "--admin-token-file", tokenFile))
	call := func(method, path, body string) string {
		t.Helper()
		res, text := trial.Call(t, client, method, server.URL+path, server.Token(tokenFile), strings.NewReader(body))
		if res.StatusCode >= 300 {
			t.Fatalf("%s %s: got status %d: %s", method, path, res.StatusCode, text)
		}
		return text
	}
	call("POST", "/api/v1/title", trial.Definition("App", "1"))
	call("GET", "/jamf/v1/patch/App", "")
	call("GET", "/jamf/v1/software/App", "")
	call("DELETE", "/api/v1/title/App", "")
	return parseMetrics(t, call("GET", "/metrics", ""))
}

// certificate writes a certificate for 127.0.0.1 and its key to files, and returns a client that trusts it.
func certificate(t *testing.T, dir string) (certFile, keyFile string, client *http.Client) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	key, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: s.Certificate().Raw}, keyFile: {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile, s.Client()
}

var (
	typeLine   = regexp.MustCompile(`^# TYPE (\S+) (\S+)`)
	sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? \S+`)
	labelOf    = regexp.MustCompile(`([a-z_]+)="`)
)

// parseMetrics parses metrics in the text format.
func parseMetrics(t *testing.T, text string) map[string]metric {
	t.Helper()
	all := map[string]metric{}
	for line := range strings.Lines(text) {
		if m := typeLine.FindStringSubmatch(line); m != nil {
			all[m[1]] = metric{m[2], map[string]bool{}}
		} else if m := sampleLine.FindStringSubmatch(line); m != nil {
			for _, l := range labelOf.FindAllStringSubmatch(m[2], -1) {
				all[family(m[1], all)].labels[l[1]] = true
			}
		} else if !strings.HasPrefix(line, "# HELP") {
			t.Fatalf("the line %q is not understood", line)
		}
	}
	return all
}

// family returns the name of the metric that a sample belongs to.
func family(name string, all map[string]metric) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		base := strings.TrimSuffix(name, suffix)
		if kind := all[base].kind; base != name && (kind == "histogram" || kind == "summary") {
			return base
		}
	}
	return name
}

// The table has every metric of the server, with its type and its labels, and no others.
func TestMetricsAreDocumented(t *testing.T) {
	found := scraped(t)
	documented := map[string]bool{}
	for _, row := range rows(t, "Metrics") {
		name := names(row[0])[0]
		documented[name] = true
		m, ok := found[name]
		if !ok {
			t.Errorf("the server does not have %s", name)
			continue
		}
		delete(m.labels, "le")
		labels := slices.Sorted(maps.Keys(m.labels))
		want := names(row[2])
		slices.Sort(want)
		if m.kind != row[1] || !slices.Equal(labels, want) {
			t.Errorf("%s is a %s with the labels %q; the table says %s and %q", name, m.kind, labels, row[1], want)
		}
	}
	for name := range found {
		if strings.HasPrefix(name, "patchsource_") && !documented[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
	used := map[string]bool{}
	for where, expr := range expressions(t) {
		checkExpression(t, where, expr, documented, found, used)
	}
	for name := range documented {
		if !used[name] {
			t.Errorf("neither an alert nor the dashboard uses %s", name)
		}
	}
}

var (
	strs      = regexp.MustCompile(`"[^"]*"`)
	metricIn  = regexp.MustCompile(`\b(?:patchsource|go|process)_[a-z_]+\b`)
	selector  = regexp.MustCompile(`([a-z_]+)\{([^}]*)\}`)
	grouping  = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	labelName = regexp.MustCompile(`[a-z_]+`)
)

// targetLabels are those that Prometheus adds, and that of buckets.
var targetLabels = map[string]bool{"job": true, "instance": true, "le": true}

// checkExpression reports metrics and labels in an expression that the documentation or the server does not have.
func checkExpression(
	t *testing.T, where, expr string, documented map[string]bool, found map[string]metric, used map[string]bool,
) {
	t.Helper()
	bare := strs.ReplaceAllString(expr, "")
	labels := maps.Clone(targetLabels)
	for _, name := range metricIn.FindAllString(bare, -1) {
		name = family(name, found)
		used[name] = true
		if !documented[name] {
			t.Errorf("%s: %s is not in the table", where, name)
		}
		maps.Copy(labels, found[name].labels)
	}
	for _, m := range selector.FindAllStringSubmatch(bare, -1) {
		for _, l := range labelName.FindAllString(m[2], -1) {
			if !targetLabels[l] && !found[family(m[1], found)].labels[l] {
				t.Errorf("%s: %s has no label %s", where, m[1], l)
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(bare, -1) {
		for _, l := range labelName.FindAllString(m[1], -1) {
			if !labels[l] {
				t.Errorf("%s: there is no label %s", where, l)
			}
		}
	}
}
