package app

import (
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"github.com/patchsource/patchsource/examples/internal/cli"
)

// flags are the flags of the server. Their descriptions are in help.go.
type flags struct {
	Addr              string `placeholder:"HOST:PORT"`
	Store             string `default:"file:./data" placeholder:"STORE"`
	StorePasswordFile string `placeholder:"FILE"`
	AdminTokenFile    string `placeholder:"FILE"`
	SecretFile        string `placeholder:"FILE"`
	ReplaceSecret     bool
	Import            []string `placeholder:"DIR|ZIP|JSON|s3://…" sep:"none"`
	Restore           string   `placeholder:"FILE"`
	CopyFrom          string   `placeholder:"STORE"`
	TLSCert           string   `name:"tls-cert" placeholder:"FILE"`
	TLSKey            string   `name:"tls-key" placeholder:"FILE"`
	ACME              []string `name:"acme" placeholder:"NAME"`
	ACMEEmail         string   `name:"acme-email" placeholder:"ADDRESS"`
	ACMEDirectory     string   `name:"acme-directory" placeholder:"URL"`
	ACMECA            string   `name:"acme-ca" placeholder:"FILE"`
	HTTPAddr          string   `name:"http-addr" placeholder:"HOST:PORT"`
	Community         bool     `default:"true" negatable:""`
	Mail              string   `placeholder:"WHERE"`
	MailFrom          string   `default:"patchsource@localhost.localdomain" placeholder:"ADDRESS"`
	BaseURL           string   `name:"base-url" placeholder:"URL"`
	RateLimit         bool     `default:"true" negatable:""`
	TitleEditor       bool     `default:"true" negatable:""`
	MaxTitles         int      `default:"100" placeholder:"N"`
	TrustedProxies    []string `placeholder:"NETWORK"`

	Follow               []string `placeholder:"URL|DIR" sep:"none"`
	FollowRemove         bool
	Sources              string        `placeholder:"FILE"`
	Recipes              []string      `placeholder:"DIR" sep:"none"`
	FeedToken            []string      `placeholder:"HOST[/OWNER]=FILE" sep:"none"`
	SyncInterval         time.Duration `default:"30m" placeholder:"DURATION"`
	AllowPrivateNetworks bool
	SignCert             string `placeholder:"FILE"`
	SignKey              string `placeholder:"FILE"`

	AccessLog      bool `default:"true" negatable:""`
	TolerateFaults bool
	PprofAddr      string `placeholder:"HOST:PORT"`
	LogFormat      string `default:"text" enum:"text,json" placeholder:"text|json"`
	Version        bool
}

// parseFlags parses the arguments and the environment, which has the form of os.Environ. The error is cli.ErrAnswered
// after --help and --version.
func parseFlags(args, environ []string, stdout io.Writer) (*flags, error) {
	f := &flags{}
	program := cli.Program{Name: "patchsource", Description: description + summaries(), Help: help, Mistakes: mistakes}
	if err := cli.Parse(f, program, args, stdout, kong.Resolvers(readEnvironment(environ))); err != nil {
		return nil, err
	}
	if f.Version {
		fmt.Fprintln(stdout, "patchsource", version())
		return nil, cli.ErrAnswered
	}
	return f, f.complete()
}
