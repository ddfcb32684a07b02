package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/internal/upload"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/catalog"
)

// restoreCalls are the calls that restore backups of titles.
type restoreCalls struct {
	*core
	uploads    uploads
	background background
}

// A restoration is an archive whose members were all checked, and how it is restored.
type restoration struct {
	*core
	file *upload.File
	size int64
	mode catalog.RestoreMode
	// members are the names of the archive's members by the ids of their titles, in lower case.
	members map[string]string
}

var errRestoreNotEmpty = &restoreError{
	message: "There are titles already, and nothing was restored: restore with ?mode=merge to keep " +
		"those that are not in the backup, or with ?mode=replace to delete them.",
	err: catalog.ErrNotEmpty,
}

// restore makes the titles of an archive live, all or none.
func (c *restoreCalls) restore(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	mode, err := restoreMode(r)
	if err != nil {
		return err
	}
	dry, err := boolParam(r, "dry_run")
	if err != nil {
		return err
	}
	// Without a change to write, nothing else would notice that the store is gone.
	if err := c.reachable(r.Context()); err != nil {
		return err
	}
	file, size, err := c.uploads.receive(w, r)
	if err != nil {
		return err
	}
	rs := &restoration{core: c.core, file: file, size: size, mode: mode, members: map[string]string{}}
	if !dry && c.background.wanted(r) {
		return c.background.start(w, r, wire.JobRestore, file, func(r *http.Request, progress progressFunc) outcome {
			all, err := rs.run(r, principal, progress)
			return outcome{http.StatusCreated, restoreResult(all), err}
		})
	}
	defer file.Close()
	if dry {
		plan, err := rs.plan(r.Context())
		if err == nil {
			answer.WriteJSON(w, http.StatusOK, plan)
		}
		return err
	}
	all, err := rs.run(r, principal, func(int, int) {})
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(chunkTimeout)) // it may have taken long
	answer.WriteJSON(w, http.StatusCreated, all)
	return nil
}

func restoreMode(r *http.Request) (catalog.RestoreMode, error) {
	mode := catalog.RestoreMode(r.URL.Query().Get("mode"))
	switch mode {
	case catalog.RestoreEmpty, catalog.RestoreMerge, catalog.RestoreReplace:
		return mode, nil
	}
	return "", &problem.RequestError{Message: "the parameter mode must be merge or replace, or absent"}
}

// restoresPerReport is the number of titles after each of which a long restore is logged.
const restoresPerReport = 1000

// run checks the archive and restores it.
func (rs *restoration) run(r *http.Request, principal auth.Principal, progress progressFunc) ([]wire.Restored, error) {
	if err := rs.check(r.Context()); err != nil {
		return nil, err
	}
	n := len(rs.members)
	progress(0, n)
	confirm := func(deleted []string) error { return confirmed(r, deleted) }
	if rs.mode == catalog.RestoreReplace { // before anything is written; the catalog asks again, and that one counts
		if err := confirm(slices.Collect(rs.deleted())); err != nil {
			return nil, err
		}
	}
	rs.logChange(r, "restore begins", principal, "titles", n, "mode", string(rs.mode))
	all, err := rs.catalog.Restore(r.Context(), rs.definitions, &catalog.RestoreOptions{
		Mode:    rs.mode,
		By:      makerOf(principal),
		Confirm: confirm,
		Progress: func(done int) {
			progress(min(done, n), n)
			if done%restoresPerReport == 0 {
				rs.log.InfoContext(r.Context(), "restore in progress", "titles", n, "done", done)
			}
		},
	})
	switch {
	case errors.Is(err, catalog.ErrNotEmpty):
		return nil, errRestoreNotEmpty
	case errors.Is(err, catalog.ErrExists), errors.Is(err, patch.ErrInvalid), errors.Is(err, patch.ErrTooLarge):
		return nil, &restoreError{message: "Nothing was restored: " + err.Error() + ".", err: err}
	case err != nil:
		return nil, err
	}
	body := []wire.Restored{}
	for _, one := range all {
		line := wire.Restored{ID: one.ID}
		if one.Follows != "" {
			line.Skipped = "it follows " + trace.URL(one.Follows)
		}
		body = append(body, line)
	}
	progress(n, n)
	rs.logChange(r, "restored", principal, "titles", len(body), "mode", string(rs.mode))
	return body, nil
}

// read yields the members of the archive.
func (rs *restoration) read() iter.Seq2[archive.Member, error] {
	return archive.Read(rs.file, rs.size, &archive.ReadOptions{MaxBytes: rs.bodies.maxBytes})
}

// definitions yields the definitions in the archive.
func (rs *restoration) definitions(yield func(*patch.Definition, error) bool) {
	for m, err := range rs.read() {
		if !yield(m.Definition, err) {
			return
		}
	}
}

