// Command server is the reference server of patchsource: an external patch source for Jamf Pro that stores its titles
// in a folder of files.
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
	if os.Getenv("GOGC") == "" {
		tuneGC()
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	limitMemory(ctx)
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
