package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// errDraftChanged reports that a draft is not the one that a request is about.
var errDraftChanged = fmt.Errorf("%w: the draft has changed, or is gone: read it again", catalog.ErrPrecondition)

// draftCalls are the calls about the drafts of titles.
type draftCalls struct{ *titleService }

// edit returns the edit of a title, which may be disabled. A principal learns whether a title exists only if it may
// create it.
func (c *draftCalls) edit(r *http.Request) (*edit, error) {
	e, err := c.editAny(withoutMatch(r))
	if !errors.Is(err, catalog.ErrNotFound) {
		return e, err
	}
	principal, authErr := c.access.principal(r)
	id, idErr := variable(r, "id")
	if authErr != nil || idErr != nil {
		return nil, cmp.Or(authErr, idErr)
	}
	return nil, cmp.Or(c.mayCreate(r, principal, id), err)
}

// withoutMatch returns r without If-Match, which is about the draft, and not about the title.
func withoutMatch(r *http.Request) *http.Request {
	if r.Header["If-Match"] == nil {
		return r
	}
	without := *r
	without.Header = r.Header.Clone()
	without.Header.Del("If-Match")
	return &without
}

func (c *draftCalls) get(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	if err := c.budget.turn(r, int(e.title.Bytes)); err != nil {
		return err
	}
	d, err := c.catalog.Draft(r.Context(), e.title.ID)
	if err != nil {
		return err
	}
	check, err := c.check(r, d)
	if err != nil {
		return err
	}
	body := wire.Draft{
		Definition:     d.Definition,
		Base:           wire.String(d.Base),
		BaseDefinition: d.BaseDefinition,
		Changed:        d.Changed,
		DraftCheck:     check,
	}
	if d.BaseDefinition == nil {
		body.BaseDefinition = json.RawMessage("null")
	}
	w.Header().Set("ETag", d.ETag)
	return replyUncached(w, http.StatusOK, body)
}

// check returns what stands against publishing a draft.
func (c *draftCalls) check(r *http.Request, d *catalog.Draft) (wire.DraftCheck, error) {
	check := wire.DraftCheck{Errors: []patch.Failure{}, Warnings: []patch.Warning{}}
	failures, warnings, err := c.catalog.CheckDraft(r.Context(), d)
	check.Errors = append(check.Errors, failures...)
	check.Warnings = append(check.Warnings, warnings...)
	return check, err
}

// save saves the draft of a title, or of a new one.
func (c *draftCalls) save(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	isNew := errors.Is(err, catalog.ErrNotFound) || errors.Is(err, auth.ErrDenied) && c.mayCreateBeside(r)
	if err != nil && !isNew {
		return err
	}
	body, err := c.bodies.read(w, r)
	if err != nil {
		return err
	}
	var d *catalog.Draft
	created := false
	if isNew {
		d, created, err = c.saveNew(r, body)
	} else {
		opts := catalog.DraftOptions{
			UID:     e.title.UID,
			By:      e.opts.By,
			Base:    r.URL.Query().Get("base"),
			NoDraft: noDraft(r),
		}
		if opts.Whole, err = boolParam(r, "disabled"); err != nil {
			return err
		}
		if opts.IfMatch, err = c.match(r, e.title.ID); err != nil {
			return err
		}
		if plain, _ := e.title.Plain(); plain != e.title.ID {
			if body, err = ownIn(body, plain, e.title.ID, ""); err != nil {
				return err
			}
		}
		d, created, err = c.catalog.SaveDraft(r.Context(), e.title.ID, body, &opts)
		if errors.Is(err, catalog.ErrPrecondition) {
			err = &catalog.TitleError{ID: e.title.ID, Err: errDraftChanged}
		}
	}
	if err != nil {
		return err
	}
	check, err := c.check(r, d)
	if err != nil {
		return err
	}
	principal := callOf(r).principal
	c.logChange(r, "draft saved", principal, "title", d.Title.ID, "errors", len(check.Errors))
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	w.Header().Set("ETag", d.ETag)
	return replyUncached(w, status, check)
}

