package titleeditor

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
)

// find returns the title that the number in the path leads to: its own, if of is 0, or that of a part of it. A disabled
// title is found only by those who may change it.
func (c *call) find(of numbered.Kind) (catalog.Title, error) {
	find := c.Catalog.ByPartNumber
	if of == 0 {
		find = c.Catalog.ByNumber
	}
	t, err := find(c.number)
	if err == nil && t.Disabled && c.authorize(t) != nil {
		err = errNotFound
	}
	return t, err
}

// authorize returns an error unless the principal may change a title.
func (c *call) authorize(t catalog.Title) error {
	return c.Authorize(c.r.Context(), c.principal, auth.ActionChange,
		auth.Title{ID: t.ID, UID: t.UID, Contributor: t.Contributor})
}

// read returns the title that the number in the path leads to, and the place of the part with the number.
func (c *call) read(of numbered.Kind) (t *numbered.Title, p numbered.Place, title catalog.Title, err error) {
	if title, err = c.find(of); err != nil {
		return nil, p, title, err
	}
	if t, err = c.Catalog.Numbered(c.r.Context(), title.ID); err != nil {
		return nil, p, title, err
	}
	if of != 0 {
		found := false
		if p, found = t.Find(of, c.number); !found {
			return nil, p, title, errNotFound
		}
	}
	return t, p, title, nil
}

// edit changes the title that the number in the path leads to, by a function of the place of the part with the number.
func (c *call) edit(of numbered.Kind, f func(t *numbered.Title, p numbered.Place) error) (*numbered.Title, error) {
	t, _, err := c.change(of, func(t *numbered.Title, p numbered.Place) (numbered.Place, error) { return p, f(t, p) })
	return t, err
}

// change is edit with a function that returns the place of the part that it is about.
func (c *call) change(
	of numbered.Kind, f func(t *numbered.Title, p numbered.Place) (numbered.Place, error),
) (t *numbered.Title, place numbered.Place, err error) {
	title, err := c.find(of)
	if err != nil {
		return nil, place, err
	}
	if err := c.mayEdit(title); err != nil {
		return nil, place, err
	}
	t, err = c.Catalog.EditNumbered(c.r.Context(), title.ID, func(t *numbered.Title) (err error) {
		var p numbered.Place
		if of != 0 {
			found := false
			if p, found = t.Find(of, c.number); !found {
				return errNotFound
			}
		}
		place, err = f(t, p)
		return err
	}, c.options(title))
	if err != nil {
		return nil, place, err
	}
	c.logChange("title edited", title.ID)
	return t, place, nil
}

// mayEdit returns an error unless the principal may change a title that follows no source.
func (c *call) mayEdit(t catalog.Title) error {
	if err := c.authorize(t); err != nil {
		return err
	}
	if t.Follows != "" {
		return &catalog.TitleError{ID: t.ID, Follows: t.Follows, Err: catalog.ErrSynced}
	}
	return nil
}

// options returns the options of an edit of a title.
func (c *call) options(t catalog.Title) *catalog.EditOptions {
	of := auth.Title{ID: t.ID, UID: t.UID, Contributor: t.Contributor}
	return &catalog.EditOptions{
		UID:    t.UID,
		Rename: c.Authorize(c.r.Context(), c.principal, auth.ActionAdminister, of) == nil,
		By:     cmp.Or(c.principal.TokenID, c.principal.Name),
	}
}

// logChange logs a change and the token that it was made with.
func (c *call) logChange(message, id string) {
	c.Logger.InfoContext(c.r.Context(), message, "title", id, "token", c.principal.TokenID, "api", "title editor")
}

// sourceOf returns the number and the name of the source of a title. That of a title that follows none is 0 and Local.
func sourceOf(t catalog.Title) (number int, name string) {
	if t.Follows == "" {
		return 0, "Local"
	}
	if u, err := url.Parse(t.Follows); err == nil && u.Host != "" {
		return 1, u.Host
	}
	return 1, "Source"
}

// listTitles answers with all titles, by number.
func (c *call) listTitles() (any, error) {
	if err := c.Catalog.NumberTitles(c.r.Context()); err != nil {
		return nil, err
	}
	rows := []titleRow{}
	for t := range c.Catalog.Find(catalog.Filter{}) {
		if t.Number != 0 { // it was made at this moment
			rows = append(rows, row(t))
		}
	}
	for t := range c.Catalog.Drafts() {
		if t.Disabled && t.Number != 0 && c.authorize(t) == nil {
			rows = append(rows, row(t))
		}
	}
	slices.SortFunc(rows, func(a, b titleRow) int { return cmp.Compare(a.SoftwareTitleID, b.SoftwareTitleID) })
	return rows, nil
}

