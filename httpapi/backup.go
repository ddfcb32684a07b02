package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/store/dump"
)

const (
	// maxBackups is how many backups are written at once to callers without a token, one to each address, and as
	// many again to those who have one; maxOwnBackups is how many to administrators and editors.
	maxBackups    = 2
	maxOwnBackups = 2
	// minBackupSpeed is how fast a backup has to be taken, in bytes a second, once backupGrace has passed: one that
	// is taken more slowly keeps others waiting.
	minBackupSpeed = 64 << 10
	backupGrace    = 30 * time.Second
	// chunkTimeout is how long a client may take for one part of a long answer.
	chunkTimeout = 2 * time.Minute
	// backupTimeout is how long anybody may take for a backup in all.
	backupTimeout = 20 * time.Minute
)

// backup streams all titles as a zip in Patch Server's layout. With ?full=1, an
// administrator gets what else there is, too, to move a server.
func (a *api) backup(w http.ResponseWriter, r *http.Request) error {
	full, err := boolParam(r, "full")
	if err != nil {
		return err
	}
	var who auth.Principal
	if full {
		who, err = a.access.permitted(r, auth.ActionAdminister)
	} else {
		who, err = a.access.caller(r, a.rate)
	}
	if err != nil {
		return err
	}
	if full && a.store == nil {
		return fmt.Errorf("%w: full backups", errSwitchedOff)
	}
	leave, err := a.backupPlace(r)
	if err != nil {
		return err
	}
	defer leave()
	name := "patch_archive.zip"
	if full {
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
	out := newPatientWriter(w)
	if !full {
		out.end, out.minSpeed = out.began.Add(backupTimeout), minBackupSpeed
	}
	write := func() error { return a.writeBackup(r, out, full) }
	if full {
		err = a.cat.WithoutRestore(write)
	} else {
		err = write()
	}
	if err == nil {
		if full {
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

// backupPlace takes a place for a backup. Callers without a token have places, others who have one, and administrators
// and editors: none of them keeps the others out.
func (a *api) backupPlace(r *http.Request) (leave func(), err error) {
	if callOf(r).trusted {
		select {
		case a.ownBackups <- struct{}{}:
			return func() { <-a.ownBackups }, nil
		default:
			return nil, errBusy
		}
	}
	return a.budget.roomOf(!callOf(r).stranger()).backups.enter(r.Context(), a.budget.client(r), 1)
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
		if err := dump.Write(r.Context(), z, a.store, a.cat.Records(r.Context())); err != nil {
			return err
		}
	}
	return z.Close()
}

// A patientWriter gives its client time for each part anew, or demands a speed.
type patientWriter struct {
	w        io.Writer
	control  *http.ResponseController
	n        int64
	began    time.Time
	until    time.Time
	end      time.Time // zero: there is none
	minSpeed int64     // bytes a second on average; 0: any
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w: w, control: http.NewResponseController(w), began: time.Now()}
}

// Write implements io.Writer.
func (p *patientWriter) Write(data []byte) (int, error) {
	if until := p.deadline(time.Now()); until.Sub(p.until).Abs() > time.Second {
		p.until = until
		_ = p.control.SetWriteDeadline(until) // a ResponseWriter that has no deadlines keeps the server's
	}
	n, err := p.w.Write(data)
	p.n += int64(n)
	return n, err
}

// deadline returns until when the next part has to be taken.
func (p *patientWriter) deadline(now time.Time) time.Time {
	until := now.Add(chunkTimeout)
	if p.minSpeed > 0 {
		until = p.began.Add(backupGrace + time.Duration(p.n/p.minSpeed)*time.Second)
	}
	if !p.end.IsZero() && until.After(p.end) {
		until = p.end
	}
	return until
}

// boolParam returns a parameter of the query that is true (1, true, or no value) or false (0, false, or not there).
func boolParam(r *http.Request, name string) (bool, error) {
	q := r.URL.Query()
	if !q.Has(name) {
		return false, nil
	}
	switch q.Get(name) {
	case "", "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, &requestError{fmt.Sprintf("the parameter %s must be 1 or 0", name)}
}
