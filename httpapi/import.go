package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/batch"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/catalog"
)

// importCalls are the calls that import many titles.
type importCalls struct {
	*core
	uploads    uploads
	background background
}

// importOptions say how titles are imported.
type importOptions struct {
	dry     bool
	replace bool // titles that exist already
	by      string
}

// importTitles creates or replaces titles, each by itself, and answers with a line for each.
func (c *importCalls) importTitles(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	opts := importOptions{by: makerOf(principal)}
	if opts.dry, err = boolParam(r, "dry_run"); err != nil {
		return err
	}
	if opts.replace, err = boolParam(r, "replace"); err != nil {
		return err
	}
	file, size, err := c.uploads.receive(w, r)
	if err != nil {
		return err
	}
	read := func() (iter.Seq2[archive.Member, error], error) { return batch.Read(file, size, c.bodies.maxBytes) }
	if !opts.dry && c.background.wanted(r) {
		return c.background.start(w, r, wire.JobImport, file, func(r *http.Request, progress progressFunc) outcome {
			result := &importResult{progress: progress}
			members, err := read()
			if err == nil {
				err = c.importAll(r, principal, result, members, opts)
			}
			if err != nil {
				return outcome{err: err}
			}
			return outcome{http.StatusOK, result.end(), nil}
		})
	}
	defer file.Close()
	members, err := read()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	_ = c.importAll(r, principal, newImportStream(w), members, opts) // an error means that the client is gone
	return nil
}

// An importSink receives the results of an import.
type importSink interface {
	// Write writes the result for a title. An error ends the import.
	Write(wire.Imported) error
	// Flush sends what was written.
	Flush()
}

// An importStream sends the results of an import to its client, one on each line.
type importStream struct {
	lines *json.Encoder
	conn  *http.ResponseController
}

func newImportStream(w http.ResponseWriter) importStream {
	out := newPatientWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	return importStream{lines, out.conn}
}

// Write implements importSink.
func (s importStream) Write(line wire.Imported) error { return s.lines.Encode(line) }

// Flush implements importSink. A ResponseWriter that cannot flush sends the lines later.
func (s importStream) Flush() { _ = s.conn.Flush() }

const (
	// maxImports is the maximum number of titles that a client imports concurrently. A store that syncs each write can
	// combine them.
	maxImports = 32
	// maxImportBytes bounds the definitions of these titles together, unless there is only one.
	maxImportBytes = 16 << 20
	// importsPerReport is the number of titles after each of which a long import is logged.
	importsPerReport = 1000
)

// importAll imports titles, writes a line for each, and logs their number, also if it is stopped or panics. It returns
// an error if it was stopped, because the context of the request has ended or a line could not be written.
func (c *importCalls) importAll(
	r *http.Request, principal auth.Principal, out importSink, members iter.Seq2[archive.Member, error],
	opts importOptions,
) error {
	ctx := r.Context()
	q := &importQueue{out: out, counts: map[string]int{}, log: c.log}
	message := "import stopped"
	defer func() {
		q.finish(ctx)
		c.logChange(r, message, principal,
			wire.ResultCreated, q.counts[wire.ResultCreated],
			wire.ResultUpdated, q.counts[wire.ResultUpdated],
			wire.ResultUnchanged, q.counts[wire.ResultUnchanged],
			wire.ResultRefused, q.counts[wire.ResultRefused],
			"dry_run", opts.dry)
	}()
	for m, err := range members {
		one := newPendingImport(m, err)
		for q.full(one) {
			if err := q.writeFirst(ctx); err != nil {
				return err
			}
		}
		q.pending = append(q.pending, one)
		go func() {
			defer close(one.done)
			defer func() {
				if v := recover(); v != nil {
					one.panicked = problem.NewPanicError(v)
				}
			}()
			one.line = c.importOne(ctx, m, err, opts)
		}()
	}
	for len(q.pending) > 0 {
		if err := q.writeFirst(ctx); err != nil {
			return err
		}
	}
	message = "titles imported"
	return nil
}

// A pendingImport is the import of a title that is in progress.
type pendingImport struct {
	key      string // of the title; empty if its definition is invalid
	bytes    int
	done     chan struct{} // closed when line is set
	line     wire.Imported
	panicked *problem.PanicError // of importOne, or nil; writeFirst panics with it
}

func newPendingImport(m archive.Member, err error) *pendingImport {
	p := &pendingImport{bytes: m.Bytes, done: make(chan struct{})}
	if err == nil {
		p.key = strings.ToLower(m.Definition.ID)
	}
	return p
}

