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

// A composeFile has the members of a compose file that are checked.
type composeFile struct {
	Services map[string]composeService
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
	Networks map[string]struct {
		IPAM struct{ Config []struct{ Subnet string } }
	}
}

// A composeService has the members of a service that are checked.
type composeService struct {
	Environment map[string]string
	Secrets     []string
	Volumes     []string
	HealthCheck struct{ Test []string } `yaml:"healthcheck"`
	ReadOnly    bool                    `yaml:"read_only"`
	Tmpfs       []string
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	StopGrace   string   `yaml:"stop_grace_period"`
}

// readCompose reads a compose file.
func readCompose(t *testing.T, name string) *composeFile {
	t.Helper()
	var file composeFile
	if err := yaml.Unmarshal([]byte(adapt(t, name)), &file); err != nil {
		t.Fatal(err)
	}
	return &file
}

// The compose files are valid YAML, confine the servers, and set only variables that the server has.
func TestCompose(t *testing.T) {
	help, err := exec.Command(trial.Build(t, t.TempDir()), "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("three servers", func(t *testing.T) { checkThree(t, string(help)) })
	t.Run("caddy", func(t *testing.T) { checkWithCaddy(t, string(help)) })
}

// checkConfined checks that a service can do little, and that its settings are those of flags.
func (s composeService) checkConfined(t *testing.T, name, help string, capabilities ...string) {
	t.Helper()
	if !s.ReadOnly || !slices.Equal(s.Tmpfs, []string{"/tmp"}) || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
		!slices.Equal(s.CapAdd, capabilities) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
		t.Errorf("%s is not confined: %+v", name, s)
	}
	for variable := range s.Environment {
		if help != "" {
			checkVariable(t, name, variable, help)
		}
	}
}

// checkWithCaddy checks the compose file of a server behind Caddy.
func checkWithCaddy(t *testing.T, help string) {
	file := readCompose(t, "compose.caddy.yaml")
	server, caddy := file.Services["patchsource"], file.Services["caddy"]
	server.checkConfined(t, "patchsource", help)
	caddy.checkConfined(t, "caddy", "", "NET_BIND_SERVICE")
	if !slices.Equal(server.HealthCheck.Test, append([]string{"CMD"}, lastStage(t).health...)) {
		t.Errorf("the health check is %q", server.HealthCheck.Test)
	}
	if len(caddy.HealthCheck.Test) == 0 || server.StopGrace != "45s" {
		t.Errorf("caddy has no health check, or the server has %q to stop", server.StopGrace)
	}
	network := file.Networks["patchsource"].IPAM.Config
	if len(network) != 1 || server.Environment["PATCHSOURCE_TRUSTED_PROXIES"] != network[0].Subnet {
		t.Errorf("the server does not trust its proxy in %v", network)
	}
	// Caddy passes the site on to the server.
	program := trial.Need(t, "caddy", "which reads the Caddyfile")
	cmd := exec.Command(program, "adapt", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Env = append(trial.Environ(), "PATCHSOURCE_SITE=https://patches.example.org",
		"PATCHSOURCE_UPSTREAM="+caddy.Environment["PATCHSOURCE_UPSTREAM"])
	out, err := cmd.Output()
	for _, want := range []string{`"host":["patches.example.org"]`, `"dial":"patchsource:8080"`} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("the configuration of Caddy does not have %s: %v: %s", want, err, out)
		}
	}
}

// checkThree checks the compose file of three servers with one store and one secret. The proxy checks each server.
func checkThree(t *testing.T, help string) {
	file := readCompose(t, "compose.yaml")
	proxy, err := os.ReadFile("haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"patchsource-1", "patchsource-2", "patchsource-3"} {
		file.check(t, name, help)
		if !strings.Contains(string(proxy), "server "+name+" "+name+":8080\n") {
			t.Errorf("haproxy.cfg does not have %s", name)
		}
	}
	for _, name := range []string{"../../.dockerignore", "../../.gitignore"} {
		if !strings.Contains(adapt(t, name), "examples/deploy/secrets") {
			t.Errorf("%s does not have the folder of the secrets", name)
		}
	}
	if len(file.Services["database"].HealthCheck.Test) == 0 || !strings.Contains(string(proxy), "httpchk GET /readyz") {
		t.Error("the database or the servers have no health check")
	}
}

// check checks the service of a server. help is the help of the server.
func (file *composeFile) check(t *testing.T, name, help string) {
	t.Helper()
	s := file.Services[name]
	s.checkConfined(t, name, help)
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
