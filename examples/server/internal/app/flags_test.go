package app

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// A flag or a variable that the server does not have is an error that names the one that was
// meant.
func TestUnknownFlagsAndVariables(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		environ []string
		says    string // the whole error; empty: there is none
	}{
		{
			"a flag of other servers", []string{"--port", "80"}, nil,
			"there is no flag --port: the address is set by --addr :8080",
		},
		{"with its value", []string{"--port=80"}, nil, "there is no flag --port: the address is set by --addr :8080"},
		{"a misspelled flag", []string{"--stroe", "memory:"}, nil, "there is no flag --stroe: did you mean --store?"},
		{
			"a misspelled switch", []string{"--no-comunity"}, nil,
			"there is no flag --no-comunity: did you mean --no-community?",
		},
		{"a flag like no other", []string{"--frobnicate"}, nil, "there is no flag --frobnicate"},
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
			"a variable of other servers", nil, []string{"PATCHSOURCE_PORT=80"},
			"environment variable PATCHSOURCE_PORT: there is no flag --port: the address is set by --addr :8080",
		},
		{
			"a switch as a variable", nil, []string{"PATCHSOURCE_NO_COMMUNITY=1"},
			"environment variable PATCHSOURCE_NO_COMMUNITY: there is no such variable: set PATCHSOURCE_COMMUNITY=false",
		},
		{"variables of the tests", nil, []string{"PATCHSOURCE_BROWSER=/x", "PATCHSOURCE_RANDOM_REQUESTS=9"}, ""},
		{"an empty variable", nil, []string{"PATCHSOURCE_STROE="}, ""},
		{"a variable of something else", nil, []string{"PATCHSOURCES_STROE=x", "STORE=y"}, ""},
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
			if got := errorText(err); got != c.says {
				t.Errorf("%q, want %q", got, c.says)
			}
		})
	}
	code, _, stderr := runOnce(t, []string{"PATCHSOURCE_MIAL=smtp://user:hunter2@host"})
	if code != 2 || !strings.Contains(stderr, "PATCHSOURCE_MIAL") || strings.Contains(stderr, "hunter2") {
		t.Errorf("%d %q", code, stderr)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What explains a flag that the server does not have speaks of flags that it has.
func TestMistakesNameFlags(t *testing.T) {
	var help strings.Builder
	if _, err := parseFlags([]string{"--help"}, nil, &help); err == nil {
		t.Fatal("there is no help")
	}
	for name, explanation := range mistakes {
		if strings.Contains(help.String(), "--"+name+" ") || strings.Contains(help.String(), "--"+name+"=") {
			t.Errorf("the server has a flag --%s", name)
		}
		for word := range strings.FieldsSeq(explanation) {
			if flag, ok := strings.CutPrefix(strings.Trim(word, ",;:"), "--"); ok &&
				!strings.Contains(help.String(), strings.TrimPrefix(flag, "no-")) {
				t.Errorf("--%s: there is no flag --%s", name, flag)
			}
		}
	}
}

// The line that says that the server is ready has the address for other hosts, and the one that it
// listens on.
func TestReadyLine(t *testing.T) {
	for _, c := range []struct {
		name, base, url string // empty url: where it listens
	}{
		{"no address for others", "", ""},
		{"an address for others", "https://patches.example.com", "https://patches.example.com"},
		{"a prefix, with a slash", "https://example.com/patches/", "https://example.com/patches"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, t.TempDir(), "--base-url="+c.base)
			if c.url == "" {
				c.url = p.url
			}
			var ready struct {
				Msg, URL, Listen string
				Feed             string `json:"jamf_feed"`
			}
			for line := range strings.Lines(p.logged()) {
				if err := json.Unmarshal([]byte(line), &ready); err != nil {
					t.Fatal(err)
				}
				if ready.Msg == "ready" {
					break
				}
			}
			if ready.URL != c.url || ready.Feed != c.url+"/jamf/v1" || ready.Listen != p.url {
				t.Errorf("%+v", ready)
			}
		})
	}
}
