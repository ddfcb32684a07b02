package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	// backupsAtOnce is how many backups are written at once.
	backupsAtOnce = 2
	// chunkTimeout is how long a client may take for one part of a long answer.
	chunkTimeout = 2 * time.Minute
	// backupTimeout is how long anybody may take for a backup in all.
	backupTimeout = 20 * time.Minute
	// mostBadMembers is how many bad members of an archive an answer names.
	mostBadMembers = 1000
)

// A restoreError is an archive that cannot be restored.
type restoreError struct {
	message string
	members []patch.Failure // what is wrong with which
	err     error
}

func (e *restoreError) Error() string { return e.message }
func (e *restoreError) Unwrap() error { return e.err }

// backup streams all titles as a zip in Patch Server's layout. With ?full=1, an
// administrator gets what else there is, too, to move a server.
func (a *api) backup(w http.ResponseWriter, r *http.Request) error {
	full := r.URL.Query().Get("full")
	who := auth.Principal{}
	if full != "" {
		var err error
		if who, err = a.administrator(r); err != nil {
			return err
		}
		if a.store == nil {
			return fmt.Errorf("%w: full backups", errSwitchedOff)
		}
	}
	places := a.backups
	if full != "" {
		places = a.fullBackups // strangers do not keep administrators out
	}
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	default:
		return fmt.Errorf("too many backups are being made: %w", &community.LimitedError{After: 10 * time.Second})
	}
	name := "patch_archive.zip"
	if full != "" {
		name = "patchsource_full.zip"
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	out := &patientWriter{w: w, control: http.NewResponseController(w)}
	if full == "" {
		out.end = time.Now().Add(backupTimeout)
	}
	write := func() error { return a.writeBackup(r, out, full != "") }
	var err error
	if full != "" {
		err = a.cat.Unrestored(write)
	} else {
		err = write()
	}
	if err == nil {
		if full != "" {
			a.log.InfoContext(r.Context(), "full backup made", "bytes", out.n, "token", who.TokenID)
		}
		return nil
	}
	if out.n == 0 {
		return err
	}
	if r.Context().Err() == nil {
		a.log.ErrorContext(r.Context(), "a backup broke off", "error", err)
	}
	panic(http.ErrAbortHandler) // so that nobody takes what came for all there is
}

func (a *api) writeBackup(r *http.Request, out io.Writer, full bool) error {
	z := archive.NewWriter(out)
	for s, err := range a.cat.Definitions(r.Context()) {
		if err == nil {
			err = z.Definition(s.Title.ID, s.Definition)
		}
		if err != nil {
			return err
		}
	}
	if full {
		if err := a.writeRecords(r.Context(), z); err != nil {
			return err
		}
	}
	return z.Close()
}

// A patientWriter gives its client time for each part anew.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
	n       int64
	until   time.Time
	end     time.Time // zero: there is none
}

func (p *patientWriter) Write(data []byte) (int, error) {
	if now := time.Now(); now.Add(chunkTimeout / 2).After(p.until) {
		p.until = now.Add(chunkTimeout)
		if !p.end.IsZero() && p.until.After(p.end) {
			p.until = p.end
		}
		_ = p.control.SetWriteDeadline(p.until) // who cannot keeps the server's
	}
	n, err := p.w.Write(data)
	p.n += int64(n)
	return n, err
}

// restore makes the titles of an archive live, all or none.
func (a *api) restore(w http.ResponseWriter, r *http.Request) error {
	who, err := a.administrator(r)
	if err != nil {
		return err
	}
	mode := catalog.RestoreMode(r.URL.Query().Get("mode"))
	switch mode {
	case catalog.RestoreEmpty, catalog.RestoreMerge, catalog.RestoreReplace:
	default:
		return &requestError{"the parameter mode must be merge or replace, or left out"}
	}
	file, size, done, err := a.spool(w, r)
	if err != nil {
		return err
	}
	defer done()
	n, err := a.checkArchive(file, size)
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "restore begins", "titles", n, "mode", string(mode), "token", who.TokenID)
	defs := func(yield func(*patch.Definition, error) bool) {
		for m, err := range archive.Read(file, size, a.readOptions()) {
			if !yield(m.Definition, err) {
				return
			}
		}
	}
	all, err := a.cat.Restore(r.Context(), defs, &catalog.RestoreOptions{Mode: mode, By: who.TokenID, Progress: func(done int) {
		a.log.InfoContext(r.Context(), "restore goes on", "titles", n, "done", done)
	}})
	switch {
	case errors.Is(err, catalog.ErrNotEmpty):
		return &restoreError{message: "There are titles already, and nothing was restored: restore with ?mode=merge to keep those that are not in the backup, or with ?mode=replace to delete them.", err: err}
	case errors.Is(err, catalog.ErrExists), errors.Is(err, patch.ErrInvalid), errors.Is(err, patch.ErrTooLarge):
		return &restoreError{message: "Nothing was restored: " + err.Error() + ".", err: err}
	case err != nil:
		return err
	}
	type restored struct {
		ID      string `json:"id"`
		Skipped string `json:"skipped,omitempty"`
	}
	body := []restored{}
	for _, one := range all {
		line := restored{ID: one.ID}
		if one.Follows != "" {
			line.Skipped = "it follows " + one.Follows
		}
		body = append(body, line)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(chunkTimeout)) // it may have taken long
	a.log.InfoContext(r.Context(), "restored", "titles", len(all), "mode", string(mode), "token", who.TokenID)
	writeJSON(w, http.StatusCreated, body)
	return nil
}