// maxBadMembers bounds the invalid members of an archive that an answer names.
const maxBadMembers = 1000

// check reads all members of the archive. Its error lists everything that is wrong with them.
func (rs *restoration) check(ctx context.Context) error {
	bad := &restoreError{}
	for m, err := range rs.read() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			key := strings.ToLower(m.Definition.ID)
			if other, twice := rs.members[key]; twice {
				bad.add(m.Name, "it has the same id as "+other)
			}
			rs.members[key] = m.Name
			continue
		}
		if err := bad.addError(err); err != nil {
			return err
		}
	}
	if len(bad.members) == 0 {
		return nil
	}
	first := bad.members[0]
	bad.message = fmt.Sprintf("Nothing was restored: %d of %d members are invalid; %s: %s.",
		len(bad.members), len(rs.members)+len(bad.members), first.Path, first.Message)
	return bad
}

func (e *restoreError) add(member, message string) {
	if len(e.members) < maxBadMembers {
		e.members = append(e.members, patch.Failure{Path: member, Message: message})
	}
}

// addError notes an error of reading a member. It returns an error after which no further member can be read.
func (e *restoreError) addError(err error) error {
	var member *archive.MemberError
	var failed *upload.Error
	switch {
	case errors.As(err, &failed):
		return err
	case errors.As(err, &member):
		e.add(member.Name, member.Err.Error())
		e.err = err
		return nil
	case errors.Is(err, archive.ErrNoArchive):
		return &restoreError{
			message: "Nothing was restored: the body is not a zip archive, or not all of one.",
			err:     err,
		}
	}
	return &restoreError{message: "Nothing was restored: " + err.Error() + ".", err: err}
}

// plan returns the changes that the restore would make.
func (rs *restoration) plan(ctx context.Context) (*wire.RestorePlan, error) {
	if err := rs.check(ctx); err != nil {
		return nil, err
	}
	if rs.mode == catalog.RestoreEmpty && rs.catalog.Len() > 0 {
		return nil, errRestoreNotEmpty
	}
	p := newPlan()
	for m, err := range rs.read() {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		res, kind, err := rs.catalog.Put(ctx, m.Definition, &catalog.PutOptions{DryRun: true})
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
	if rs.mode == catalog.RestoreReplace {
		deleted := slices.Collect(rs.deleted())
		for _, id := range deleted {
			p.add(&p.Delete, "delete", id)
		}
		p.Confirm = confirmation(deleted)
	}
	return &p.RestorePlan, nil
}

// A restorePlan collects the changes that a restore would make.
type restorePlan struct{ wire.RestorePlan }

func newPlan() *restorePlan {
	return &restorePlan{wire.RestorePlan{
		Create:    []string{},
		Replace:   []string{},
		Unchanged: []string{},
		Delete:    []string{},
		Skip:      []string{},
		Counts:    map[string]int{"create": 0, "replace": 0, "unchanged": 0, "delete": 0, "skip": 0},
	}}
}

// maxListed bounds the titles in each list of a plan.
const maxListed = 1000

func (p *restorePlan) add(list *[]string, name, id string) {
	if p.Counts[name]++; len(*list) < maxListed {
		*list = append(*list, id)
	}
}

// deleted yields the ids of the titles that the restore deletes if its mode is replace.
func (rs *restoration) deleted() iter.Seq[string] {
	return func(yield func(string) bool) {
		for t := range rs.catalog.Find(catalog.Filter{}) {
			if _, stays := rs.members[strings.ToLower(t.ID)]; !stays && t.Follows == "" && !yield(t.ID) {
				return
			}
		}
	}
}

// confirmation returns the value that confirms a restore that deletes titles: their number, and a digest of their ids.
// It is empty if there are none.
func confirmation(deleted []string) string {
	if len(deleted) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.ToLower(strings.Join(deleted, "\n"))))
	return fmt.Sprintf("%d-%x", len(deleted), sum[:6])
}

// confirmed returns an error for a restore that deletes titles unless the client confirms which.
func confirmed(r *http.Request, deleted []string) error {
	want := confirmation(deleted)
	if want == "" || r.URL.Query().Get("confirm") == want {
		return nil
	}
	return &restoreError{
		message: fmt.Sprintf("Nothing was restored: %s: %s. To confirm that, add &confirm=%s.",
			losses(len(deleted)), named(deleted), want),
	}
}

// losses says how many titles a restore would delete.
func losses(n int) string {
	if n == 1 {
		return "1 title that is not in the backup would be deleted, with its history"
	}
	return fmt.Sprintf("%d titles that are not in the backup would be deleted, with their history", n)
}
