package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/patchsource/patchsource/examples/internal/cli"
)

// A command is what the program does in place of serving. It returns the exit code.
type command func(ctx context.Context, args []string, stdout, stderr io.Writer) int

// findCommand returns the command that the first argument names. It returns nil if the server is to be started: the
// server has no arguments other than flags.
func findCommand(args []string) command {
	if len(args) == 0 {
		return nil
	}
	switch args[0] {
	case "doctor":
		return runDoctor
	case "healthcheck":
		return runHealthCheck
	}
	return nil
}

// parseCommand parses the arguments of a command. done reports whether the command is to end at once, with a
// code: 0 after --help, or invalid for invalid arguments.
func parseCommand(
	flags any, p cli.Program, args []string, stdout, stderr io.Writer, invalid int,
) (code int, done bool) {
	err := cli.Parse(flags, p, args, stdout)
	if errors.Is(err, cli.ErrAnswered) {
		return 0, true
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nTry --help.\n", p.Name, err)
		return invalid, true
	}
	return 0, false
}

// readRoots returns the authorities of the system and those of a file. If name is empty, it returns nil.
func readRoots(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // the system has none
	}
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("--ca %s: the file has no certificate in PEM", name)
	}
	return roots, nil
}
