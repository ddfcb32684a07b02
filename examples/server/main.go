// Command server is the reference server of patchsource: an external patch source for Jamf Pro that stores its titles
// in a folder of files.
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

// gcPercent is the default of GOGC. It makes the garbage collector run when half as much has been allocated as is in
// use: most allocations are for large definitions of anonymous clients, and memory is scarcer than time.
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
		<-signals // the second signal does not wait
		os.Exit(1)
	}()
	os.Exit(app.Run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
