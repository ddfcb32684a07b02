// Command server is the reference server of patchsource: an external patch
// source for Jamf Pro, in a folder of files, in one process.
//
//	go run ./examples/server --help
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/patchsource/patchsource/examples/server/internal/app"
)

// gcPercent lets the garbage collector run when half as much has been allocated as is in use, unless GOGC says something
// else: large definitions of strangers are the most that is allocated, and memory is scarcer than time.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals // the second one does not wait
		os.Exit(1)
	}()
	os.Exit(app.Run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
