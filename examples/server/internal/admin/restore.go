package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
)

// restoreFlags are the flags of patchsource restore.
type restoreFlags struct {
	connection
	File   string `arg:"" name:"file" placeholder:"FILE"`
	Mode   string `placeholder:"empty|merge|replace"`
	DryRun bool
	Yes    bool `short:"y"`
}

var restoreProgram = cli.Program{
	Name: "patchsource restore",
	Description: "Restore a backup, all of it or nothing. The command says what it would do, and asks before it " +
		"replaces or deletes a title.\n\n" +
		"With --store and without --mode, a full backup is loaded as a whole, into a store that is empty: titles " +
		"with their authors and history, tokens, contributors and webhooks. Give the servers over it the secret file " +
		"of the server that made the backup. Otherwise only titles are restored, also from a full backup.\n\n" + where +
		"\n\n" + exitCodes,
	Help: describe(map[string]string{
		"file": "The backup.",
		"mode": "What happens to the titles that the patch source has. empty: nothing is restored if there are any " +
			"(the default). merge: titles that are not in the backup are kept. replace: they are deleted. Titles " +
			"that follow another source are never changed.",
		"dry-run": "Say what would be done, and change nothing.",
		"yes":     "Do not ask. Without a terminal to ask at, the command requires it to replace or delete a title.",
	}),
}

// Restore runs patchsource restore and returns the exit code.
func (p *Program) Restore(ctx context.Context, args []string) int {
	f := &restoreFlags{}
	if code, done := p.parse(f, restoreProgram, args); done {
		return code
	}
	err := f.complete(p, true)
	if !slices.Contains([]string{"", "empty", "merge", "replace"}, f.Mode) {
		err = usagef("--mode %s: it must be empty, merge or replace", f.Mode)
	}
	if err == nil {
		err = f.restore(ctx, p)
	}
	return p.exit(ctx, "restore", err)
}

// restore restores the backup.
func (f *restoreFlags) restore(ctx context.Context, p *Program) error {
	file, err := os.Open(f.File)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	full, err := isFull(file, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", f.File, err)
	}
	if full && f.Store != "" && f.Mode == "" {
		return f.load(ctx, p, file, info.Size())
	}
	if full {
		fmt.Fprintln(p.Stderr, "this is a full backup, of which only the titles are restored: to load all of it, stop "+
			"the server and use --store with an empty store")
	}
	o := offlineOptions{command: "restore", create: !f.DryRun, withSecret: true}
	return f.with(ctx, p, o, func(s *source) error {
		if err := f.restoreTitles(ctx, p, s, file, info.Size()); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		return nil
	})
}

// options returns the options for the API.
func (f *restoreFlags) options(confirm string) *client.RestoreOptions {
	o := &client.RestoreOptions{Confirm: confirm}
	if f.Mode != "empty" {
		o.Mode = client.RestoreMode(f.Mode)
	}
	return o
}

// restoreTitles restores the titles of a backup.
func (f *restoreFlags) restoreTitles(ctx context.Context, p *Program, s *source, file io.ReaderAt, size int64) error {
	line := p.newProgress()
	defer line.clear()
	line.show("comparing the backup with the titles of %s", s.name)
	plan, err := s.PlanRestore(ctx, io.NewSectionReader(file, 0, size), f.options(""))
	line.clear()
	if isNotEmpty(err) && f.options("").Mode == client.RestoreEmpty {
		return errors.New("there are titles already, and nothing was restored: use --mode merge to keep those that " +
			"are not in the backup, or --mode replace to delete them")
	}
	if err != nil {
		return err
	}
	if f.DryRun {
		return writePlan(p.Stdout, plan)
	}
	if err := writePlan(p.Stderr, plan); err != nil {
		return err
	}
	if plan.Counts["create"]+plan.Counts["replace"]+plan.Counts["delete"] == 0 {
		_, err := fmt.Fprintln(p.Stderr, "there is nothing to restore")
		return err
	}
	if plan.Counts["replace"]+plan.Counts["delete"] > 0 {
		question := fmt.Sprintf("Replace %s and delete %s of %s?",
			count(plan.Counts["replace"], "title"), count(plan.Counts["delete"], "title"), s.name)
		if err := p.confirm(ctx, f.Yes, question); err != nil {
			return err
		}
	}
	job, err := s.StartRestore(ctx, io.NewSectionReader(file, 0, size), f.options(plan.Confirm))
	if err != nil {
		return err
	}
	if job.State == wire.JobRunning {
		if job, err = f.wait(ctx, s, job.ID, line); err != nil {
			return err
		}
	}
	line.clear()
	return report(p.Stderr, job)
}

// isNotEmpty reports whether an error may be that of a restore over titles that exist: one without a reason for each
// member of the backup.
func isNotEmpty(err error) bool {
	var answered *client.Error
	return errors.As(err, &answered) && answered.Code == wire.CodeRestoreFailure && len(answered.Failures) == 0
}

// wait waits until the job of a restore has ended.
func (f *restoreFlags) wait(ctx context.Context, s *source, id string, line *progressLine) (wire.Job, error) {
	job, err := s.WaitJob(ctx, id, func(j wire.Job) {
		line.show("restoring: %d of %s", j.Done, count(j.Total, "title"))
	})
	switch {
	case err == nil:
	case s.offline:
		err = fmt.Errorf("the restore was stopped, and all titles were restored or none: repeat the command: %w", err)
	default:
		err = fmt.Errorf("the restore goes on at the server: see the job %s at /api/v1/jobs: %w", id, err)
	}
	return job, err
}

// report writes the outcome of a restore, or returns its error.
func report(w io.Writer, job wire.Job) error {
	outcome, err := client.OutcomeOf(job)
	if err != nil {
		return err
	}
	restored, skipped := 0, 0
	for _, one := range outcome.Restored {
		if one.Skipped == "" {
			restored++
		} else {
			skipped++
		}
	}
	if outcome.Summary != nil {
		restored, skipped = outcome.Summary.Counts["restored"], outcome.Summary.Counts["skipped"]
	}
	text := "restored " + count(restored, "title")
	if skipped > 0 {
		text += fmt.Sprintf("; %d follow another source and were left unchanged", skipped)
	}
	_, err = fmt.Fprintln(w, text)
	return err
}
