package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/httpapi/client"
)

// The names that servers give to backups.
const (
	backupName     = "patch_archive.zip"
	fullBackupName = "patchsource_full.zip"
)

// backupFlags are the flags of patchsource backup.
type backupFlags struct {
	connection
	Full      bool
	Output    string `short:"o" placeholder:"FILE"`
	Overwrite bool
}

var backupProgram = cli.Program{
	Name: "patchsource backup",
	Description: "Write a backup of a patch source to a file, check that it can be restored, and print the name of " +
		"the file. The file has its name only when it is complete and was checked.\n\n" +
		"A backup has the definitions of all titles. A full backup has everything that is needed to move the server: " +
		"also history, authors, tokens, contributors and webhooks. It does not have the server's secret: keep a copy " +
		"of the secret file, too. Restore backups with patchsource restore.\n\n" + where + " A backup that is not " +
		"full needs no token.\n\n" + exitCodes,
	Help: describe(map[string]string{
		"full": "Make a full backup. Only you can read the file, because it has hashes of tokens.",
		"output": "File to write (default: " + backupName + ", or " + fullBackupName + " with --full, in the working " +
			"folder).",
		"overwrite": "Replace the file if it exists, once the new backup is complete and was checked.",
	}),
}

// Backup runs patchsource backup and returns the exit code.
func (p *Program) Backup(ctx context.Context, args []string) int {
	f := &backupFlags{}
	if code, done := p.parse(f, backupProgram, args); done {
		return code
	}
	err := f.complete(p, f.Full)
	if err == nil {
		err = f.with(ctx, p, offlineOptions{command: "backup"}, func(s *source) error { return f.backup(ctx, p, s) })
	}
	return p.exit(ctx, "backup", err)
}

// backup writes a backup of a source.
func (f *backupFlags) backup(ctx context.Context, p *Program, s *source) (err error) {
	name, mode := backupName, fs.FileMode(0o666)
	if f.Full {
		name, mode = fullBackupName, 0o600
	}
	name = cmp.Or(f.Output, name)
	file, err := createFile(name, mode, f.Overwrite)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%w, or add --overwrite", err)
	}
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	defer file.discard()
	line := p.newProgress()
	defer line.clear()
	written := &countingWriter{w: file, line: line}
	if err := s.Backup(ctx, written, &client.BackupOptions{Full: f.Full}); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	found, err := checkBackup(ctx, file, written.bytes, line)
	if err == nil && found.full != f.Full {
		err = errors.New("the server did not answer with the kind of backup that was asked for")
	}
	if err != nil {
		return fmt.Errorf("the backup of %s cannot be restored, and was not kept: %w", s.name, err)
	}
	if err := file.publish(); err != nil {
		return err
	}
	line.clear()
	fmt.Fprintf(p.Stderr, "wrote and checked the backup: %v, %s\n", found, size(written.bytes))
	_, err = fmt.Fprintln(p.Stdout, name)
	return err
}

// A countingWriter writes, counts the bytes, and shows the progress.
type countingWriter struct {
	w     io.Writer
	bytes int64
	line  *progressLine
}

// Write implements io.Writer.
func (w *countingWriter) Write(data []byte) (int, error) {
	n, err := w.w.Write(data)
	w.bytes += int64(n)
	w.line.show("receiving the backup: %s", size(w.bytes))
	return n, err
}
