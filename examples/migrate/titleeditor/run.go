package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/examples/internal/cli"
)

const description = "Move software titles between instances of Jamf's Title Editor, patchsource servers and folders." +
	"\n\nexport writes each title of --from into a file of the folder DIR. import creates the titles of DIR in --to. " +
	"copy does both without a folder. Titles and versions that are disabled stay so. A title that is there already " +
	"is left as it is and reported, unless --update is given, so that each command can be repeated after an " +
	"interruption.\n\n" +
	"The user and the password are those of Title Editor. For a patchsource server, the user is any name, and the " +
	"password is a token that may create titles. Passwords are read from files, or from the environment variables " +
	"TITLE_EDITOR_FROM_PASSWORD and TITLE_EDITOR_TO_PASSWORD.\n\n" +
	"Exit codes: 0 if every title is there, 1 if some could not be copied or differ, 2 for invalid arguments and " +
	"servers that cannot be reached."

// The commands.
const (
	commandExport = "export"
	commandImport = "import"
	commandCopy   = "copy"
)

type flags struct {
	Command          string `arg:"" enum:"export,import,copy"`
	Dir              string `arg:"" optional:"" name:"dir"`
	From             string `placeholder:"URL"`
	FromUser         string `default:"admin" placeholder:"NAME"`
	FromPasswordFile string `placeholder:"FILE"`
	To               string `placeholder:"URL"`
	ToUser           string `default:"admin" placeholder:"NAME"`
	ToPasswordFile   string `placeholder:"FILE"`
	Update           bool
	Subscribed       bool
	DryRun           bool
	Insecure         bool
}

// help describes the arguments and the flags, by name.
var help = map[string]string{
	"command": "export, import or copy.",
	"dir":     "The folder of export and import.",
	"from": "Address of the instance that the titles come from, such as " +
		"https://NAME.appcatalog.jamfcloud.com.",
	"from-user":          "User name at --from (default: ${default}).",
	"from-password-file": "File whose first line is the password at --from.",
	"to":                 "Address of the instance that the titles go to.",
	"to-user":            "User name at --to (default: ${default}).",
	"to-password-file":   "File whose first line is the password at --to.",
	"update":             "Also change titles that are there with another content. Versions that only --to has stay.",
	"subscribed":         "Also export the titles that the instance follows from another source.",
	"dry-run":            "Report what import and copy would do, and change nothing.",
	"insecure":           "Allow addresses without https. The password can then be read on the way.",
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	f := &flags{}
	program := cli.Program{Name: "titleeditor", Description: description, Help: help}
	err := cli.Parse(f, program, args, stdout)
	if errors.Is(err, cli.ErrAnswered) {
		return 0
	}
	m := &migration{progress: stderr, update: f.Update, dryRun: f.DryRun}
	if err == nil {
		err = f.do(ctx, m, environ)
	}
	if err != nil {
		fmt.Fprintf(stderr, "titleeditor: %v\n", err)
		return 2
	}
	for _, outcome := range slices.Sorted(maps.Keys(m.counts)) {
		fmt.Fprintf(stdout, "%d %s\n", m.counts[outcome], outcome)
	}
	if m.counts[failed] > 0 || m.counts[differs] > 0 || m.partly > 0 {
		return 1
	}
	return 0
}

// do does what the command says.
func (f *flags) do(ctx context.Context, m *migration, environ []string) error {
	var from, to *client
	var err error
	if f.Command != commandImport {
		from, err = f.client("--from", f.From, f.FromUser, f.FromPasswordFile, "TITLE_EDITOR_FROM_PASSWORD", environ)
		if err != nil {
			return err
		}
	}
	if f.Command != commandExport {
		to, err = f.client("--to", f.To, f.ToUser, f.ToPasswordFile, "TITLE_EDITOR_TO_PASSWORD", environ)
		if err != nil {
			return err
		}
	}
	if f.Command != commandCopy && f.Dir == "" {
		return fmt.Errorf("%s needs the folder as its second argument", f.Command)
	}
	switch f.Command {
	case commandExport:
		return m.export(ctx, from, f.Dir, f.Subscribed)
	case commandImport:
		titles, err := readFolder(f.Dir)
		if err != nil {
			return err
		}
		return m.importTitles(ctx, to, titles)
	}
	return m.copyTitles(ctx, from, to, f.Subscribed)
}

// client returns the client of an instance. flag is the name of the flag with its address.
func (f *flags) client(flag, address, user, file, variable string, environ []string) (*client, error) {
	if address == "" {
		return nil, fmt.Errorf("%s needs the flag %s with the address of the instance", f.Command, flag)
	}
	password := ""
	for _, one := range environ {
		if value, ok := strings.CutPrefix(one, variable+"="); ok {
			password = value
		}
	}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the password: %w", err)
		}
		password, _, _ = strings.Cut(string(data), "\n")
	}
	return newClient(address, user, strings.TrimSpace(password), f.Insecure)
}
