// Command patchstarter makes a patch definition from a macOS application. It replaces Patch-Starter-Script, with the
// same arguments and the same output.
//
//	go run ./examples/patchstarter --help
package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], environment{
		getenv:   os.Getenv,
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		terminal: term.IsTerminal(int(os.Stdin.Fd())),
	}))
}
