// Command server is the reference server of patchsource: an external patch
// source for Jamf Pro, in a folder of files, in one process.
//
//	go run ./examples/server --help
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/patchsource/patchsource/examples/server/internal/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(app.Run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}
