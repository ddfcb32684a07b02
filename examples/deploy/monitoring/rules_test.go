package monitoring_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oasdiff/yaml3"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// An alert is a rule of alerts.yaml.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// A panel is a panel of the dashboard.
type panel struct {
	ID          int
	Title, Type string
	Datasource  struct{ UID string }
	Targets     []struct{ Expr string }
}

// readYAML parses a file.
func readYAML(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// alerts returns the rules of alerts.yaml.
func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readYAML(t, "alerts.yaml", &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// panels returns the panels of the dashboard, without rows.
func panels(t *testing.T) []panel {
	t.Helper()
	data, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(dashboard.Panels, func(p panel) bool { return p.Type == "row" })
}

// expressions returns the expressions of the alerts and of the dashboard, by where they are.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, a := range alerts(t) {
		all[a.Alert] = a.Expr
	}
	for _, p := range panels(t) {
		for i, target := range p.Targets {
			all["panel "+p.Title+" "+string(rune('A'+i))] = target.Expr
		}
	}
	return all
}

// Each alert says how serious it is, what to do, and where to read more, and has a test of its own name.
func TestAlertsAreComplete(t *testing.T) {
	const manual = "https://github.com/patchsource/patchsource/blob/main/examples/deploy/monitoring/README.md#"
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Tests []struct{ Name string } }
	readYAML(t, "alerts_test.yaml", &file)
	tested := map[string]bool{}
	for _, test := range file.Tests {
		tested[test.Name] = true
	}
	seen := map[string]bool{}
	for _, a := range alerts(t) {
		if seen[a.Alert] || !tested[a.Alert] {
			t.Errorf("%s occurs twice, or has no test", a.Alert)
		}
		seen[a.Alert] = true
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s: the severity is %q", a.Alert, a.Labels["severity"])
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", a.Alert)
		}
		if a.Annotations["runbook_url"] != manual+strings.ToLower(a.Alert) ||
			!strings.Contains(string(data), "\n### "+a.Alert+"\n") {
			t.Errorf("%s: %s is no section of the manual", a.Alert, a.Annotations["runbook_url"])
		}
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "### Patchsource"); ok && !seen["Patchsource"+name] {
			t.Errorf("the manual has a section about the alert Patchsource%s, which does not exist", name)
		}
	}
}

// Panels have ids of their own, a title, and the data source and the servers that the user chooses.
func TestDashboardIsComplete(t *testing.T) {
	ids := map[int]bool{}
	for _, p := range panels(t) {
		if ids[p.ID] || p.Title == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %d %q: it has the id of another one, or lacks something", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if strings.Count(target.Expr, "{") != strings.Count(target.Expr, `instance=~"$instance"`) {
				t.Errorf("panel %q does not select the servers: %s", p.Title, target.Expr)
			}
		}
	}
}

// promtool accepts the files and the expressions of the dashboard, and each alert fires when it must.
func TestRules(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	promtool := trial.Need(t, "promtool", "which checks rules (Debian's package prometheus)")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v: %s", args, err, out)
		}
	}
	run("check", "config", "prometheus.yaml") // with alerts.yaml
	run("test", "rules", "alerts_test.yaml")
	type rule struct {
		Record, Expr string
	}
	var rules []rule
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			rules = append(rules, rule{"panel:" + strings.ToLower(p.Type), variables.Replace(target.Expr)})
		}
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "panels.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	run("check", "rules", file)
}