// row returns a title in the list.
func row(t catalog.Title) titleRow {
	source, name := sourceOf(t)
	r := titleRow{
		SoftwareTitleID: t.Number,
		Enabled:         !t.Disabled,
		Name:            t.Name,
		Publisher:       t.Publisher,
		LastModified:    viewTime(t.LastModified),
		CurrentVersion:  t.CurrentVersion,
		Requirements:    t.RequirementCount,
		Patches:         t.PatchCount,
		ID:              t.ID,
		SourceID:        source,
		Source:          name,
	}
	if t.Disabled {
		r.Name, r.Publisher, r.CurrentVersion = t.Draft.Name, t.Draft.Publisher, t.Draft.CurrentVersion
		r.LastModified = patch.FormatTime(t.Draft.Changed)
	}
	optional(&t.AppName, &r.AppName)
	optional(&t.BundleID, &r.BundleID)
	return r
}

// getTitle answers with a title.
func (c *call) getTitle() (any, error) {
	t, _, title, err := c.read(0)
	if err != nil {
		return nil, err
	}
	source, _ := sourceOf(title)
	return viewTitle(t, source), nil
}

// listPatches answers with the patches of a title.
func (c *call) listPatches() (any, error) {
	t, _, _, err := c.read(0)
	if err != nil {
		return nil, err
	}
	return viewTitle(t, 0).Patches, nil
}

// createTitle creates a title, from its members alone or with all of its parts. It is disabled unless the client enables
// it and it is complete.
func (c *call) createTitle() (any, error) {
	var b body
	if err := c.body(&b); err != nil {
		return nil, err
	}
	r := &reader{now: c.Now()}
	d := r.newDefinition(&b)
	if err := r.result(); err != nil {
		return nil, err
	}
	ctx := c.r.Context()
	err := c.Authorize(ctx, c.principal, auth.ActionCreate, auth.Title{ID: d.ID, Contributor: c.principal.Contributor})
	if err != nil {
		return nil, err
	}
	enabled := b.Enabled != nil && *b.Enabled && len(d.Requirements) > 0 && len(d.Versions()) > 0
	var made *numbered.Title
	create := func(owner catalog.CreateOptions) (string, error) {
		owner.By = cmp.Or(c.principal.TokenID, c.principal.Name)
		if owner.Author != "" {
			if err := d.Namespace(owner.Author); err != nil {
				return d.ID, refuse(http.StatusBadRequest, codeInvalid, sentence(err))
			}
		}
		t := numbered.NewTitle(numbered.New(0, d), d, enabled, c.Now())
		made, err = c.Catalog.CreateNumbered(ctx, t, &owner)
		return d.ID, err
	}
	switch {
	case c.principal.Kind != auth.Contributor:
		_, err = create(catalog.CreateOptions{})
	case c.Owner == nil:
		err = auth.ErrDenied
	default:
		err = c.Owner.Own(ctx, c.principal.Contributor, create)
	}
	if err != nil {
		return nil, err
	}
	c.logChange("title created", made.Definition.ID)
	return viewTitle(made, 0), nil
}

// putTitle changes the members of a title, but not its parts, which have calls of their own.
func (c *call) putTitle() (any, error) {
	var b body
	if err := c.body(&b); err != nil {
		return nil, err
	}
	t, err := c.edit(0, func(t *numbered.Title, _ numbered.Place) error {
		r := &reader{now: c.Now()}
		r.title(&b, t.Definition)
		if b.ID != nil && *b.ID != t.Definition.ID {
			r.fail(codeInvalid, "id", "cannot be changed: create another title, and delete this one")
		}
		if b.Enabled != nil {
			if *b.Enabled && !t.Enabled && (len(t.Definition.Requirements) == 0 || len(t.Definition.Versions()) == 0) {
				r.fail(codeInvalid, "enabled", "cannot be true: the title needs a requirement and an enabled patch")
			}
			t.Enabled = *b.Enabled
		}
		return r.result()
	})
	if err != nil {
		return nil, err
	}
	return viewTitle(t, 0), nil
}

// deleteTitle deletes a title, and the tokens that were for it alone.
func (c *call) deleteTitle() (any, error) {
	t, err := c.find(0)
	if err != nil {
		return nil, err
	}
	if err := c.mayEdit(t); err != nil {
		return nil, err
	}
	if err := c.Catalog.Delete(c.r.Context(), t.ID, c.options(t)); err != nil {
		return nil, err
	}
	c.logChange("title deleted", t.ID)
	// These tokens are no longer valid: revoking them only removes their records.
	if err := c.Tokens.RevokeTitle(c.r.Context(), t.UID); err != nil && !errors.Is(err, auth.ErrNotFound) {
		c.Logger.ErrorContext(c.r.Context(), "the tokens of a deleted title could not be revoked",
			"title", t.ID, "error", err)
	}
	return nil, nil
}

// The value lists.

func (c *call) criterionNames() (any, error) {
	names := append(patch.CriterionNames(), groupCriterion)
	slices.Sort(names)
	return names, nil
}

func (c *call) criterionTypes() (any, error) { return []string{"recon", "extensionAttribute"}, nil }

func (c *call) criterionOperators() (any, error) {
	var b body
	if err := c.body(&b); err != nil {
		return nil, err
	}
	r := &reader{}
	var name string
	r.text("", "name", b.Name, &name, true)
	if err := r.result(); err != nil {
		return nil, err
	}
	return operatorsOf(name, "recon"), nil
}
