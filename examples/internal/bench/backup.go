package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	backupTitles = 10_000
	// backupHistory is the number of earlier revisions of each title.
	backupHistory = 2
	goalBackup    = 2 // × zip -r
	goalRestore   = 3 // × cp
	// enough is the time after which a measurement is not repeated.
	enough = 40 * time.Second
)

// A work is something that is done in rounds, with the time and the CPU that it takes.
type work struct {
	name string
	do   func() (took, cpu time.Duration, err error)

	spent     time.Duration
	time, cpu []float64
}

// backups measures backups, restores and imports beside zip and cp.
func backups(ctx context.Context, b *bench) error {
	d := dataSet{titles: b.size(backupTitles), versions: b.versions, history: backupHistory}
	folder, remove, err := b.clone(ctx, d, "backup")
	if err != nil {
		return err
	}
	defer remove()
	definitions := filepath.Join(folder, "definitions")
	if err := writeDefinitions(definitions, d); err != nil {
		return err
	}
	zipAll := b.command(ctx, "zip -qr scratch.zip data", folder)
	zipDefinitions := b.command(ctx, "zip -qr scratch.zip definitions", folder)
	copyAll := b.command(ctx, "cp -r data scratch && sync -f scratch", folder)
	copyDefinitions := b.command(ctx, "cp -r definitions scratch && sync -f scratch", folder)
	all := []*work{copyAll, copyDefinitions}
	if _, err := exec.LookPath("zip"); err == nil {
		all = append(all, zipAll, zipDefinitions)
	} else {
		b.log("zip is missing: backups are compared with nothing")
	}
	type ours struct{ backup, full, restore, imported *work }
	perBuild := make([]ours, len(b.builds))
	for i, bin := range b.builds {
		s, stop, err := b.started(ctx, bin, d)
		if err != nil {
			return err
		}
		defer stop()
		full := filepath.Join(folder, fmt.Sprintf("full-%d.zip", i))
		perBuild[i] = ours{
			backup:   b.download(ctx, s, "", os.DevNull),
			full:     b.download(ctx, s, "?full=1", full),
			restore:  b.fill(ctx, bin, s, "--restore", full),
			imported: b.fill(ctx, bin, s, "--import", definitions),
		}
		o := perBuild[i]
		all = append(all, o.backup, o.full, o.restore, o.imported)
	}
	if err := b.inRounds(all); err != nil {
		return err
	}
	t := &table{columns: []string{"work", "build", "time", "CPU", "beside", "time", "CPU", "time ÷", "CPU ÷", "goal",
		"reached"}}
	for _, name := range []string{"backup", "full backup", "restore of a full backup", "import"} {
		for i, bin := range b.builds {
			o := perBuild[i]
			switch name {
			case "backup":
				o.backup.row(t, name, bin.name, "zip -r of the definitions", zipDefinitions, goalBackup)
			case "full backup":
				o.full.row(t, name, bin.name, "zip -r of the store", zipAll, goalBackup)
			case "import":
				o.imported.row(t, name, bin.name, "cp -r of the definitions, sync", copyDefinitions, 0)
			default:
				o.restore.row(t, name, bin.name, "cp -r of the store, sync", copyAll, goalRestore)
			}
		}
	}
	b.print("Backup, restore and import", fmt.Sprintf("%d titles with %d earlier revisions each. Restores and "+
		"imports include the start of a server.", d.titles, d.history), t)
	return nil
}

// row adds a row about work beside other work. A goal of 0 is none.
func (w *work) row(t *table, name, build, besideName string, beside *work, goal float64) {
	times, cpus := median(w.time)/median(beside.time), median(w.cpu)/median(beside.cpu)
	text, reached := "", ""
	switch {
	case goal == goalBackup:
		text, reached = fmt.Sprintf("CPU ≤ %v ×", goal), verdict(cpus, cpus <= goal)
	case goal == goalRestore:
		text, reached = fmt.Sprintf("time ≤ %v ×", goal), verdict(times, times <= goal)
	}
	t.row(name, build, span(median(w.time)), span(median(w.cpu)), besideName, span(median(beside.time)),
		span(median(beside.cpu)), times, cpus, text, reached)
}

// inRounds does all work in rounds. Work that takes long is not repeated.
func (b *bench) inRounds(all []*work) error {
	for round := range min(b.rounds, 3) {
		for _, w := range all {
			if w.spent > enough {
				continue
			}
			b.log("%s, round %d", w.name, round+1)
			took, cpu, err := w.do()
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			w.spent += took
			w.time, w.cpu = append(w.time, float64(took)), append(w.cpu, float64(cpu))
		}
	}
	return nil
}

// command returns the work of a shell command in a folder. It makes scratch or scratch.zip, which is removed.
func (b *bench) command(ctx context.Context, line, folder string) *work {
	do := func() (took, cpu time.Duration, err error) {
		cmd := exec.CommandContext(ctx, "sh", "-c", line)
		cmd.Dir = folder
		begun := time.Now()
		out, err := cmd.CombinedOutput()
		took = time.Since(begun)
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %s", err, out)
		}
		scratch := filepath.Join(folder, "scratch")
		err = errors.Join(os.RemoveAll(scratch), os.RemoveAll(scratch+".zip"))
		return took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
	}
	return &work{name: line, do: do}
}

// download returns the work of a backup that is downloaded into a file.
func (b *bench) download(ctx context.Context, s *server, query, file string) *work {
	do := func() (took, cpu time.Duration, err error) {
		f, err := os.Create(file)
		if err != nil {
			return 0, 0, err
		}
		defer f.Close()
		r, err := s.do(ctx, call{method: http.MethodGet, path: "/api/v1/backup" + query, to: f}, 10*b.timeout)
		return r.time, r.cpu, err
	}
	return &work{name: s.name + " backup" + query, do: do}
}

// fill returns the work of a server that starts with an empty store and a flag that fills it. The secret is that of
// another server.
func (b *bench) fill(ctx context.Context, bin build, from *server, flag, path string) *work {
	do := func() (took, cpu time.Duration, err error) {
		folder, err := os.MkdirTemp(b.dir, "run-fill-")
		if err != nil {
			return 0, 0, err
		}
		defer os.RemoveAll(folder)
		secret, err := os.ReadFile(filepath.Join(from.folder, "data.secret"))
		if err != nil {
			return 0, 0, err
		}
		if err := os.WriteFile(filepath.Join(folder, "data.secret"), secret, 0o600); err != nil {
			return 0, 0, err
		}
		s, err := b.start(ctx, bin, folder, flag, path)
		if err != nil {
			return 0, 0, err
		}
		defer s.kill()
		cpu, err = cpuTime(s.cmd.Process.Pid)
		return s.ready, cpu, err
	}
	return &work{name: bin.name + " " + flag, do: do}
}

// writeDefinitions writes the definitions of a data set into a folder.
func writeDefinitions(dir string, d dataSet) error {
	if err := os.Mkdir(dir, 0o755); errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	for n := range d.titles {
		path := filepath.Join(dir, titleID(n)+".json")
		if err := os.WriteFile(path, []byte(definition(n, d.versions)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
