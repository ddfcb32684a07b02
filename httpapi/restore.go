package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/catalog"
)

// mostBadMembers is how many bad members of an archive an answer names.
const mostBadMembers = 1000

// A restoreError is an archive that cannot be restored.
type restoreError struct {
	message string
	members []patch.Failure // what is wrong with which
	err     error
}

var errRestoreNotEmpty = &restoreError{
	message: "There are titles already, and nothing was restored: restore with ?mode=merge to keep " +
		"those that are not in the backup, or with ?mode=replace to delete them.",
	err: catalog.ErrNotEmpty,
}

func (e *restoreError) Error() string { return e.message }
func (e *restoreError) Unwrap() error { return e.err }

// restore makes the titles of an archive live, all or none.
func (a *api) restore(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	mode := catalog.RestoreMode(r.URL.Query().Get("mode"))
	switch mode {
	case catalog.RestoreEmpty, catalog.RestoreMerge, catalog.RestoreReplace:
	default:
		return &requestError{"the parameter mode must be merge or replace, or left out"}
	}
	dry, err := boolParam(r, "dry_run")
	if err != nil {
		return err
	}
	file, size, done, err := a.spool(w, r)
	if err != nil {
		return err
	}
	defer done()
	ids, err := a.checkArchive(file, size)
	if err != nil {
		return err
	}
	n := len(ids)
	if dry {
		plan, err := a.planRestore(r.Context(), file, size, mode, ids)
		if err != nil {
			return err
		}
		answer.WriteJSON(w, http.StatusOK, plan)
		return nil
	}
	confirm := func(deleted []string) error { return confirmed(r, deleted) }
	if mode == catalog.RestoreReplace { // before anything is written; the catalog asks once more, and that counts
		if err := confirm(slices.Collect(a.deletedBy(ids))); err != nil {
			return err
		}
	}
	a.log.InfoContext(r.Context(), "restore begins", "titles", n, "mode", string(mode), "token", who.TokenID)
	defs := func(yield func(*patch.Definition, error) bool) {
		for m, err := range archive.Read(file, size, a.readOptions()) {
			if !yield(m.Definition, err) {
				return
			}
		}
	}
	all, err := a.cat.Restore(
		r.Context(),
		defs,
		&catalog.RestoreOptions{Mode: mode, By: who.TokenID, Confirm: confirm, Progress: func(done int) {
			a.log.InfoContext(r.Context(), "restore goes on", "titles", n, "done", done)
		}},
	)
	switch {
	case errors.Is(err, catalog.ErrNotEmpty):
		return errRestoreNotEmpty
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
			line.Skipped = "it follows " + trace.URL(one.Follows)
		}
		body = append(body, line)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(chunkTimeout)) // it may have taken long
	a.log.InfoContext(r.Context(), "restored", "titles", len(all), "mode", string(mode), "token", who.TokenID)
	answer.WriteJSON(w, http.StatusCreated, body)
	return nil
}

func (a *api) readOptions() *archive.ReadOptions { return &archive.ReadOptions{MaxBytes: a.max} }

// checkArchive reads all of an archive and says everything that is wrong with it. It returns the ids that are in it,
// in lower case, with their members.
func (a *api) checkArchive(file io.ReaderAt, size int64) (seen map[string]string, err error) {
	bad := &restoreError{}
	seen = map[string]string{}
	for m, err := range archive.Read(file, size, a.readOptions()) {
		var member *archive.MemberError
		var failed *uploadError
		switch {
		case errors.As(err, &failed):
			return nil, err
		case errors.As(err, &member):
			if len(bad.members) < mostBadMembers {
				bad.members = append(bad.members, patch.Failure{Path: member.Name, Message: member.Err.Error()})
			}
			bad.err = err
		case errors.Is(err, archive.ErrNoArchive):
			return nil, &restoreError{
				message: "Nothing was restored: this is no zip archive, or not all of one.",
				err:     err,
			}
		case err != nil:
			return nil, &restoreError{message: "Nothing was restored: " + err.Error() + ".", err: err}
		default:
			key := string(bytes.ToLower([]byte(m.Definition.ID)))
			if other, twice := seen[key]; twice {
				bad.members = append(
					bad.members,
					patch.Failure{Path: m.Name, Message: "it has the same id as " + other},
				)
			}
			seen[key] = m.Name
		}
	}
	if len(bad.members) > 0 {
		first := bad.members[0]
		bad.message = fmt.Sprintf(
			"Nothing was restored: %d of %d members cannot be taken; %s: %s.",
			len(bad.members),
			len(seen)+len(bad.members),
			first.Path,
			first.Message,
		)
		return nil, bad
	}
	return seen, nil
}

