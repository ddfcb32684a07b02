// Command patchlint checks patch definitions in files, folders and zips.
//
//	go run ./examples/patchlint --help
package main

import (
	"os"
	"time"

	"golang.org/x/term"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, term.IsTerminal(int(os.Stderr.Fd())), time.Now()))
}
