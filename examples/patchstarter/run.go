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

const description = "Make a patch definition for Jamf Pro from a macOS application.\n\nThe name of the title is " +
	"CFBundleName, or the file name if there is none. The id is the name without spaces. The version is " +
	"CFBundleShortVersionString, and the minimum operating system is LSMinimumSystemVersion. The release date is the " +
	"modification time of the bundle. The default publisher is the name.\n\nThe definition is written to standard " +
	"output, to a file with --output, or to a patch source with --url. Warnings are written to standard error."

type flags struct {
	Path               string   `arg:""`
	Output             string   `short:"o" placeholder:"DIR"`
	Publisher          string   `short:"p" placeholder:"NAME"`
	Name               string   `short:"n" placeholder:"NAME"`
	ExtensionAttribute []string `short:"e" sep:"none" placeholder:"PATH"`
	AppVersion         string   `placeholder:"VERSION"`
	MinSysVersion      string   `placeholder:"VERSION"`
	PatchOnly          bool

	URL   string `name:"url" placeholder:"URL"`
	Token string `placeholder:"TOKEN"`
	Title string `placeholder:"ID"`
}

// help describes the argument and the flags, by name.
var help = map[string]string{
	"path":                "The application (Some App.app), or a zip that contains one.",
	"output":              "Write to a file in this folder: <id>.json, or <id>-patch.json with --patch-only.",
	"publisher":           "The publisher.",
	"name":                "The name of the title, in place of the application's.",
	"extension-attribute": "A script to include as an extension attribute. May be repeated.",
	"app-version": "The version, in place of the application's. Jamf Pro compares it with " +
		"CFBundleShortVersionString.",
	"min-sys-version": "The minimum version of macOS, such as 10.13, in place of the application's.",
	"patch-only":      "Make only a version, not a definition.",

	"url": "Post the result to the patch source at this URL: a definition as a new title, or a version " +
		"(--patch-only) to the existing title.",
	"token": "The token for --url. Prefer the environment variable PATCHSOURCE_TOKEN: other users can see the " +
		"arguments of a command.",
	"title": "With --url and --patch-only: the id of the title at the patch source, if it differs (such as " +
		"Composer_Bryson).",
}

// An environment is the environment of the program.
type environment struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // stdin is a terminal
}

// run runs the program and returns its exit code: 0 for success, 1 for an error, and 2 for invalid arguments.
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

// parseFlags parses the arguments. The error is cli.ErrAnswered after --help.
func parseFlags(args []string, stdout io.Writer) (*flags, error) {
	f := &flags{}
	program := cli.Program{Name: "patchstarter", Description: description, Help: help}
	if err := cli.Parse(f, program, args, stdout); err != nil {
		return nil, err
	}
	if f.URL != "" && f.Output != "" {
		return nil, errors.New("--output and --url cannot be combined")
	}
	if f.Title != "" && (f.URL == "" || !f.PatchOnly) {
		return nil, errors.New("--title requires --url and --patch-only")
	}
	return f, nil
}

// starter makes a definition or a version, and writes or posts it.
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

// lint returns the warnings about a definition, or about its version only. Unused extension attributes are expected:
// the author adds their criteria later.
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

// makeDefinition makes a definition from the application at path, and asks for the values that the application lacks.
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
			opts.MinimumOS, err = ask(answers, env, missing, "the minimum macOS version", "10.9", "--min-sys-version")
		}
		if err != nil {
			return nil, err
		}
	}
}

// ask asks for a missing value at the terminal. Without a terminal, it returns an error that names the flag.
func ask(answers *bufio.Reader, env environment, missing error, what, fallback, flag string) (string, error) {
	if !env.terminal {
		return "", fmt.Errorf("%w: set %s with %s", missing, what, flag)
	}
	fmt.Fprintf(env.stderr, "%v. Enter %s [%s]: ", missing, what, fallback)
	line, err := answers.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line != "" {
		return line, nil
	}
	if fallback == "" || err != nil { // the end of the input does not select the default
		return "", fmt.Errorf("%w, and %s is required", missing, what)
	}
	return fallback, nil
}

// readApplication makes a definition from a bundle or a zip.
func readApplication(path string, opts *appbundle.Options) (*patch.Definition, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		abs, err := filepath.Abs(path) // also removes a slash at the end
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
