package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/patchsource/patchsource/examples/internal/cli"
)

const description = `An external patch source for Jamf Pro.

It keeps patch definitions, serves them to Jamf Pro, and takes new titles and versions over HTTP. To try it, start it without any flag; in Jamf Pro, add it under Settings > Computer Management > Patch Management > New, as HOST/jamf/v1 with the port it logs.

Every flag can also be given as an environment variable: --admin-token-file as PATCHSOURCE_ADMIN_TOKEN_FILE.
A flag wins over its variable. A variable that begins with PATCHSOURCE_ and belongs to no flag is an error,
except those of clients, such as PATCHSOURCE_URL and PATCHSOURCE_TOKEN.`

type flags struct {
	Addr           string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on. An empty host, as in :8080, is every address of this machine (default: ${default})."`
	Store          string   `default:"file:./data" placeholder:"STORE" help:"Where titles are kept: file:DIR is a folder, made if it is not there; memory: keeps nothing when the server stops (default: ${default})."`
	AdminTokenFile string   `placeholder:"FILE" help:"File that holds the administrator's token. If it is not there, a token is made and written to it, readable by you alone (default: beside the folder of --store, ./data.admin-token)."`
	SecretFile     string   `placeholder:"FILE" help:"File that holds the server's secret, from which its keys are derived. If it is not there, one is made. Keep it with your backups (default: beside the folder of --store, ./data.secret)."`
	Import         []string `placeholder:"DIR|ZIP|JSON" sep:"none" help:"Before serving, load the patch definitions (*.json) of a folder or a zip, or one such file, such as a copy of a Stupid Simple Patch Server bucket or a Patch Server backup. Titles that are there already are left as they are. May be given several times (its variable holds one)."`
	Restore        string   `placeholder:"FILE" help:"Before serving, load a full backup (made by GET /api/v1/backup?full=1) into the store, which must be empty: titles with their authors and history, tokens, contributors, webhooks, state of sources. Needs the secret file of the server it was made on, or no mailbox and no webhook's secret is known again."`
	TLSCert        string   `name:"tls-cert" placeholder:"FILE" help:"Serve HTTPS with this certificate (PEM, with its chain). Needs --tls-key."`
	TLSKey         string   `name:"tls-key" placeholder:"FILE" help:"Private key of --tls-cert (PEM)."`
	Community      bool     `default:"true" negatable:"" help:"Let anybody publish a title with their name and address, to which its token is mailed (default: on)."`
	Mail           string   `placeholder:"WHERE" help:"How mail is sent: smtp://user:password@host:587 (STARTTLS), smtps://user:password@host:465, smtp://host:25?tls=off, or outbox:DIR, which writes each mail to a file (default: outbox: beside the folder of --store, ./data.outbox)."`
	MailFrom       string   `default:"patchsource@localhost.localdomain" placeholder:"ADDRESS" help:"Who mails come from, as patches@example.com or Patches <patches@example.com> (default: ${default})."`
	BaseURL        string   `name:"base-url" placeholder:"URL" help:"Address at which other hosts reach the server, such as https://patches.example.com. Links in mails and webhook events begin with it, and the web page and the log show it (default: the address that the server listens on)."`
	RateLimit      bool     `default:"true" negatable:"" help:"Limit what an address, or a mailbox, can ask for without a token (default: on)."`
	MaxTitles      int      `default:"100" placeholder:"N" help:"How many titles a mailbox, or a contributor, may have (default: ${default})."`
	TrustedProxies []string `placeholder:"NETWORK" help:"Networks of reverse proxies (such as 127.0.0.1/32) whose X-Forwarded-For is believed. May be given several times."`

	Follow               []string      `placeholder:"URL|DIR" sep:"none" help:"Mirror all titles of another patch source, such as https://jamf-patch.jamfcloud.com/v1, or of a folder of definitions, such as a checkout. May be given several times."`
	FollowRemove         bool          `help:"Delete titles that vanish from a source of --follow, unless more than a tenth, and more than one, do at once."`
	Sources              string        `placeholder:"FILE" help:"Mirror the sources in a JSON file: an array of objects with url or folder, and if wanted name, only, except, author, remove, max_remove_share, allow_downgrade, interval, roots, refuse_unsigned and authorization_file (a file with the value of the Authorization header)."`
	SyncInterval         time.Duration `default:"30m" placeholder:"DURATION" help:"How often what titles follow is asked for changes (default: ${default})."`
	AllowPrivateNetworks bool          `help:"Also follow sources, and tell webhooks, in private networks and on this machine. For labs: who may publish by URL reaches what is there."`
	SignCert             string        `placeholder:"FILE" help:"Sign the definitions of the feed with this certificate (PEM, with its chain). Needs --sign-key."`
	SignKey              string        `placeholder:"FILE" help:"Private key of --sign-cert (PEM)."`

	AccessLog      bool   `default:"true" negatable:"" help:"Log every request: its id, method, path, status, bytes, time and client (default: on). /healthz, /readyz and /metrics are left out."`
	TolerateFaults bool   `help:"Let /readyz answer 200 although records of the store cannot be read. They are not served; the log names them."`
	PprofAddr      string `placeholder:"HOST:PORT" help:"Serve profiles of this process (/debug/pprof/) on an address of its own, such as 127.0.0.1:6060. They tell much: keep it to this machine."`
	LogFormat      string `default:"text" enum:"text,json" placeholder:"text|json" help:"Form of the log on standard error (default: ${default})."`
	Version        bool   `help:"Print the version and exit."`
}

