package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/examples/internal/logging"
	"github.com/patchsource/patchsource/examples/server/internal/admin"
)

// copyFlags are the flags of patchsource copy.
type copyFlags struct {
	From              string `arg:"" name:"from" placeholder:"FROM"`
	To                string `arg:"" name:"to" placeholder:"TO"`
	StorePasswordFile string `placeholder:"FILE"`
	TolerateFaults    bool
}

// copyProgram describes patchsource copy.
var copyProgram = cli.Program{
	Name: "patchsource copy",
	Description: "Copy all records of a store into another one, which must be empty, and compare both.\n\n" +
		"Stop all servers that use the stores first. After an interruption, repeat the command: servers refuse the " +
		"incomplete store until then. Then start the servers with the new store, and with the secret file of the old " +
		"ones: it is not part of a store.\n\n" +
		"Exit codes: 0 if everything was copied, 1 if not, 2 if the arguments are invalid.",
	Help: map[string]string{
		"from": "The store that is copied, as --store of the server names it: such as file:./data.",
		"to":   "The new store, such as file:./moved, postgres://user@host/database or s3://bucket/prefix.",
		"store-password-file": "File with the password of the database user of postgres://… (default: the " +
			"environment variable PATCHSOURCE_STORE_PASSWORD_FILE).",
		"tolerate-faults": "Leave out records that cannot be read.",
	},
}

// runCopyCommand runs patchsource copy.
func runCopyCommand(ctx context.Context, args []string, p *admin.Program) int {
	c := &copyFlags{}
	if code, done := cli.ParseCommand(c, copyProgram, args, p.Stdout, p.Stderr, 2); done {
		return code
	}
	f := &flags{
		CopyFrom:          c.From,
		Store:             c.To,
		StorePasswordFile: c.StorePasswordFile,
		TolerateFaults:    c.TolerateFaults,
	}
	if err := f.completeCopy(p.Environ); err != nil {
		fmt.Fprintf(p.Stderr, "patchsource copy: %v\nTry patchsource copy --help.\n", err)
		return 2
	}
	handler := logging.New(p.Stderr, false)
	defer handler.Close()
	log := slog.New(handler)
	if err := runCopy(ctx, f, copyArguments, log); err != nil {
		log.Error("the store was not copied", "error", err)
		return 1
	}
	return 0
}

// completeCopy checks the stores and completes the password file from the environment.
func (f *flags) completeCopy(environ []string) error {
	postgres := storeScheme(f.Store) == "postgres" || storeScheme(f.CopyFrom) == "postgres"
	if f.StorePasswordFile == "" && postgres {
		f.StorePasswordFile = readEnvironment(environ)["store-password-file"]
	}
	if f.StorePasswordFile != "" && !postgres {
		return errors.New("--store-password-file is for a store postgres://…")
	}
	for _, name := range []string{f.CopyFrom, f.Store} {
		if dir, isFolder := strings.CutPrefix(name, "file:"); isFolder && dir != "" {
			continue
		}
		if name == "memory:" {
			return errors.New("memory: cannot be copied: it is lost when its server stops")
		}
		if err := f.checkSharedStore(name); err != nil {
			return fmt.Errorf("%s: %w", redactStore(name), err)
		}
	}
	return nil
}
