package app

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// The error for a flag or a variable that does not exist names the one that was probably intended.
func TestUnknownFlagsAndVariables(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		environ []string
		want    string // the error; empty if there is none
	}{
		{
			"a flag of another server", []string{"--port", "80"}, nil,
			"there is no flag --port: the address is set by --addr :8080",
		},
		{"with its value", []string{"--port=80"}, nil, "there is no flag --port: the address is set by --addr :8080"},
		{"a misspelled flag", []string{"--stroe", "memory:"}, nil, "there is no flag --stroe: did you mean --store?"},
		{
			"a misspelled switch", []string{"--no-comunity"}, nil,
			"there is no flag --no-comunity: did you mean --no-community?",
		},
		{"a flag that resembles none", []string{"--frobnicate"}, nil, "there is no flag --frobnicate"},
		{
			"a misspelled variable", nil, []string{"PATCHSOURCE_STROE=memory:"},
			"environment variable PATCHSOURCE_STROE: there is no flag --stroe: did you mean --store?",
		},
		{
			"a variable in the singular", nil, []string{"PATCHSOURCE_TRUSTED_PROXY=10.0.0.0/8"},
			"environment variable PATCHSOURCE_TRUSTED_PROXY: " +
				"there is no flag --trusted-proxy: did you mean --trusted-proxies?",
		},
		{
			"a variable of another server", nil, []string{"PATCHSOURCE_PORT=80"},
			"environment variable PATCHSOURCE_PORT: there is no flag --port: the address is set by --addr :8080",
		},
		{
			"a switch as a variable", nil, []string{"PATCHSOURCE_NO_COMMUNITY=1"},
			"environment variable PATCHSOURCE_NO_COMMUNITY: there is no such variable: set PATCHSOURCE_COMMUNITY=false",
		},
		{"variables of the tests", nil, []string{"PATCHSOURCE_BROWSER=/x", "PATCHSOURCE_RANDOM_REQUESTS=9"}, ""},
		{"an empty variable", nil, []string{"PATCHSOURCE_STROE="}, ""},
		{"unrelated variables", nil, []string{"PATCHSOURCES_STROE=x", "STORE=y"}, ""},
		{
			"variables of the clients", nil,
			[]string{"PATCHSOURCE_URL=https://x", "PATCHSOURCE_TOKEN=pst_x", "PATCHSOURCE_TOKEN_FILE=x"}, "",
		},
		{"variables of Kubernetes", nil, []string{
			"PATCHSOURCE_SERVICE_HOST=10.0.0.1", "PATCHSOURCE_SERVICE_PORT=80", "PATCHSOURCE_SERVICE_PORT_HTTP=80",
			"PATCHSOURCE_PORT=tcp://10.0.0.1:80", "PATCHSOURCE_PORT_80_TCP=tcp://10.0.0.1:80",
			"PATCHSOURCE_PORT_80_TCP_PROTO=tcp", "PATCHSOURCE_PORT_80_TCP_PORT=80",
			"PATCHSOURCE_PORT_80_TCP_ADDR=10.0.0.1",
			"PATCHSOURCE_WEB_SERVICE_HOST=10.0.0.2", "PATCHSOURCE_WEB_PORT=tcp://10.0.0.2:80",
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseFlags(c.args, c.environ, io.Discard)
			if got := errorText(err); got != c.want {
				t.Errorf("got error %q, want %q", got, c.want)
			}
		})
	}
	code, _, stderr := runOnce(t, []string{"PATCHSOURCE_MIAL=smtp://user:hunter2@host"})
	if code != 2 || !strings.Contains(stderr, "PATCHSOURCE_MIAL") || strings.Contains(stderr, "hunter2") {
		t.Errorf("got exit code %d and %q", code, stderr)
	}
}

