package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/patchsource/patchsource/store/dump"
)

// load loads a full backup into an empty store. The backup is checked before anything is written.
func (f *restoreFlags) load(ctx context.Context, p *Program, file io.ReaderAt, size int64) (err error) {
	line := p.newProgress()
	defer line.clear()
	found, err := checkBackup(ctx, file, size, line)
	line.clear()
	if err != nil {
		return fmt.Errorf("%s cannot be restored, and nothing was changed: %w", f.File, err)
	}
	if f.DryRun {
		_, err := fmt.Fprintf(p.Stdout, "the full backup is complete (%v), and would be loaded into the store if that "+
			"is empty\n", found)
		return err
	}
	opened, err := f.openStore(ctx, p, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	if err := checkFormat(ctx, opened); err != nil {
		return err
	}
	n, err := dump.Load(ctx, opened.Store, file, size, &dump.LoadOptions{
		Progress: func(records int) { line.show("loading: %d of %s", records, count(found.records, "record")) },
	})
	switch {
	case errors.Is(err, dump.ErrNotEmpty):
		return fmt.Errorf("--store %s: %w: a full backup is loaded into an empty store only: name a new folder, "+
			"schema or prefix, or restore only the titles with --mode merge or --mode replace", opened.Name, err)
	case err != nil:
		return fmt.Errorf("--store %s: the backup was loaded only in part, and servers refuse the store until it is "+
			"loaded again: repeat the command: %w", opened.Name, err)
	}
	line.clear()
	fmt.Fprintf(p.Stderr, "loaded the full backup into %s: %s\n", opened.Name, count(n, "record"))
	if _, err := os.Stat(opened.SecretFile); err != nil {
		fmt.Fprintf(p.Stderr, "before you start a server over it, copy the secret file of the server that made the "+
			"backup to %s\n", opened.SecretFile)
	}
	return nil
}
