//go:build linux

package deploy_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/oasdiff/yaml3"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// A composeFile has the members of compose.yaml that are checked.
type composeFile struct {
	Services map[string]composeService
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
}

// A composeService has the members of a service that are checked.
type composeService struct {
	Environment map[string]string
	Secrets     []string
	Volumes     []string
	HealthCheck map[string]any `yaml:"healthcheck"`
}

// The compose file is valid YAML, runs three servers with one store and one secret, and sets only variables that the
// server has. The proxy checks each server.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	proxy, err := os.ReadFile("haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	help, err := exec.Command(trial.Build(t, t.TempDir()), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"patchsource-1", "patchsource-2", "patchsource-3"} {
		file.check(t, name, string(help))
		if !strings.Contains(string(proxy), "server "+name+" "+name+":8080\n") {
			t.Errorf("haproxy.cfg does not have %s", name)
		}
	}
	for _, name := range []string{"../../.dockerignore", "../../.gitignore"} {
		if !strings.Contains(adapt(t, name), "examples/deploy/secrets") {
			t.Errorf("%s does not have the folder of the secrets", name)
		}
	}
	if file.Services["database"].HealthCheck == nil || !strings.Contains(string(proxy), "httpchk GET /readyz") {
		t.Error("the database or the servers have no health check")
	}
}

// check checks the service of a server. help is the help of the server.
func (file *composeFile) check(t *testing.T, name, help string) {
	t.Helper()
	s := file.Services[name]
	for variable := range s.Environment {
		flag := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "PATCHSOURCE_"), "_", "-"))
		if !strings.Contains(help, "--"+flag+"=") {
			t.Errorf("%s: %s is the variable of no flag", name, variable)
		}
	}
	for variable, secret := range map[string]string{
		"PATCHSOURCE_SECRET_FILE": "patchsource.secret", "PATCHSOURCE_STORE_PASSWORD_FILE": "database.password",
	} {
		path, given := s.Environment[variable], file.Secrets[secret].File != ""
		if path != "/run/secrets/"+secret || !slices.Contains(s.Secrets, secret) || !given {
			t.Errorf("%s: %s is %s, want the secret %s", name, variable, path, secret)
		}
	}
	if store := s.Environment["PATCHSOURCE_STORE"]; !strings.HasPrefix(store, "postgres://patchsource@database/") {
		t.Errorf("%s: the store is %s", name, store)
	}
	if len(s.Volumes) != 1 || !strings.HasSuffix(s.Volumes[0], ":/state") {
		t.Errorf("%s: the volumes are %v", name, s.Volumes)
	}
}
