package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/examples/internal/feedtokens"
	"github.com/patchsource/patchsource/examples/internal/report"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/releases"
)

const description = "Keep patch definitions for Jamf Pro current by the release feeds of vendors.\n\n" +
	"check asks the feed of each recipe and reports which versions are new. apply also writes them into the " +
	"definitions, and creates those that do not exist. test reads recorded answers and compares the newest version " +
	"with the expected one.\n\nEach PATH is a recipe or a folder. The recipes of a folder are the files " +
	"*.recipe.json in it, or all files *.json if it has none of these. The definition of ID.recipe.json is ID.json " +
	"beside it.\n\nExit codes: 0 without errors (with --strict, also without warnings), 1 with errors, 2 for invalid " +
	"arguments and files that cannot be read or written."

// The commands.
const (
	commandCheck = "check"
	commandApply = "apply"
	commandTest  = "test"
)

type flags struct {
	Command              string   `arg:"" enum:"check,apply,test"`
	Paths                []string `arg:"" name:"path"`
	Definitions          string   `placeholder:"DIR"`
	Approve              bool
	Record               string   `placeholder:"DIR" xor:"answers"`
	Offline              string   `placeholder:"DIR" xor:"answers"`
	FeedToken            []string `placeholder:"HOST[/OWNER]=FILE" sep:"none"`
	AllowPrivateNetworks bool
	Strict               bool
	Format               string `short:"f" default:"text" enum:"text,json,sarif,github"`
}

// help describes the arguments and the flags, by name.
var help = map[string]string{
	"command": "check, apply or test.",
	"path":    "Recipes, and folders of recipes.",
	"definitions": "Folder of the definitions, whose files are named ID.json. If it is not set, a definition is " +
		"beside its recipe ID.recipe.json.",
	"approve": "Also add the versions that wait for a person, for example because their form is new, and those that " +
		"a policy would hold forever because the feed has no date for them. Use it where a person reviews the " +
		"change, such as in a pull request.",
	"record": "Write the answers of the feeds to a folder, one file for each request, and the newest versions to " +
		"expected.json in it.",
	"offline": "Read the answers from a folder that --record has written. No server is asked.",
	"feed-token": "Send the token in the first line of a file to the host of release feeds, such as " +
		"github.com=FILE, or to this host for the repositories of one owner. May be repeated.",
	"allow-private-networks": "Also read release feeds in private networks and on this machine.",
	"strict":                 "Treat warnings, such as versions that wait for a person, as errors.",
	"format": "Format of the report: text, json, sarif for code scanning, or github for annotations in GitHub " +
		"Actions (default: ${default}).",
}

// maxFeeds is the number of feeds that are read at the same time.
const maxFeeds = 8

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, now time.Time) int {
	fail := func(err error, hint string) int {
		fmt.Fprintf(stderr, "patchrecipe: %v\n%s", err, hint)
		return 2
	}
	f, err := parseFlags(args, stdout)
	switch {
	case errors.Is(err, cli.ErrAnswered):
		return 0
	case err != nil:
		return fail(err, "Try --help.\n")
	}
	files, err := find(f.Paths, f.Definitions)
	if err != nil {
		return fail(err, "")
	}
	c, err := f.newChecker(now)
	if err != nil {
		return fail(err, "")
	}
	results, code := c.checkAll(ctx, files, stderr)
	if err := c.finish(); err != nil {
		code = fail(err, "")
	}
	if err := program.Write(stdout, f.Format, results); err != nil {
		return fail(err, "")
	}
	return code
}

// parseFlags parses the arguments. The error is cli.ErrAnswered after --help.
func parseFlags(args []string, stdout io.Writer) (*flags, error) {
	f := &flags{}
	if err := cli.Parse(f, cli.Program{
		Name:        program.Name,
		Description: description,
		Help:        help,
		Mistakes:    cli.Mistakes{"token": "tokens are set by --feed-token HOST=FILE"},
	}, args, stdout); err != nil {
		return nil, err
	}
	switch {
	case f.Command == commandTest && f.Offline == "":
		return nil, errors.New("test needs --offline DIR, a folder that check --record DIR has written")
	case f.Approve && f.Command != commandApply:
		return nil, errors.New("--approve is for apply")
	}
	return f, nil
}

// newChecker returns the checker that the flags ask for.
func (f *flags) newChecker(now time.Time) (*checker, error) {
	kinds, err := releases.New(nil)
	if err != nil {
		return nil, err
	}
	c := &checker{kinds: kinds, command: f.Command, approve: f.Approve, strict: f.Strict, now: now}
	if f.Offline != "" {
		c.offline = &recordings{dir: f.Offline, kinds: kinds}
		c.source = c.offline
		return c, c.offline.open(f.Command == commandTest)
	}
	tokens, err := feedtokens.All(f.FeedToken)
	if err != nil {
		return nil, err
	}
	opts := &patchsync.FeedReaderOptions{
		Kinds:                kinds,
		FeedTokens:           tokens,
		AllowPrivateNetworks: f.AllowPrivateNetworks,
	}
	if f.Record != "" {
		if c.recorder, err = newRecorder(f.Record); err != nil {
			return nil, err
		}
		opts.Observe = c.recorder.observe
	}
	c.source, err = patchsync.NewFeedReader(opts)
	return c, err
}

// checkAll checks recipes and returns the results, in their order, and the exit code. It logs files that cannot be read
// or written.
func (c *checker) checkAll(ctx context.Context, files []file, stderr io.Writer) (results []report.Result, code int) {
	all := make([]report.Result, len(files))
	errs := make([]error, len(files))
	var group errgroup.Group
	group.SetLimit(maxFeeds)
	for i, f := range files {
		group.Go(func() error {
			all[i], errs[i] = c.check(ctx, f)
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	for i := range all {
		switch {
		case errs[i] != nil:
			fmt.Fprintf(stderr, "patchrecipe: %v\n", errs[i])
			code = 2
			continue
		case code == 0 && all[i].Failed():
			code = 1
		}
		results = append(results, all[i])
	}
	return results, code
}