// errorText returns the text of an error, or the empty string.
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Each flag has a description, and each description has a flag.
func TestEveryFlagHasHelp(t *testing.T) {
	parser, err := kong.New(&flags{})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		if _, ok := help[flag.Name]; !ok && flag.Name != "help" {
			t.Errorf("--%s has no description", flag.Name)
		}
	}
	for name := range help {
		if !hasFlag(parser.Model, name) {
			t.Errorf("--%s has a description but does not exist", name)
		}
	}
}

// The explanations of flags that do not exist mention only flags that do.
func TestMistakesNameFlags(t *testing.T) {
	var help strings.Builder
	if _, err := parseFlags([]string{"--help"}, nil, &help); err == nil {
		t.Fatal("--help was not answered")
	}
	for name, explanation := range mistakes {
		if strings.Contains(help.String(), "--"+name+" ") || strings.Contains(help.String(), "--"+name+"=") {
			t.Errorf("--%s is explained but exists", name)
		}
		for word := range strings.FieldsSeq(explanation) {
			if flag, ok := strings.CutPrefix(strings.Trim(word, ",;:"), "--"); ok &&
				!strings.Contains(help.String(), strings.TrimPrefix(flag, "no-")) {
				t.Errorf("the explanation of --%s mentions --%s, which does not exist", name, flag)
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, out, stderr := runOnce(t, nil, "--help")
	if code != 0 || stderr != "" {
		t.Errorf("--help: got exit code %d and %q", code, stderr)
	}
	for _, want := range []string{
		"--addr", "--store", "--admin-token-file", "--secret-file", "--import", "--tls-cert", "--follow",
		"--sync-interval", "--log-format", "PATCHSOURCE_", "Jamf Pro",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("--help does not mention %s", want)
		}
	}
	if strings.Contains(out, "${default}") {
		t.Errorf("--help has a placeholder in it: %s", out)
	}
	if code, out, _ := runOnce(t, nil, "--version"); code != 0 || !strings.Contains(out, "patchsource") ||
		!strings.Contains(out, "go1.") {
		t.Errorf("--version: got exit code %d and %q", code, out)
	}
}

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	f, err := parseFlags([]string{"--addr", ":1"}, []string{
		"HOME=/root", "PATCHSOURCE_ADDR=:2", "PATCHSOURCE_STORE=file:" + dir + "/",
		"PATCHSOURCE_RATE_LIMIT=false", "PATCHSOURCE_LOG_FORMAT=json",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if f.Addr != ":1" || f.RateLimit || f.LogFormat != "json" || f.AdminTokenFile != dir+".admin-token" ||
		f.SecretFile != dir+".secret" {
		t.Errorf("got %+v", f)
	}
	if _, err := parseFlags(nil, []string{"PATCHSOURCE_VERSION=1.4.2", "PATCHSOURCE_HELP=true"},
		io.Discard); err != nil {
		t.Errorf("a variable of an image is read as a flag: %v", err)
	}
	if code, _, stderr := runOnce(t, []string{"PATCHSOURCE_STORE=ftp:x"}); code != 2 ||
		!strings.Contains(stderr, "ftp:x") {
		t.Errorf("got exit code %d and %q", code, stderr)
	}
}

// The files of the server are beside the folder of its store.
func TestFilesBesideTheStore(t *testing.T) {
	for _, c := range []struct{ store, beside string }{
		{"file:data", "data"}, {"file:./a/b/", "a/b"}, {"file:/x/y", "/x/y"},
	} {
		f, err := parseFlags([]string{"--store", c.store}, nil, io.Discard)
		if err != nil || f.SecretFile != c.beside+".secret" {
			t.Errorf("--store %s: got %+v, %v, want %s.secret", c.store, f, err, c.beside)
		}
	}
	dir := t.TempDir()
	t.Chdir(dir)
	if f, err := parseFlags([]string{"--store", "file:."}, nil, io.Discard); err != nil ||
		filepath.Dir(f.SecretFile) != filepath.Dir(dir) {
		t.Errorf("--store file:.: got %+v, %v", f, err)
	}
	if _, err := parseFlags([]string{"--store", "file:/"}, nil, io.Discard); err == nil {
		t.Error("the root of the disk is accepted as a store")
	}
}