func (a *api) readOptions() *archive.ReadOptions { return &archive.ReadOptions{MaxBytes: a.max} }

// checkArchive reads all of an archive and says everything that is wrong with it.
func (a *api) checkArchive(file io.ReaderAt, size int64) (n int, err error) {
	bad := &restoreError{}
	seen := map[string]string{}
	for m, err := range archive.Read(file, size, a.readOptions()) {
		var member *archive.MemberError
		var failed *uploadError
		switch {
		case errors.As(err, &failed):
			return 0, err
		case errors.As(err, &member):
			if len(bad.members) < mostBadMembers {
				bad.members = append(bad.members, patch.Failure{Path: member.Name, Message: member.Err.Error()})
			}
			bad.err = err
		case errors.Is(err, archive.ErrNoArchive):
			return 0, &restoreError{message: "Nothing was restored: this is no zip archive, or not all of one.", err: err}
		case err != nil:
			return 0, &restoreError{message: "Nothing was restored: " + err.Error() + ".", err: err}
		default:
			n++
			key := string(bytes.ToLower([]byte(m.Definition.ID)))
			if other, twice := seen[key]; twice {
				bad.members = append(bad.members, patch.Failure{Path: m.Name, Message: "it has the same id as " + other})
			}
			seen[key] = m.Name
		}
	}
	if len(bad.members) > 0 {
		first := bad.members[0]
		bad.message = fmt.Sprintf("Nothing was restored: %d of %d members cannot be taken; %s: %s.", len(bad.members), n+len(bad.members), first.Path, first.Message)
		return n, bad
	}
	return n, nil
}

// importTitles creates or replaces titles, each by itself, and answers a line for
// each.
func (a *api) importTitles(w http.ResponseWriter, r *http.Request) error {
	who, err := a.administrator(r)
	if err != nil {
		return err
	}
	dry := false
	switch v := r.URL.Query().Get("dry_run"); v {
	case "", "0", "false":
	case "1", "true":
		dry = true
	default:
		return &requestError{"the parameter dry_run must be 1 or 0"}
	}
	file, size, done, err := a.spool(w, r)
	if err != nil {
		return err
	}
	defer done()
	defs, err := a.definitionsIn(file, size)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	out := &patientWriter{w: w, control: http.NewResponseController(w)}
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	counts := map[string]int{}
	for m, err := range defs {
		line := a.importOne(r, m, err, dry, who)
		if r.Context().Err() != nil {
			return nil // nobody is there to be told
		}
		counts[line.Result]++
		if err := lines.Encode(line); err != nil {
			return nil // so here
		}
		_ = out.control.Flush() // who cannot gets it later
	}
	a.log.InfoContext(r.Context(), "titles imported", "created", counts["created"], "updated", counts["updated"], "unchanged", counts["unchanged"], "refused", counts["refused"], "dry_run", dry, "token", who.TokenID)
	return nil
}

// An importedTitle says what became of a title in an import.
type importedTitle struct {
	Item     string          `json:"item"` // the place in the array, the line, or the member of the zip
	ID       string          `json:"id,omitempty"`
	Result   string          `json:"result"` // created, updated, unchanged or refused
	Message  string          `json:"message,omitempty"`
	Errors   []patch.Failure `json:"errors,omitempty"`
	Warnings []patch.Warning `json:"warnings,omitempty"`
}

func (a *api) importOne(r *http.Request, m archive.Member, err error, dry bool, who auth.Principal) importedTitle {
	line := importedTitle{Item: m.Name, Result: "refused"}
	var res catalog.Result
	var kind catalog.EventKind
	if err == nil {
		line.ID = m.Definition.ID
		res, kind, err = a.cat.Put(r.Context(), m.Definition, &catalog.PutOptions{DryRun: dry, By: who.TokenID})
	}
	if err != nil {
		var member *archive.MemberError
		if errors.As(err, &member) {
			line.Item = member.Name
		}
		p := problemOf(err)
		line.Message, line.Errors = p.message, p.errors
		if p.status >= http.StatusInternalServerError {
			a.log.ErrorContext(r.Context(), "a title could not be imported", "title", line.ID, "error", err)
		}
		return line
	}
	line.ID, line.Warnings = res.Title.ID, res.Warnings
	switch {
	case !res.Changed:
		line.Result = "unchanged"
	case kind == catalog.Created:
		line.Result = "created"
	default:
		line.Result = "updated"
		line.Message = res.Difference().String()
	}
	return line
}

// definitionsIn yields the definitions of a file: a zip, a JSON array, or JSON values
// one after the other. What cannot be read is an error in its place.
func (a *api) definitionsIn(file io.ReadSeeker, size int64) (iter.Seq2[archive.Member, error], error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return nil, err
	}
	head = head[:n]
	start := int64(0)
	if rest, ok := bytes.CutPrefix(head, []byte("\ufeff")); ok { // as some editors begin a file
		head, start = rest, int64(len("\ufeff"))
	}
	head = bytes.TrimLeft(head, " \t\r\n")
	if _, err := file.Seek(start, io.SeekStart); err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return archive.Read(file.(io.ReaderAt), size, a.readOptions()), nil
	case len(head) == 0:
		return nil, &requestError{"the body is empty: send a JSON array of definitions, one definition a line, or a zip"}
	case head[0] == '[':
		return a.array(file), nil
	case head[0] == '{':
		return a.lines(file, start), nil
	}
	return nil, fmt.Errorf("%w: send a JSON array of definitions, one definition a line (NDJSON), or a zip", errMediaType)
}
