package admin

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/httpapi/client"
)

const (
	// defaultFolder is the folder of a server without --store.
	defaultFolder = "data"
	// maxTokenFile bounds the size of a file with a token, in bytes.
	maxTokenFile = 4096
	// answerTimeout is the time for an answer to begin. A server checks a backup before it answers.
	answerTimeout = 20 * time.Minute
)

// A connection has the flags that say which patch source a command is about.
type connection struct {
	Server    string `placeholder:"URL"`
	TokenFile string `placeholder:"FILE"`
	CA        string `name:"ca" placeholder:"FILE"`

	Store             string `placeholder:"STORE"`
	StorePasswordFile string `placeholder:"FILE"`
	SecretFile        string `placeholder:"FILE"`

	token string
}

// connectionHelp describes the flags of a connection.
var connectionHelp = map[string]string{
	"server": "URL of a running server, such as https://patches.example.com (default: the environment variable " +
		"PATCHSOURCE_URL).",
	"token-file": "File with the token for --server, usually an administrator token (default: the environment " +
		"variable PATCHSOURCE_TOKEN has the token, or PATCHSOURCE_TOKEN_FILE names the file).",
	"ca": "File with the certificates (PEM) of authorities that are trusted besides those of the system.",
	"store": "Store of a server that is stopped, as for the server: such as file:./data or " +
		"postgres://user@host/database (default: the environment variable PATCHSOURCE_STORE, or the folder ./data if " +
		"it exists).",
	"store-password-file": "File with the password of the database user of postgres://… (default: the environment " +
		"variable PATCHSOURCE_STORE_PASSWORD_FILE).",
	"secret-file": "File with the secret of the servers over --store (default: the environment variable " +
		"PATCHSOURCE_SECRET_FILE, or the file beside the store, as for the server). A restore needs it.",
}

// describe returns the help of a command: that of its own flags and that of a connection.
func describe(own map[string]string) map[string]string {
	all := maps.Clone(connectionHelp)
	maps.Copy(all, own)
	return all
}

// where describes the flags of a connection in general.
const where = "With --server, the command calls a running server. With --store, it works with the store of a server " +
	"that is stopped, or with one that several servers share, and needs no token; run it as the user of the server, " +
	"or as root. Without both, PATCHSOURCE_URL or PATCHSOURCE_STORE says which, and otherwise the folder ./data is " +
	"the store."

// complete completes the flags from the environment. needsToken reports whether a call of a server needs a token.
func (c *connection) complete(p *Program, needsToken bool) error {
	switch {
	case c.Server != "" && c.Store != "":
		return usagef("--server is for a running server, and --store for one that is stopped: omit one of them")
	case c.Server == "" && c.Store == "":
		if c.Server = p.variable("PATCHSOURCE_URL"); c.Server == "" {
			c.Store = cmp.Or(p.variable("PATCHSOURCE_STORE"), existingFolder())
		}
	}
	switch {
	case c.Server != "":
		return c.completeServer(p, needsToken)
	case c.Store == "":
		return usagef("name the patch source: --server URL for a running server, or --store STORE for the store of " +
			"one that is stopped; there is no folder ./data here")
	case c.TokenFile != "" || c.CA != "":
		return usagef("--token-file and --ca are for --server: the store of a server that is stopped needs no token")
	}
	if c.StorePasswordFile == "" && strings.HasPrefix(c.Store, "postgres") {
		c.StorePasswordFile = p.variable("PATCHSOURCE_STORE_PASSWORD_FILE")
	}
	c.SecretFile = cmp.Or(c.SecretFile, p.variable("PATCHSOURCE_SECRET_FILE"))
	return nil
}

// existingFolder returns the store of a server without --store if it exists, and the empty string otherwise.
func existingFolder() string {
	if info, err := os.Stat(defaultFolder); err != nil || !info.IsDir() {
		return ""
	}
	return "file:./" + defaultFolder
}

// completeServer completes the flags of a connection to a running server.
func (c *connection) completeServer(p *Program, needsToken bool) (err error) {
	if c.StorePasswordFile != "" || c.SecretFile != "" {
		return usagef("--store-password-file and --secret-file are for --store: a running server has its own")
	}
	if u, err := url.Parse(c.Server); err != nil || u.Host == "" {
		return usagef("--server: it must be a URL such as https://patches.example.com")
	}
	if c.TokenFile == "" {
		c.token = strings.TrimSpace(p.variable("PATCHSOURCE_TOKEN"))
		c.TokenFile = p.variable("PATCHSOURCE_TOKEN_FILE")
	}
	if c.token == "" && c.TokenFile != "" {
		if c.token, err = readToken(c.TokenFile); err != nil {
			return err
		}
	}
	if c.token == "" && needsToken {
		return usagef("a running server requires a token: name its file with --token-file, such as data.admin-token, " +
			"or set PATCHSOURCE_TOKEN_FILE")
	}
	return nil
}

// readToken reads a file with a token.
func readToken(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if len(data) > maxTokenFile || token == "" || strings.ContainsAny(token, " \r\n") {
		return "", fmt.Errorf("--token-file %s: it does not contain a token", name)
	}
	return token, nil
}

// A source is the patch source that a command works with.
type source struct {
	*client.Client
	name    string // for messages, without secrets
	offline bool
	close   func() error
}

// dial returns the running server.
func (c *connection) dial() (*source, error) {
	roots, err := cli.ReadRoots(c.CA)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: answerTimeout,
	}
	s, err := newSource(c.Server, c.token, transport)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--server: %w", err)}
	}
	s.close = func() error { transport.CloseIdleConnections(); return nil }
	return s, nil
}

// newSource returns a source whose API is called over a transport.
func newSource(address, token string, transport http.RoundTripper) (*source, error) {
	c, err := client.New(address, &client.Options{
		Token:     token,
		UserAgent: "patchsource",
		HTTP: &http.Client{
			Transport: transport,
			// A server that redirects must not get the token.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	if err != nil {
		return nil, err
	}
	return &source{Client: c, name: address}, nil
}

// with opens the source that the flags name, calls f, and closes the source.
func (c *connection) with(ctx context.Context, p *Program, o offlineOptions, f func(*source) error) error {
	var s *source
	var err error
	if c.Server != "" {
		s, err = c.dial()
	} else {
		s, err = c.openOffline(ctx, p, o)
	}
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.close())
}