// A restorePlan is what a restore would do. Lists name at most maxListed titles; Counts count them all.
type restorePlan struct {
	Create    []string       `json:"create"`
	Replace   []string       `json:"replace"`
	Unchanged []string       `json:"unchanged"`
	Delete    []string       `json:"delete"`
	Skip      []string       `json:"skip"` // they follow a source, and are left alone
	Counts    map[string]int `json:"counts"`
	// Confirm is what the restore has to be confirmed with, empty if it deletes nothing.
	Confirm string `json:"confirm,omitempty"`
}

// maxListed is how many titles a plan names in each of its lists.
const maxListed = 1000

func (p *restorePlan) add(list *[]string, name, id string) {
	if p.Counts[name]++; len(*list) < maxListed {
		*list = append(*list, id)
	}
}

// planRestore says what a restore of an archive that was checked would do, and does nothing.
func (a *api) planRestore(
	ctx context.Context,
	file io.ReaderAt,
	size int64,
	mode catalog.RestoreMode,
	ids map[string]string,
) (*restorePlan, error) {
	if mode == catalog.RestoreEmpty && a.cat.Len() > 0 {
		return nil, errRestoreNotEmpty
	}
	p := &restorePlan{
		Create:    []string{},
		Replace:   []string{},
		Unchanged: []string{},
		Delete:    []string{},
		Skip:      []string{},
		Counts:    map[string]int{"create": 0, "replace": 0, "unchanged": 0, "delete": 0, "skip": 0},
	}
	for m, err := range archive.Read(file, size, a.readOptions()) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		res, kind, err := a.cat.Put(ctx, m.Definition, &catalog.PutOptions{DryRun: true})
		id := m.Definition.ID
		switch {
		case errors.Is(err, catalog.ErrSynced):
			p.add(&p.Skip, "skip", id)
		case err != nil:
			return nil, &restoreError{message: "Nothing would be restored: " + err.Error() + ".", err: err}
		case kind == catalog.Created:
			p.add(&p.Create, "create", id)
		case res.Changed:
			p.add(&p.Replace, "replace", id)
		default:
			p.add(&p.Unchanged, "unchanged", id)
		}
	}
	if mode == catalog.RestoreReplace {
		deleted := slices.Collect(a.deletedBy(ids))
		for _, id := range deleted {
			p.add(&p.Delete, "delete", id)
		}
		p.Confirm = confirmation(deleted)
	}
	return p, nil
}

// deletedBy yields the ids of the titles that a restore of these ids with mode=replace deletes.
func (a *api) deletedBy(ids map[string]string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for t := range a.cat.Find(catalog.Filter{}) {
			if _, stays := ids[strings.ToLower(t.ID)]; !stays && t.Follows == "" && !yield(t.ID) {
				return
			}
		}
	}
}

// confirmation is what a restore that deletes titles is confirmed with: how many they are, and a digest of which. It is
// empty if there are none.
func confirmation(deleted []string) string {
	if len(deleted) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Join(deleted, "\n"))))
	return fmt.Sprintf("%d-%x", len(deleted), sum[:6])
}

// confirmed refuses a restore that deletes titles unless its caller says which.
func confirmed(r *http.Request, deleted []string) error {
	want := confirmation(deleted)
	if want == "" || r.URL.Query().Get("confirm") == want {
		return nil
	}
	named := strings.Join(deleted[:min(len(deleted), mostNamed)], ", ")
	if more := len(deleted) - mostNamed; more > 0 {
		named += fmt.Sprintf(", and %d more", more)
	}
	return &restoreError{
		message: fmt.Sprintf("Nothing was restored: %d titles that are not in the backup would be deleted, "+
			"with their history: %s. If that is what you want, add &confirm=%s.", len(deleted), named, want),
	}
}
