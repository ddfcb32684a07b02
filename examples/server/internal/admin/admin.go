// Package admin has the commands with which an administrator manages a patch source: its tokens and its backups. They
// call the API of a running server, or that of a server which they open in their own process over the store of one that
// is stopped.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/store"
)

// The exit codes of the commands.
const (
	exitFailed  = 1
	exitInvalid = 2 // invalid arguments, or a missing --yes
)

// exitCodes documents the exit codes.
const exitCodes = "Exit codes: 0 if the work is done, 1 if it failed, 2 if the arguments are invalid or --yes is " +
	"missing."

// A Program is what the commands need of the program that they are part of.
type Program struct {
	// Stdin answers questions. Results are written to Stdout; questions, errors and progress are written to Stderr.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Interactive reports whether Stdin is a terminal, so that questions can be asked.
	Interactive bool
	// ShowProgress reports whether Stderr is a terminal, so that the progress of long work is shown.
	ShowProgress bool
	// Environ is the environment, in the form of os.Environ.
	Environ []string
	// OpenStore opens a store. Its errors name the flag --store.
	OpenStore func(ctx context.Context, o StoreOptions) (*OpenedStore, error)
}

// StoreOptions say which store to open.
type StoreOptions struct {
	// Name has the form of the flag --store of the server.
	Name string
	// PasswordFile and SecretFile are the values of the flags of these names.
	PasswordFile, SecretFile string
	// Create allows to create the folder of the store. If false, it must exist.
	Create bool
	Logger *slog.Logger
}

// An OpenedStore is a store that is open.
type OpenedStore struct {
	Store store.Store
	// Name is the name of the store without secrets.
	Name string
	// SecretFile is the secret file of the servers over the store. The file may not exist.
	SecretFile string
	// UploadDir is a folder for temporary files. If empty, it is os.TempDir().
	UploadDir string
	// Lease is the lease of the servers over the store. If 0, it is the default.
	Lease time.Duration
	Close func() error
}

// Token runs patchsource token and returns the exit code.
func (p *Program) Token(ctx context.Context, args []string) int {
	name, help := "", len(args) > 0 && slices.Contains([]string{"help", "--help", "-h"}, args[0])
	if len(args) > 0 {
		name = args[0]
	}
	switch {
	case name == "list":
		return p.tokenList(ctx, args[1:])
	case name == "create":
		return p.tokenCreate(ctx, args[1:])
	case name == "revoke":
		return p.tokenRevoke(ctx, args[1:])
	case help:
		fmt.Fprint(p.Stdout, tokenUsage)
		return 0
	case name == "" || strings.HasPrefix(name, "-"):
		fmt.Fprint(p.Stderr, tokenUsage)
		return exitInvalid
	}
	return p.exit(ctx, "token", &usageError{cli.UnknownCommand(name, []string{"list", "create", "revoke"})})
}

// tokenUsage is the help of patchsource token.
const tokenUsage = `Usage: patchsource token <command>

Manage the tokens of a patch source.

  patchsource token list             list the valid tokens
  patchsource token create           make a token
  patchsource token revoke ID ...    revoke tokens

Each command has its own --help.
`

// A usageError is an error of the arguments.
type usageError struct{ error }

// Unwrap returns the error.
func (e *usageError) Unwrap() error { return e.error }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exit reports the error of a command, if it is not nil, and returns the exit code.
func (p *Program) exit(ctx context.Context, command string, err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = fmt.Errorf("interrupted: %w", err)
	}
	lines := strings.Split(err.Error(), "\n") // it may have the words of a server
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	fmt.Fprintf(p.Stderr, "patchsource %s: %s\n", command, strings.Join(lines, "\n"))
	if errors.As(err, &usage) {
		fmt.Fprintf(p.Stderr, "Try patchsource %s --help.\n", command)
		return exitInvalid
	}
	return exitFailed
}

// parse parses the arguments of a command. done reports whether the command is to end at once, with a code.
func (p *Program) parse(flags any, program cli.Program, args []string) (code int, done bool) {
	return cli.ParseCommand(flags, program, args, p.Stdout, p.Stderr, exitInvalid)
}

// variable returns the value of a variable of the environment, or the empty string if it is not set.
func (p *Program) variable(name string) string {
	for _, v := range slices.Backward(p.Environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
