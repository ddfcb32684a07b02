package httpapi

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/limit"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
)

const (
	// maxTrustedBackups bounds the backups that are written at once to clients that may change every title.
	maxTrustedBackups = 2
	// minBackupSpeed is the speed at which a backup has to be read, in bytes per second, after speedGrace: a slow
	// reader keeps others waiting.
	minBackupSpeed = 64 << 10
	// backupTimeout is how long a client may take to read a backup in all.
	backupTimeout = 20 * time.Minute
)

// backupCalls are the calls that write backups.
type backupCalls struct {
	*core
	store  store.Store   // nil: there are no full backups
	places chan struct{} // a place for each backup to a trusted client
	made   func()        // is called after each full backup; may be nil
}

// backup streams all titles as a zip in Patch Server's layout. With ?full=1, an administrator gets all other records as
// well, to move a server.
func (c *backupCalls) backup(w http.ResponseWriter, r *http.Request) error {
	full, err := boolParam(r, "full")
	if err != nil {
		return err
	}
	principal, err := c.reader(r, full)
	if err != nil {
		return err
	}
	leave, err := c.place(r)
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
	if full {
		c.logChange(r, "full backup begins", principal, "titles", c.catalog.Len())
		err = c.catalog.WithoutRestore(func() error { return c.write(r.Context(), out, true) })
	} else {
		out.end, out.minSpeed = out.began.Add(backupTimeout), minBackupSpeed
		err = c.write(r.Context(), out, false)
	}
	if err == nil && full {
		c.logChange(r, "full backup made", principal, "bytes", out.bytes)
		if c.made != nil {
			c.made()
		}
	}
	return c.finish(r, out, err)
}

// reader returns the principal of a request for a backup.
func (c *backupCalls) reader(r *http.Request, full bool) (auth.Principal, error) {
	if !full {
		return c.access.anyone(r, c.rate)
	}
	principal, err := c.access.permitted(r, auth.ActionAdminister)
	if err == nil && c.store == nil {
		err = fmt.Errorf("%w: full backups", errSwitchedOff)
	}
	return principal, err
}

// place takes a place for a backup. Anonymous clients, others with a token, and trusted ones have places of their own:
// none of them keeps the others out.
func (c *backupCalls) place(r *http.Request) (leave func(), err error) {
	if !callOf(r).trusted {
		return c.budget.backup(r)
	}
	select {
	case c.places <- struct{}{}:
		return func() { <-c.places }, nil
	default:
		return nil, limit.ErrBusy
	}
}

func (c *backupCalls) write(ctx context.Context, out *patientWriter, full bool) error {
	z := archive.NewWriter(out)
	progress := backupProgress{core: c.core, out: out, full: full}
	for s, err := range c.catalog.Definitions(ctx) {
		if err == nil {
			err = z.Definition(s.Title.ID, s.Definition)
		}
		if err != nil {
			return err
		}
		progress.title(ctx, "definitions")
	}
	if full {
		progress.titles = 0
		if err := dump.Write(ctx, z, c.store, progress.of(ctx, c.catalog.Records(ctx))); err != nil {
			return err
		}
	}
	return z.Close()
}

// titlesPerReport is the number of titles after each of which the log reports the progress of a full backup.
const titlesPerReport = 1000

// A backupProgress logs the progress of a full backup.
type backupProgress struct {
	*core
	out    *patientWriter
	full   bool
	titles int // whose part is written
}

// title counts a title whose part was written.
func (p *backupProgress) title(ctx context.Context, part string) {
	if p.titles++; p.full && p.titles%titlesPerReport == 0 {
		p.log.InfoContext(ctx, "full backup in progress",
			"part", part, "titles", p.catalog.Len(), "done", p.titles, "bytes", p.out.bytes)
	}
}

// of yields records, and counts the titles among them.
func (p *backupProgress) of(
	ctx context.Context, records iter.Seq2[store.Record, error],
) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for r, err := range records {
			if !yield(r, err) {
				return
			}
			if err == nil && r.Key.Kind == "titles" { // after its earlier revisions
				p.title(ctx, "records")
			}
		}
	}
}

// finish ends an answer that err may have interrupted. It aborts one that has begun, so that no client takes a part for
// the whole.
func (c *backupCalls) finish(r *http.Request, out *patientWriter, err error) error {
	if err == nil || out.bytes == 0 {
		return err
	}
	if r.Context().Err() == nil {
		c.log.ErrorContext(r.Context(), "a backup was interrupted", "error", err)
	}
	panic(http.ErrAbortHandler)
}