// match returns the ETag that the draft of a title must have for a request with an If-Match header, and an empty string
// for any. A draft that does not exist matches nothing.
func (c *draftCalls) match(r *http.Request, id string) (string, error) {
	tags := r.Header["If-Match"]
	if len(tags) == 0 {
		return "", nil
	}
	d, err := c.catalog.Draft(r.Context(), id)
	if err != nil && !errors.Is(err, catalog.ErrNoDraft) {
		return "", err
	}
	if err == nil {
		for tag := range answer.EntityTags(tags) {
			if tag == "*" || tag == d.ETag {
				return d.ETag, nil
			}
		}
	}
	return "", &catalog.TitleError{ID: id, Err: errDraftChanged}
}

// noDraft reports whether the title may have no draft yet, as If-None-Match: * demands.
func noDraft(r *http.Request) bool {
	for tag := range answer.EntityTags(r.Header["If-None-Match"]) {
		if tag == "*" {
			return true
		}
	}
	return false
}

// mayCreateBeside reports whether the principal is a contributor, registered here, for whom an id that another title
// has makes a new title, as by POST: their name is appended.
func (c *draftCalls) mayCreateBeside(r *http.Request) bool {
	principal := callOf(r).principal
	if c.community != nil {
		if _, known := c.community.Contributor(principal.Contributor); !known {
			return false
		}
	}
	id, err := variable(r, "id")
	return err == nil && principal.Kind == auth.Contributor && c.mayCreate(r, principal, id) == nil
}

// saveNew saves the draft of a new title. That of a contributor gets the contributor's name.
func (c *draftCalls) saveNew(r *http.Request, body []byte) (d *catalog.Draft, created bool, err error) {
	id, err := variable(r, "id")
	if err != nil {
		return nil, false, err
	}
	if len(r.Header["If-Match"]) > 0 {
		return nil, false, &catalog.TitleError{ID: id, Err: errDraftChanged}
	}
	principal := callOf(r).principal
	opts := catalog.DraftOptions{New: true, By: makerOf(principal), Base: r.URL.Query().Get("base")}
	if principal.Kind != auth.Contributor {
		return c.catalog.SaveDraft(r.Context(), id, body, &opts)
	}
	err = c.own(r.Context(), principal, func(owner catalog.CreateOptions) (string, error) {
		suffix, err := patch.AuthorID(owner.Author)
		if err != nil {
			return id, failure("/id", err.Error())
		}
		name := id + "_" + suffix
		if body, err = ownIn(body, id, name, owner.Author); err != nil {
			return name, err
		}
		opts.Author, opts.Contributor = owner.Author, owner.Contributor
		opts.Mailbox, opts.Account = owner.Mailbox, owner.Account
		d, created, err = c.catalog.SaveDraft(r.Context(), name, body, &opts)
		return name, err
	})
	return d, created, err
}

// ownIn returns a draft that names a contributor's title plainly, as its author writes it, with the title's whole id,
// and with the author in the name unless author is empty. Another draft, or one that is no JSON object, is returned
// unchanged.
func ownIn(draft []byte, plain, id, author string) ([]byte, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(draft, &members) != nil || members == nil {
		return draft, nil
	}
	var is, name string
	if json.Unmarshal(members["id"], &is) != nil || !strings.EqualFold(is, plain) {
		return draft, nil
	}
	members["id"], _ = json.Marshal(id) // a string can be encoded
	if json.Unmarshal(members["name"], &name) == nil && name != "" && author != "" {
		members["name"], _ = json.Marshal(name + " (" + author + ")")
	}
	return json.Marshal(members)
}

