// Command patchrecipe keeps definitions in files current by recipes: it asks vendors' release feeds, and says or writes
// which versions are new.
//
//	go run ./examples/patchrecipe --help
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, time.Now())
	stop()
	os.Exit(code)
}
