package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	dir      string
	builds   []build
	rounds   int
	slice    time.Duration
	sizes    []int
	versions int
	large    bool
	quick    bool
	timeout  time.Duration
}

// A build is a binary of the reference server.
type build struct{ name, path string }

// A bench is one run of the program.
type bench struct {
	options
	out      io.Writer // the tables
	progress io.Writer
}

const usage = `Usage: bench [reads|writes|growth|start|backup|memory|footprint|all] [flags]

Measures the reference server beside a bare handler and the disk, and prints tables in Markdown. See the documentation
of the package for how to read them.

Flags:
`

// parseOptions parses the arguments into the options and the parts that are run.
func parseOptions(args []string, stderr io.Writer) (*options, []part, error) {
	chosen := parts
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name := args[0]
		if name != "all" {
			i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
			if i < 0 {
				return nil, nil, fmt.Errorf("there is no part %q: see --help", name)
			}
			chosen = parts[i : i+1]
		}
		args = args[1:]
	}
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	f.StringVar(&o.dir, "dir", "",
		"`FOLDER` for data, on a real disk (default: patchsource-bench in the user's cache folder)")
	f.Func("server", "`[NAME=]PATH` of a build of the reference server; may be repeated (default: that of this module)",
		o.addBuild)
	f.IntVar(&o.rounds, "rounds", 5, "number of interleaved rounds")
	f.DurationVar(&o.slice, "slice", time.Second, "time for each measurement of a round")
	sizes := f.String("sizes", "100,10000,100000", "numbers of titles for growth, start and footprint")
	f.IntVar(&o.versions, "versions", 30, "number of versions of a title")
	f.BoolVar(&o.large, "large", false, "also measure a contributor's list at 50,000 titles")
	f.BoolVar(&o.quick, "quick", false, "only try whether everything runs: few titles, one short round")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "time after which a single request is given up")
	if err := f.Parse(args); err != nil {
		return nil, nil, err
	}
	if f.NArg() > 0 {
		return nil, nil, fmt.Errorf("unknown argument %q: name the part before the flags", f.Arg(0))
	}
	for _, text := range strings.Split(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, nil, fmt.Errorf("-sizes: %q is not a positive number", text)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.quick {
		o.rounds, o.slice, o.sizes, o.versions = 1, 50*time.Millisecond, []int{20, 40}, 3
	}
	if o.rounds < 1 || o.versions < 1 || o.slice <= 0 {
		return nil, nil, fmt.Errorf("-rounds, -versions and -slice must be positive")
	}
	return o, chosen, nil
}

// addBuild adds the build of a -server flag.
func (o *options) addBuild(text string) error {
	name, path, named := strings.Cut(text, "=")
	if !named {
		name, path = filepath.Base(text), text
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	path, err := filepath.Abs(path)
	o.builds = append(o.builds, build{name, path})
	return err
}

// size returns n, or a small number in quick mode.
func (o *options) size(n int) int {
	if o.quick {
		return 20
	}
	return n
}

// prepare creates the folder for the data and builds the server if necessary.
func (b *bench) prepare(ctx context.Context) error {
	if b.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("%w: name a folder with -dir", err)
		}
		b.dir = filepath.Join(cache, "patchsource-bench")
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	if inMemory(b.dir) {
		b.log("warning: %s is on tmpfs, where syncing costs nothing: choose a folder on a disk with -dir", b.dir)
	}
	if len(b.builds) > 0 {
		return nil
	}
	path := filepath.Join(b.dir, "server")
	b.log("building the server")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/patchsource/patchsource/examples/server")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the server: %w: %s", err, out)
	}
	b.builds = []build{{"this", path}}
	return nil
}

// log writes a line about the progress.
func (b *bench) log(format string, args ...any) {
	fmt.Fprintf(b.progress, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}