func (c *draftCalls) discard(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	if e.opts.IfMatch, err = c.match(r, e.title.ID); err != nil {
		return err
	}
	if err := c.catalog.DiscardDraft(r.Context(), e.title.ID, e.opts); err != nil {
		return err
	}
	c.logChange(r, "draft discarded", e.principal, "title", e.title.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *draftCalls) publish(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	if err := c.budget.turn(r, int(e.title.Bytes)); err != nil {
		return err
	}
	if e.opts.IfMatch, err = c.match(r, e.title.ID); err != nil {
		return err
	}
	res, created, err := c.catalog.PublishDraft(r.Context(), e.title.ID, e.opts)
	if err != nil {
		return err
	}
	difference := res.Difference()
	reply := wire.Answer{
		Message:  fmt.Sprintf("Draft of title '%s' published", res.Title.ID),
		ID:       res.Title.ID,
		Name:     res.Title.Name,
		Warnings: res.Warnings,
	}
	for _, change := range difference[:min(len(difference), maxNamed)] {
		reply.Changes = append(reply.Changes, change.Text)
	}
	c.logChange(r, "draft published", e.principal,
		"title", res.Title.ID, "version", res.Title.CurrentVersion, "changes", difference.String())
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return c.reply(w, r, status, reply)
}

// disable makes a title disabled: its definition becomes its draft.
func (c *draftCalls) disable(w http.ResponseWriter, r *http.Request) error {
	e, err := c.titleService.edit(r)
	if err != nil {
		return err
	}
	if err := c.catalog.Disable(r.Context(), e.title.ID, e.opts); err != nil {
		return err
	}
	c.logChange(r, "title disabled", e.principal, "title", e.title.ID)
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message: fmt.Sprintf("Title '%s' disabled: publish its draft to serve it again", e.title.ID),
		ID:      e.title.ID,
		Name:    e.title.Name,
	})
}

// list lists the drafts of the titles that the principal may change.
func (c *draftCalls) list(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	list := wire.DraftList{Drafts: []wire.DraftSummary{}}
	for t := range c.catalog.Drafts() {
		if c.access.mayChange(r.Context(), principal, t) {
			list.Drafts = append(list.Drafts, wire.DraftSummary{
				ID:       t.ID,
				Name:     t.Draft.Name,
				Errors:   t.Draft.Errors,
				Changed:  t.Draft.Changed,
				Disabled: t.Disabled,
			})
		}
	}
	return replyUncached(w, http.StatusOK, list)
}

// getWhole answers with the definition of a title with its disabled patches, for a principal that may change the title.
func (c *titleCalls) getWhole(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	if err := c.budget.turn(r, int(e.title.Bytes)); err != nil {
		return err
	}
	whole, title, err := c.catalog.LoadWhole(r.Context(), e.title.ID)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", title.ETag)
	return replyUncached(w, http.StatusOK, whole)
}

// clone adds a copy of a version as another version.
func (c *versionCalls) clone(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	version, err := variable(r, "version")
	if err != nil {
		return err
	}
	var request wire.CloneRequest
	if err := c.bodies.object(w, r, &request); err != nil {
		return err
	}
	if err := patch.CheckVersion(request.Version); err != nil {
		return failure("/version", err.Error())
	}
	res, err := c.catalog.CloneVersion(r.Context(), e.title.ID, version, request.Version, e.opts)
	if err != nil {
		return err
	}
	c.logChange(r, "version cloned", e.principal, "title", res.Title.ID, "version", request.Version, "of", version)
	return c.reply(w, r, http.StatusCreated, wire.Answer{
		Message:  fmt.Sprintf("Version '%s' added to title '%s'", request.Version, res.Title.ID),
		Warnings: res.Warnings,
	})
}

// order puts the versions of a title into another order.
func (c *versionCalls) order(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	var request wire.OrderRequest
	if err := c.bodies.object(w, r, &request); err != nil {
		return err
	}
	res, err := c.catalog.OrderVersions(r.Context(), e.title.ID, request.Versions, e.opts)
	if err != nil {
		return err
	}
	c.logChange(r, "versions ordered", e.principal, "title", res.Title.ID, "version", res.Title.CurrentVersion)
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message:  fmt.Sprintf("Versions of title '%s' ordered", res.Title.ID),
		ID:       res.Title.ID,
		Name:     res.Title.Name,
		Warnings: res.Warnings,
	})
}
