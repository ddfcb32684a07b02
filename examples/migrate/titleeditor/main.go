// Command titleeditor moves software titles from an instance of Jamf's Title Editor to a folder, from a folder to an
// instance, or from one instance to another. A patchsource server has the same API, so it works in both roles.
//
//	go run ./examples/migrate/titleeditor --help
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
