package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/examples/server/internal/admin"
)

// A command is what the program does in place of serving.
type command struct {
	name, summary string
	// run runs the command and returns the exit code.
	run func(ctx context.Context, args []string, p *admin.Program) int
}

// commands returns all commands, in the order of the help.
func commands() []command {
	return []command{
		{"token", "list, make and revoke tokens", adminCommand((*admin.Program).Token)},
		{"backup", "write a backup to a file, and check it", adminCommand((*admin.Program).Backup)},
		{"restore", "restore a backup", adminCommand((*admin.Program).Restore)},
		{"copy", "copy a store into another one, such as from a folder to PostgreSQL", runCopyCommand},
		{"doctor", "say what Jamf Pro would complain about, as doctor URL", outputCommand(runDoctor)},
		{"healthcheck", "tell a container whether its server is ready", outputCommand(runHealthCheck)},
		{"version", "print the version", runVersion},
		{"help", "print this help, or that of a command", runHelp},
	}
}

// adminCommand returns a command of package admin as the field run.
func adminCommand(run func(*admin.Program, context.Context, []string) int) func(
	context.Context, []string, *admin.Program,
) int {
	return func(ctx context.Context, args []string, p *admin.Program) int { return run(p, ctx, args) }
}

// outputCommand returns a command that only needs the output as the field run.
func outputCommand(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) func(
	context.Context, []string, *admin.Program,
) int {
	return func(ctx context.Context, args []string, p *admin.Program) int {
		return run(ctx, args, p.Stdout, p.Stderr)
	}
}

// findCommand returns the command that the first argument names. It returns nil if the server is to be started, which
// has no arguments other than flags. The error is that of a name that no command has.
func findCommand(args []string) (*command, error) {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return nil, nil
	}
	var names []string
	for _, c := range commands() {
		if c.name == args[0] {
			return &c, nil
		}
		names = append(names, c.name)
	}
	if slices.Contains([]string{"serve", "server", "start", "run"}, args[0]) {
		return nil, fmt.Errorf("there is no command %q: to start the server, give only flags, or nothing", args[0])
	}
	return nil, cli.UnknownCommand(args[0], names)
}

// summaries returns the part of --help that lists the commands.
func summaries() string {
	var b strings.Builder
	b.WriteString("Commands, which each have their own --help, do other things than start the server:\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  patchsource %-12s %s\n", c.name, c.summary)
	}
	return b.String()
}

// runHelp runs patchsource help.
func runHelp(ctx context.Context, args []string, p *admin.Program) int {
	if len(args) > 0 && args[0] != "help" {
		found, err := findCommand(args)
		if err != nil {
			fmt.Fprintf(p.Stderr, "patchsource help: %v\n", err)
			return 2
		}
		if found != nil {
			return found.run(ctx, append(args[1:len(args):len(args)], "--help"), p)
		}
	}
	if _, err := parseFlags([]string{"--help"}, nil, p.Stdout); !errors.Is(err, cli.ErrAnswered) {
		fmt.Fprintf(p.Stderr, "patchsource help: %v\n", err)
		return 1
	}
	return 0
}

// newProgram returns what the commands need of this program.
func newProgram(environ []string, stdin io.Reader, stdout, stderr io.Writer) *admin.Program {
	return &admin.Program{
		Stdin:        stdin,
		Stdout:       stdout,
		Stderr:       stderr,
		Interactive:  isTerminal(stdin),
		ShowProgress: isTerminal(stderr),
		Environ:      environ,
		OpenStore:    openForAdmin,
	}
}

// isTerminal reports whether a file is a terminal.
func isTerminal(file any) bool {
	f, ok := file.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