// parseFlags reads the flags. environ is the environment, in the form of os.Environ. The error is
// cli.ErrAnswered after --help or --version.
func parseFlags(args, environ []string, stdout io.Writer) (*flags, error) {
	f := &flags{}
	program := cli.Program{Name: "patchsource", Description: description, Mistakes: mistakes}
	if err := cli.Parse(f, program, args, stdout, kong.Resolvers(readEnvironment(environ))); err != nil {
		return nil, err
	}
	if f.Version {
		fmt.Fprintln(stdout, "patchsource", version())
		return nil, cli.ErrAnswered
	}
	return f, f.complete()
}

// complete checks what goes together, and fills in what follows from it.
func (f *flags) complete() error {
	if (f.TLSCert == "") != (f.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if (f.SignCert == "") != (f.SignKey == "") {
		return errors.New("--sign-cert and --sign-key go together")
	}
	if f.SyncInterval < time.Second {
		return errors.New("--sync-interval: it must be a second or more, such as 30m")
	}
	if _, port, err := net.SplitHostPort(f.Addr); err != nil {
		return fmt.Errorf("--addr %s: it must be HOST:PORT, such as 127.0.0.1:8080 or :8080", f.Addr)
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("--addr %s: %q is no port: a port is a number from 0 to 65535", f.Addr, port)
	}
	if _, _, err := net.SplitHostPort(f.PprofAddr); f.PprofAddr != "" && err != nil {
		return fmt.Errorf("--pprof-addr %s: it must be HOST:PORT, such as 127.0.0.1:6060", f.PprofAddr)
	}
	beside := "patchsource"
	switch scheme, dir, _ := strings.Cut(f.Store, ":"); {
	case scheme == "file" && dir != "":
		// The name of the folder, however it is written.
		abs, err := filepath.Abs(dir)
		if err != nil {
			return fmt.Errorf("--store %s: %w", f.Store, err)
		}
		if filepath.Dir(abs) == abs {
			return fmt.Errorf("--store %s: give it a folder of its own", f.Store)
		}
		beside = filepath.Join(filepath.Dir(filepath.Clean(dir)), filepath.Base(abs))
		if filepath.Base(dir) == "." || filepath.Base(dir) == ".." {
			beside = abs
		}
	case f.Store == "memory:":
	default:
		return fmt.Errorf("--store %s: it must be file: and a folder, such as file:./data, or memory: alone", f.Store)
	}
	if f.MaxTitles < 1 {
		return errors.New("--max-titles: it must be at least 1")
	}
	if f.Mail == "" {
		f.Mail = "outbox:" + beside + ".outbox"
	}
	if u, err := url.Parse(f.BaseURL); f.BaseURL != "" &&
		(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("--base-url %s: it must be an address such as https://patches.example.com", f.BaseURL)
	}
	for _, p := range f.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("--trusted-proxies %s: it must be a network such as 10.0.0.0/8 or 127.0.0.1/32", p)
		}
	}
	if f.AdminTokenFile == "" {
		f.AdminTokenFile = beside + ".admin-token"
	}
	if f.SecretFile == "" {
		f.SecretFile = beside + ".secret"
	}
	return nil
}

// version is that of the module, and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(v, s.Value[:min(12, len(s.Value))]) {
			v += " " + s.Value
		}
	}
	return v + " " + info.GoVersion
}
