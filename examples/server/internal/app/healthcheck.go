package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
)

// maxHealthBytes bounds the answer of /readyz that is read.
const maxHealthBytes = 64 << 10

// healthFlags are the flags of patchsource healthcheck.
type healthFlags struct {
	URL     string        `arg:"" optional:"" name:"url" default:"http://127.0.0.1:8080"`
	CA      string        `name:"ca" placeholder:"FILE"`
	Timeout time.Duration `default:"10s" placeholder:"DURATION"`
}

// healthProgram describes patchsource healthcheck.
var healthProgram = cli.Program{
	Name: "patchsource healthcheck",
	Description: "Tell whether a server is ready, for the health check of a container.\n\n" +
		"The exit code is 0 if /readyz answers with status 200, and otherwise 1, with the reason on standard error.",
	Help: map[string]string{
		"url": "Base URL of the server (default: ${default}). The certificate of a server on this machine is not " +
			"verified, because it is for another name.",
		"ca":      "File with the certificates (PEM) of authorities that are trusted besides those of the system.",
		"timeout": "Time for the answer (default: ${default}).",
	},
}

// runHealthCheck runs patchsource healthcheck.
func runHealthCheck(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := &healthFlags{}
	if code, done := cli.ParseCommand(f, healthProgram, args, stdout, stderr, 1); done {
		return code
	}
	if err := f.check(ctx); err != nil {
		fmt.Fprintf(stderr, "patchsource healthcheck: %v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, "ready")
	return 0
}

// check returns an error unless the server is ready.
func (f *healthFlags) check(ctx context.Context) error {
	base := strings.TrimRight(f.URL, "/")
	if !isWebURL(base) {
		return fmt.Errorf("%q: it must be a URL such as http://127.0.0.1:8080", f.URL)
	}
	if f.Timeout <= 0 {
		return fmt.Errorf("--timeout %s: it must be more than nothing, such as 10s", f.Timeout)
	}
	roots, err := cli.ReadRoots(f.CA)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{
		// Nothing secret is sent, and no other machine can answer for this one.
		TLSClientConfig:   &tls.Config{RootCAs: roots, InsecureSkipVerify: onThisMachine(req.URL)},
		DisableKeepAlives: true,
	}
	res, err := transport.RoundTrip(req) // follows no redirect
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s did not answer within %s", req.URL, f.Timeout)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", req.URL, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	var problem struct {
		Message string `json:"message"`
	}
	// Other servers answer in other forms: the status suffices.
	_ = json.NewDecoder(io.LimitReader(res.Body, maxHealthBytes)).Decode(&problem)
	if problem.Message == "" {
		return fmt.Errorf("%s has status %d", req.URL, res.StatusCode)
	}
	return fmt.Errorf("%s has status %d: %q", req.URL, res.StatusCode, problem.Message)
}

// onThisMachine reports whether the host of a URL is a loopback address.
func onThisMachine(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