// An importQueue has the imports that are in progress, in the order of their lines.
type importQueue struct {
	pending []*pendingImport
	out     importSink
	counts  map[string]int
	written int // lines
	flushed int // those of them that were sent
	log     *slog.Logger
}

// full reports whether an import has to wait for the first one: there are too many, or one is of the same title.
func (q *importQueue) full(next *pendingImport) bool {
	bytes := next.bytes
	for _, p := range q.pending {
		if bytes += p.bytes; bytes > maxImportBytes || p.key != "" && p.key == next.key {
			return true
		}
	}
	return len(q.pending) >= maxImports
}

// writeFirst waits for the first import and writes its line. It returns an error if ctx has ended or the line cannot be
// written, and panics if the import did.
func (q *importQueue) writeFirst(ctx context.Context) error {
	first := q.pending[0]
	select {
	case <-first.done:
	default:
		if q.flushed < q.written {
			q.flushed = q.written
			q.out.Flush()
		}
		<-first.done
	}
	q.pending = q.pending[1:]
	if first.panicked != nil {
		panic(first.panicked)
	}
	if ctx.Err() != nil {
		q.countStored(first)
		return context.Cause(ctx)
	}
	q.counts[first.line.Result]++
	if q.written++; q.written%importsPerReport == 0 {
		q.log.InfoContext(ctx, "import in progress", "done", q.written)
	}
	return q.out.Write(first.line)
}

// countStored counts an import whose line is not written, unless it was refused, which is because the import ends.
func (q *importQueue) countStored(p *pendingImport) {
	if p.panicked == nil && p.line.Result != wire.ResultRefused {
		q.counts[p.line.Result]++
	}
}

// finish waits for the imports whose lines are not written, counts them, and logs their panics.
func (q *importQueue) finish(ctx context.Context) {
	for _, p := range q.pending {
		<-p.done
		q.countStored(p)
		if p.panicked != nil {
			q.log.ErrorContext(ctx, "the import of a title panicked",
				"title", p.key, "error", p.panicked, "stack", string(p.panicked.Stack))
		}
	}
}

func (c *importCalls) importOne(ctx context.Context, m archive.Member, err error, opts importOptions) wire.Imported {
	line := wire.Imported{Item: m.Name, Result: wire.ResultRefused}
	var res catalog.Result
	var kind catalog.EventKind
	if err == nil {
		line.ID = m.Definition.ID
		res, kind, err = c.put(ctx, m.Definition, opts)
	}
	if err != nil {
		var member *archive.MemberError
		if errors.As(err, &member) {
			line.Item = member.Name
		}
		p := problems.Of(err)
		line.Message, line.Errors = p.Message, p.Failures
		if p.Status >= http.StatusInternalServerError && ctx.Err() == nil { // otherwise, it is due to the client
			c.log.ErrorContext(ctx, "a title could not be imported", "title", line.ID, "error", err)
		}
		return line
	}
	line.ID, line.Warnings = res.Title.ID, append(m.Warnings, res.Warnings...)
	switch {
	case !res.Changed:
		line.Result = wire.ResultUnchanged
	case kind == catalog.Created:
		line.Result = wire.ResultCreated
	default:
		line.Result = wire.ResultUpdated
		line.Message = res.Difference().String()
	}
	return line
}

// errNamesake is returned for a title that exists already and differs.
var errNamesake = &problem.RequestError{
	Message: "there is a title with this id already, and it differs: import with ?replace=1 to replace it",
}

// put creates a title that is imported, or replaces the one that exists if it may.
func (c *importCalls) put(ctx context.Context, def *patch.Definition, opts importOptions) (
	catalog.Result, catalog.EventKind, error,
) {
	if opts.dry || opts.replace {
		res, kind, err := c.catalog.Put(ctx, def, &catalog.PutOptions{DryRun: opts.dry, By: opts.by})
		if err == nil && !opts.replace && kind == catalog.Updated && res.Changed {
			err = errNamesake
		}
		return res, kind, err
	}
	res, err := c.catalog.Create(ctx, def, &catalog.CreateOptions{By: opts.by})
	if !errors.Is(err, catalog.ErrExists) {
		return res, catalog.Created, err
	}
	res, kind, err := c.catalog.Put(ctx, def, &catalog.PutOptions{DryRun: true, By: opts.by})
	if err == nil && res.Changed {
		err = errNamesake
	}
	return res, kind, err
}
