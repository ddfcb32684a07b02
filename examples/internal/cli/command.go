package cli

import (
	"errors"
	"fmt"
	"io"
)

// ParseCommand parses the arguments of a command of a program and reports errors. done reports whether the command is
// to end at once, with a code: 0 after --help, or invalid for invalid arguments.
func ParseCommand(
	flags any, p Program, args []string, stdout, stderr io.Writer, invalid int,
) (code int, done bool) {
	err := Parse(flags, p, args, stdout)
	if errors.Is(err, ErrAnswered) {
		return 0, true
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\nTry %[1]s --help.\n", p.Name, err)
		return invalid, true
	}
	return 0, false
}

// UnknownCommand returns the error for a command that a program does not have. It suggests the command with the most
// similar name, if one is similar.
func UnknownCommand(name string, commands []string) error {
	if near := nearest(name, commands); near != "" {
		return fmt.Errorf("there is no command %q: did you mean %s?", name, near)
	}
	return fmt.Errorf("there is no command %q", name)
}
