package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/catalog"
)

// importTitles creates or replaces titles, each by itself, and answers a line for
// each.
func (a *api) importTitles(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	dry, err := boolParam(r, "dry_run")
	if err != nil {
		return err
	}
	replace, err := boolParam(r, "replace")
	if err != nil {
		return err
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
	out := newPatientWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	counts := map[string]int{}
	for m, err := range defs {
		line := a.importOne(r, m, err, importing{dry, replace, who.TokenID})
		if r.Context().Err() != nil {
			return nil // nobody is there to be told
		}
		counts[line.Result]++
		if err := lines.Encode(line); err != nil {
			return nil // so here
		}
		_ = out.control.Flush() // who cannot gets it later
	}
	a.log.InfoContext(
		r.Context(),
		"titles imported",
		"created",
		counts["created"],
		"updated",
		counts["updated"],
		"unchanged",
		counts["unchanged"],
		"refused",
		counts["refused"],
		"dry_run",
		dry,
		"token",
		who.TokenID,
	)
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

// importing is how an import was asked for.
type importing struct {
	dry     bool
	replace bool // titles that are there already
	by      string
}

// errNamesake is an import of a title that is there already and differs.
var errNamesake = &requestError{
	"there is a title with this id already, and it differs: import with ?replace=1 to replace it",
}

// put creates a title that is imported, or replaces the one that is there if it may.
func (a *api) put(
	ctx context.Context,
	def *patch.Definition,
	how importing,
) (catalog.Result, catalog.EventKind, error) {
	if how.dry || how.replace {
		res, kind, err := a.cat.Put(ctx, def, &catalog.PutOptions{DryRun: how.dry, By: how.by})
		if err == nil && !how.replace && kind == catalog.Updated && res.Changed {
			err = errNamesake
		}
		return res, kind, err
	}
	res, err := a.cat.Create(ctx, def, &catalog.CreateOptions{By: how.by})
	if !errors.Is(err, catalog.ErrExists) {
		return res, catalog.Created, err
	}
	res, kind, err := a.cat.Put(ctx, def, &catalog.PutOptions{DryRun: true, By: how.by})
	if err == nil && res.Changed {
		err = errNamesake
	}
	return res, kind, err
}

func (a *api) importOne(r *http.Request, m archive.Member, err error, how importing) importedTitle {
	line := importedTitle{Item: m.Name, Result: "refused"}
	var res catalog.Result
	var kind catalog.EventKind
	if err == nil {
		line.ID = m.Definition.ID
		res, kind, err = a.put(r.Context(), m.Definition, how)
	}
	if err != nil {
		var member *archive.MemberError
		if errors.As(err, &member) {
			line.Item = member.Name
		}
		p := problems.Of(err)
		line.Message, line.Errors = p.Message, p.Failures
		if p.Status >= http.StatusInternalServerError {
			a.log.ErrorContext(r.Context(), "a title could not be imported", "title", line.ID, "error", err)
		}
		return line
	}
	line.ID, line.Warnings = res.Title.ID, append(m.Warnings, res.Warnings...)
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
		return archive.Read(file.(io.ReaderAt), size, &archive.ReadOptions{MaxBytes: a.max, Repair: true}), nil
	case len(head) == 0:
		return nil, &requestError{
			"the body is empty: send a JSON array of definitions, one definition a line, or a zip",
		}
	case head[0] == '[':
		return a.array(file), nil
	case head[0] == '{':
		return a.lines(file, start), nil
	}
	return nil, fmt.Errorf(
		"%w: send a JSON array of definitions, one definition a line (NDJSON), or a zip",
		errMediaType,
	)
}
