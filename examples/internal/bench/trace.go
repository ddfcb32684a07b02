package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	tracedVersions = 4
	// quiet is the time after a change in which the server does what it has put off.
	quiet = 4 * time.Second
	// goalBytes is the number of bytes written before the answer for each byte of the version.
	goalBytes = 10

	tracedCalls = "write,pwrite64,writev,pwritev,pwritev2,copy_file_range,fsync,fdatasync,sync_file_range,syncfs," +
		"rename,renameat,renameat2"
)

// errAttach reports that strace may not trace the server.
var errAttach = errors.New("strace cannot attach to the server")

// A traceCount counts the system calls that concern the files of a server.
type traceCount struct{ bytes, syncs, renames float64 }

// traced counts the bytes and syncs of a change with strace.
func (b *bench) traced(ctx context.Context, servers []*server, d dataSet, source *versionSource) error {
	if _, err := exec.LookPath("strace"); err != nil {
		b.log("strace is missing: the bytes and syncs of a change are not counted")
		return nil
	}
	t := &table{columns: []string{
		"versions", "build",
		"bytes before the answer", "÷ bytes of the version", "goal ≤ 10", "syncs", "renames",
		"bytes afterwards", "syncs", "renames",
	}}
	for _, g := range groups(d, source) {
		for _, s := range servers {
			b.log("tracing %s at %d versions", s.name, g.versions)
			before, after, size, err := b.trace(ctx, s, g.ids[0], source)
			if errors.Is(err, errAttach) {
				b.log("%v: the bytes and syncs of a change are not counted", err)
				return nil
			}
			if err != nil {
				return err
			}
			times := before.bytes / float64(size)
			t.row(g.versions, s.name, before.bytes, times, times <= goalBytes, before.syncs, before.renames,
				after.bytes, after.syncs, after.renames)
		}
	}
	b.print("What a version writes", fmt.Sprintf("Means of %d single versions, by strace, with a pause after each. "+
		"Versions of several writers may share syncs.", tracedVersions), t)
	return nil
}

// trace adds versions to a title one by one and counts the calls for each before its answer and after it.
func (b *bench) trace(
	ctx context.Context, s *server, title string, source *versionSource,
) (before, after traceCount, size int, err error) {
	out := filepath.Join(s.folder, "strace")
	cmd := exec.CommandContext(ctx, "strace", "-f", "-ttt", "-y", "-s", "0", "-e", "signal=none", "-e",
		"trace="+tracedCalls, "-o", out, "-p", strconv.Itoa(s.cmd.Process.Pid))
	messages, err := cmd.StderrPipe()
	if err != nil {
		return before, after, 0, err
	}
	if err := cmd.Start(); err != nil {
		return before, after, 0, err
	}
	lines := bufio.NewScanner(messages)
	if !lines.Scan() || !strings.Contains(lines.Text(), "attached") {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return before, after, 0, fmt.Errorf("%w: %s", errAttach, lines.Text())
	}
	go func() {
		for lines.Scan() { // so that strace does not wait
		}
	}()
	pause := min(quiet, 4*b.slice)
	var begun, answered []float64
	for range tracedVersions {
		time.Sleep(pause)
		source.number++
		body := newPatch(title, addedVersion(source.number))
		size = len(body)
		begun = append(begun, seconds(time.Now()))
		_, err = s.do(ctx, call{method: "POST", path: "/api/v1/title/" + title + "/version", body: body}, b.timeout)
		answered = append(answered, seconds(time.Now()))
		if err != nil {
			break
		}
	}
	time.Sleep(pause)
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if err != nil {
		return before, after, 0, err
	}
	before, after, err = countCalls(out, s.folder, begun, answered)
	return before, after, size, err
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// tracedLine matches the lines of calls on files, and those of their ends if another thread has interrupted them.
var (
	tracedLine = regexp.MustCompile(`^\d+ +([0-9.]+) (\w+)\((?:\d+|AT_FDCWD)?<?([^>,]*)`)
	writtenEnd = regexp.MustCompile(`= (\d+)$`)
	resumed    = regexp.MustCompile(`^(\d+) +[0-9.]+ <\.\.\. \w+ resumed>`)
	threadOf   = regexp.MustCompile(`^\d+`)
)

// countCalls counts the calls in the output of strace on the files of a folder, per change.
func countCalls(output, folder string, begun, answered []float64) (before, after traceCount, err error) {
	text, err := os.ReadFile(output)
	if err != nil {
		return before, after, err
	}
	open := map[string]*float64{} // where the bytes of a thread's unfinished write are added
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if m := resumed.FindStringSubmatch(line); m != nil {
			if to := open[m[1]]; to != nil {
				*to += written(line)
			}
			delete(open, m[1])
			continue
		}
		m := tracedLine.FindStringSubmatch(line)
		if m == nil || !strings.Contains(line, filepath.Join(folder, "data")) {
			continue
		}
		at, _ := strconv.ParseFloat(m[1], 64)
		count := &after
		for i := range begun {
			if begun[i] <= at && at <= answered[i] {
				count = &before
			}
		}
		if at < begun[0] {
			continue
		}
		count.add(m[2], line, open)
	}
	return before.mean(len(begun)), after.mean(len(begun)), nil
}

// add counts a call. If its result is in a later line, it notes that in open.
func (c *traceCount) add(name, line string, open map[string]*float64) {
	switch {
	case strings.Contains(name, "sync"):
		c.syncs++
	case strings.Contains(name, "rename"):
		c.renames++
	case strings.HasSuffix(line, "<unfinished ...>"):
		open[threadOf.FindString(line)] = &c.bytes
	default:
		c.bytes += written(line)
	}
}

// written returns the result of a call that writes.
func written(line string) float64 {
	m := writtenEnd.FindStringSubmatch(line)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return n
}

// mean returns the counts for one of n changes.
func (c traceCount) mean(n int) traceCount {
	return traceCount{c.bytes / float64(n), c.syncs / float64(n), c.renames / float64(n)}
}
