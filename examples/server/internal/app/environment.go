package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/patchsource/patchsource/examples/internal/cli"
)

// envPrefix is the prefix of the environment variables of flags.
const envPrefix = "PATCHSOURCE_"

// mistakes explains flags that people try but that have another name here.
var mistakes = cli.Mistakes{
	"address":        "the address is set by --addr :8080",
	"bind":           "the address is set by --addr :8080",
	"autocert":       "certificates are obtained by --acme patches.example.com",
	"certificate":    "the certificate is set by --tls-cert and --tls-key",
	"config":         "there is no configuration file: use flags, or environment variables such as PATCHSOURCE_ADDR",
	"data":           "the folder of the titles is set by --store file:./data",
	"data-dir":       "the folder of the titles is set by --store file:./data",
	"dir":            "the folder of the titles is set by --store file:./data",
	"domain":         "the address for other hosts is set by --base-url https://patches.example.com",
	"github-token":   "tokens for release feeds are set by --feed-token github.com=FILE",
	"host":           "the address is set by --addr 127.0.0.1:8080",
	"hostname":       "the address for other hosts is set by --base-url https://patches.example.com",
	"http-port":      "the address is set by --addr :8080",
	"https":          "HTTPS is enabled by --acme NAME, or by --tls-cert and --tls-key",
	"letsencrypt":    "certificates are obtained by --acme patches.example.com",
	"key":            "the private key is set by --tls-key",
	"listen":         "the address is set by --addr :8080",
	"listen-address": "the address is set by --addr :8080",
	"log-level":      "the log has one level; --no-access-log omits requests",
	"mirror":         "another source is mirrored by --follow URL",
	"port":           "the address is set by --addr :8080",
	"proxy":          "reverse proxies are set by --trusted-proxies 127.0.0.1/32",
	"public-url":     "the address for other hosts is set by --base-url https://patches.example.com",
	"recipe":         "folders of recipes are set by --recipes DIR",
	"smtp":           "mail is configured by --mail smtp://user:password@host:587",
	"ssl":            "HTTPS is enabled by --acme NAME, or by --tls-cert and --tls-key",
	"tls":            "HTTPS is enabled by --acme NAME, or by --tls-cert and --tls-key",
	"token":          "the administrator's token is read from the file of --admin-token-file",
	"url":            "the address for other hosts is set by --base-url https://patches.example.com",
}

// foreign are the variables with the prefix that do not belong to the server but may be in its environment: the version
// of an image, and the variables of clients' scripts and of this project's tests.
var foreign = []string{
	"HELP", "VERSION", "TOKEN", "TOKEN_FILE", "URL",
	"AXE", "BROWSER", "RANDOM_REQUESTS", "SCREENSHOTS", "SERVERS", "TEST_BINARY", "PEBBLE",
}

// discovery matches the variables that Kubernetes sets in each container for services whose names begin with
// "patchsource". The value of the port's variable is a URL.
var discovery = regexp.MustCompile(`^([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT|SERVICE_PORT_[A-Z0-9_]+|` +
	`PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)=|^([A-Z0-9_]+_)?PORT=(tcp|udp|sctp)://`)

// An environment contains the values of the server's variables, by the names of their flags. Empty variables count as
// unset.
type environment map[string]string

// readEnvironment parses variables, which have the form of os.Environ.
func readEnvironment(environ []string) environment {
	e := environment{}
	for _, variable := range environ {
		rest, ok := strings.CutPrefix(variable, envPrefix)
		name, value, _ := strings.Cut(rest, "=")
		if ok && value != "" && !slices.Contains(foreign, name) && !discovery.MatchString(rest) {
			e[strings.ToLower(strings.ReplaceAll(name, "_", "-"))] = value
		}
	}
	return e
}

// Validate implements kong.Resolver. It returns an error for a variable without a flag, such as a misspelled one: the
// server would ignore its value.
func (e environment) Validate(app *kong.Application) error {
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if !hasFlag(app, name) {
			if on, negated := strings.CutPrefix(name, "no-"); negated && hasFlag(app, on) {
				return fmt.Errorf("environment variable %s: there is no such variable: set %s=false",
					variable(name), variable(on))
			}
			return fmt.Errorf("environment variable %s: %w", variable(name), mistakes.UnknownFlag(app, name))
		}
	}
	return nil
}

// hasFlag reports whether a program has a flag with this name.
func hasFlag(app *kong.Application, name string) bool {
	return slices.ContainsFunc(app.Flags, func(f *kong.Flag) bool { return f.Name == name })
}

// variable returns the name of the variable of a flag.
func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Resolve implements kong.Resolver.
func (e environment) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if value, ok := e[flag.Name]; ok {
		return value, nil
	}
	return nil, nil
}
