package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/appbundle"
)

const description = `Make a patch definition for Jamf Pro from a macOS application.

What it takes from the application: the name is CFBundleName, or else the file name; the id is the name without spaces; the version is CFBundleShortVersionString; the minimum OS is LSMinimumSystemVersion; the release date is when the bundle was last modified. The publisher is the name unless it is given.

The definition goes to standard output, to a file with --output, or to a patch source with --url. What is probably not meant is said on standard error.`

type flags struct {
	Path               string   `arg:"" help:"The application (Some App.app), or a zip that holds one."`
	Output             string   `short:"o" placeholder:"DIR" help:"Write to a file in this folder: <id>.json, or <id>-patch.json with --patch-only."`
	Publisher          string   `short:"p" placeholder:"NAME" help:"The publisher."`
	Name               string   `short:"n" placeholder:"NAME" help:"The title's name, in the place of the application's."`
	ExtensionAttribute []string `short:"e" sep:"none" placeholder:"PATH" help:"A script to include as an extension attribute. May be given several times."`
	AppVersion         string   `placeholder:"VERSION" help:"The version, in the place of the application's. Jamf Pro compares it with CFBundleShortVersionString."`
	MinSysVersion      string   `placeholder:"VERSION" help:"The minimum version of macOS (such as 10.13), in the place of the application's."`
	PatchOnly          bool     `help:"Make a version only, not a whole definition."`

	URL   string `name:"url" placeholder:"URL" help:"Post the result to the patch source at this address: a definition as a new title, a version (--patch-only) to the title that is there."`
	Token string `placeholder:"TOKEN" help:"The token for --url. Better given as PATCHSOURCE_TOKEN: a command line can be read by others."`
	Title string `placeholder:"ID" help:"With --url and --patch-only: the id of the title there, if it is another (such as Composer_Bryson)."`
}

// An environment is what a program has around it.
type environment struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // somebody at stdin can be asked
}

// run is the program. It returns the exit code: 0; 1 when nothing could be made
// or posted; 2 for arguments that are wrong.
func run(ctx context.Context, args []string, env environment) int {
	f, err := parseFlags(args, env.stdout)
	if errors.Is(err, cli.ErrAnswered) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(env.stderr, "patchstarter: %v\nTry --help.\n", err)
		return 2
	}
	if f.Token == "" {
		f.Token = env.getenv("PATCHSOURCE_TOKEN")
	}
	if err := starter(ctx, f, env); err != nil {
		fmt.Fprintf(env.stderr, "ERROR: %v\n", err)
		return 1
	}
	return 0
}

func parseFlags(args []string, stdout io.Writer) (*flags, error) {
	f := &flags{}
	if err := cli.Parse(f, cli.Program{Name: "patchstarter", Description: description}, args, stdout); err != nil {
		return nil, err
	}
	if f.URL != "" && f.Output != "" {
		return nil, errors.New("--output and --url exclude each other")
	}
	if f.Title != "" && (f.URL == "" || !f.PatchOnly) {
		return nil, errors.New("--title goes with --url and --patch-only")
	}
	return f, nil
}

func starter(ctx context.Context, f *flags, env environment) error {
	now := time.Now()
	opts := &appbundle.Options{
		Publisher: f.Publisher,
		Name:      f.Name,
		Version:   f.AppVersion,
		MinimumOS: f.MinSysVersion,
		Now:       now,
	}
	for _, path := range f.ExtensionAttribute {
		script, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		opts.Scripts = append(opts.Scripts, script)
	}
	def, err := makeDefinition(f.Path, opts, env)
	if err != nil {
		return err
	}
	for _, w := range lint(def, f.PatchOnly, now) {
		fmt.Fprintf(env.stderr, "warning: %s: %s\n", w.Path, w.Message)
	}

	var out any = def
	name := def.ID + ".json"
	if f.PatchOnly {
		out, name = def.Patches[0], def.ID+"-patch.json"
	}
	data, err := json.Marshal(out)
	if err != nil {
		return err
	}
	switch {
	case f.URL != "":
		return post(ctx, f, def.ID, data, env)
	case f.Output != "":
		return os.WriteFile(filepath.Join(f.Output, name), data, 0o644)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "    "); err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.stdout, indented.String())
	return err
}

// lint returns what lint says of what was made. A definition without its scripts'
// criteria is a start, and not finished: that it does not use them is no news.
func lint(def *patch.Definition, patchOnly bool, now time.Time) (warnings []patch.Warning) {
	for _, w := range patch.Lint(def, &patch.LintOptions{Now: now, Off: []string{"unused-attribute"}}) {
		if path, ok := strings.CutPrefix(w.Path, "/patches/0"); ok && patchOnly {
			w.Path = path
		} else if patchOnly {
			continue
		}
		warnings = append(warnings, w)
	}
	return warnings
}

// makeDefinition makes a definition of the application at path, and asks for what
// the application does not say.
func makeDefinition(path string, opts *appbundle.Options, env environment) (*patch.Definition, error) {
	answers := bufio.NewReader(env.stdin)
	for {
		def, err := readApplication(path, opts)
		var missing *appbundle.MissingError
		if !errors.As(err, &missing) {
			return def, err
		}
		switch missing.Key {
		case appbundle.KeyVersion:
			opts.Version, err = ask(answers, env, missing, "the version", "", "--app-version")
		case appbundle.KeyMinimumOS:
			opts.MinimumOS, err = ask(
				answers,
				env,
				missing,
				"the minimum version of macOS",
				"10.9",
				"--min-sys-version",
			)
		}
		if err != nil {
			return nil, err
		}
	}
}

// ask asks for what is missing, if there is somebody to ask.
func ask(answers *bufio.Reader, env environment, missing error, what, otherwise, flag string) (string, error) {
	if !env.terminal {
		return "", fmt.Errorf("%w: give %s with %s", missing, what, flag)
	}
	fmt.Fprintf(env.stderr, "%v. Please give %s [%s]: ", missing, what, otherwise)
	line, err := answers.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line != "" {
		return line, nil
	}
	if otherwise == "" || err != nil { // the end of the input is no answer
		return "", fmt.Errorf("%w, and %s is required", missing, what)
	}
	return otherwise, nil
}

func readApplication(path string, opts *appbundle.Options) (*patch.Definition, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		abs, err := filepath.Abs(path) // which also takes a slash off its end
		if err != nil {
			return nil, err
		}
		return appbundle.New(os.DirFS(abs), filepath.Base(abs), opts)
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil, fmt.Errorf("%s is neither an application nor a zip: %w", path, err)
	}
	defer z.Close()
	return appbundle.Zip(&z.Reader, opts)
}
