// Command bench measures the reference server beside a bare handler and beside the disk, and prints tables in Markdown.
//
//	go run ./examples/internal/bench [reads|writes|growth|start|backup|memory|footprint|all] [flags]
//
// Without -server, it builds and measures the server of this module. With -server NAME=PATH, which may be repeated, it
// measures other builds, all in one run:
//
//	go run ./examples/internal/bench reads -server before=/tmp/old -server after=/tmp/new
//
// # How to read the tables
//
// The figure to trust is CPU: the processor time that the serving process uses for a request, user and system time,
// including its garbage collector. Requests per second depend on what else the machine does, and on the load generator,
// which shares its processors. The generator is a process of its own, so its CPU is not counted.
//
// Everything is measured in interleaved rounds: in each round, each build, the bare handler and the disk get a short
// slice of time, so that they all suffer from the same disturbances. A ratio is the median of the ratios of the rounds,
// and other figures are the medians of the rounds. A ratio of bare ÷ ours of 0.90 means that a bare handler needs 90 %
// of the server's CPU.
//
//   - bare is a net/http handler that looks up a path in a map and writes the same bytes and headers as the server. It
//     is the best that a handler can do without leaving net/http. The one that is compared with the server as shipped
//     writes an X-Request-Id as well, which is always the same.
//   - disk is a file of 20 kB that is written, synced and renamed, and its folder synced, by as many writers as add
//     versions to the server, in the same file system.
//   - "as shipped" is the server with its default flags, but without limits for clients. "Without log" is the same with
//     --no-access-log. The log is written to a file, as by a shell, and not to a terminal.
//   - goal and reached compare a figure with the project's goals.
//
// # Data
//
// The titles are generated and the same in every run. Half of them belong to contributors with five titles each, one in
// ten to an author with a mailbox, and one in ten has a token. They are written as a data folder in the oldest format,
// which every build can open, and are kept in -dir. Each build gets a copy that is made of hard links. The folder must
// be on a real disk: on tmpfs, syncing costs nothing and the figures for changes are meaningless. Data for 100,000
// titles takes about 2.5 GB.
//
// The program needs Linux. Bytes and syncs of a change are counted with strace, backups are compared with zip, and
// the list with nginx; if one of them is missing, its figures are left out.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	if role, ok := roleOf(os.Environ()); ok {
		exit(runRole(role, os.Stdin, os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// exit ends the process if err is not nil.
func exit(err error) {
	switch {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// A part is a group of tables.
type part struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var parts = []part{
	{"reads", reads},
	{"writes", writes},
	{"growth", growth},
	{"start", starts},
	{"backup", backups},
	{"memory", memory},
	{"footprint", footprint},
}

// run runs the program with its arguments.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, chosen, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	b := &bench{options: *o, out: stdout, progress: stderr}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	for _, p := range chosen {
		if err := p.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}
