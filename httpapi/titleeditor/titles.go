package titleeditor

import (
	"cmp"
	"errors"
	"slices"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
)

// A findFunc returns the title with a number, or that of the part with a number.
type findFunc func(uint64) (catalog.Title, error)

// readable returns a title that the principal may read. One that is disabled exists only for those who may change it.
// all reports whether the principal may change it.
func (h *handler) readable(r *request, find findFunc) (t catalog.Title, all bool, err error) {
	if err := r.authenticate(); err != nil {
		return t, false, err
	}
	if t, err = find(r.number()); err != nil {
		return t, false, err
	}
	all = r.mayChange(t)
	if t.Disabled && !all {
		return t, false, errNotFound
	}
	return t, all, nil
}

// writable returns a title that the principal may change.
func (h *handler) writable(r *request, find findFunc) (catalog.Title, error) {
	t, _, err := h.readable(r, find)
	if err != nil {
		return t, err
	}
	if err := h.authorize(r.Context(), r.principal, auth.ActionChange, titleOf(t)); err != nil {
		return t, err
	}
	if t.Follows != "" {
		return t, &catalog.TitleError{ID: t.ID, Err: catalog.ErrSynced}
	}
	return t, nil
}

// load returns a title with its numbers. If all is false, it is without the patches that are disabled.
func (h *handler) load(r *request, t catalog.Title, all bool) (view, error) {
	if err := r.turn(t.Bytes); err != nil {
		return view{}, err
	}
	n, err := h.catalog.Numbered(r.Context(), t.ID)
	if errors.Is(err, patch.ErrInvalid) {
		return view{}, errWrongTypes
	}
	if err != nil {
		return view{}, err
	}
	if n.Numbers.Title != t.Number || !n.Enabled && !all {
		return view{}, errNotFound // another title has the id meanwhile, or it was disabled
	}
	if !all {
		for i := len(n.Definition.Patches) - 1; i >= 0; i-- {
			if n.Definition.Patches[i].Disabled {
				n.Remove(numbered.Place{Kind: numbered.Patch, Patch: i, Index: i})
			}
		}
		if n.Modified, err = patch.ParseTime(n.Definition.LastModified); err != nil {
			return view{}, err // it was checked when the title was published
		}
	}
	return view{n, t.Follows}, nil
}

// edit changes a title by a function, which may be called several times, and returns the title afterward.
func (h *handler) edit(r *request, t catalog.Title, change func(*numbered.Title) error) (view, error) {
	if err := r.turn(t.Bytes); err != nil {
		return view{}, err
	}
	n, err := h.catalog.EditNumbered(r.Context(), t.ID, change, &catalog.EditOptions{
		UID:    t.UID,
		Rename: r.may(auth.ActionAdminister, titleOf(t)),
		By:     r.maker(),
	})
	if err != nil {
		return view{}, err
	}
	r.logChange(r.Context(), "title changed", "title", t.ID, "enabled", n.Enabled,
		"version", n.Definition.CurrentVersion)
	return view{n, t.Follows}, nil
}

// listTitles lists all titles. Those that are disabled are listed for those who may change them.
func (h *handler) listTitles(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	if err := h.catalog.NumberTitles(r.Context()); err != nil {
		return err
	}
	rows := []titleRow{}
	for t := range h.catalog.Find(catalog.Filter{Disabled: true}) {
		// A title that was just created by other means has no number yet.
		if t.Number != 0 && (!t.Disabled || r.mayChange(t)) {
			rows = append(rows, row(t))
		}
	}
	slices.SortFunc(rows, func(a, b titleRow) int { return cmp.Compare(a.SoftwareTitleID, b.SoftwareTitleID) })
	return r.reply(rows)
}

// createTitle creates a title: bare, or with everything in it. It is disabled.
func (h *handler) createTitle(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	if err := h.authorize(r.Context(), r.principal, auth.ActionCreate, auth.Title{}); err != nil {
		return err
	}
	o, err := r.object()
	if err != nil {
		return err
	}
	d := o.newDefinition(h.now())
	if err := o.err(); err != nil {
		return err
	}
	if err := r.turn(max(0, r.ContentLength)); err != nil {
		return err
	}
	var made *numbered.Title
	err = h.own(r.Context(), r.principal, func(owner catalog.CreateOptions) (string, error) {
		var err error
		made, err = h.create(r, d, owner)
		return d.ID, err
	})
	if err != nil {
		return err
	}
	r.logChange(r.Context(), "title created", "title", made.Definition.ID, "enabled", made.Enabled)
	return r.reply(view{Title: made}.title())
}

// create creates a title that owner describes.
func (h *handler) create(r *request, d *patch.Definition, owner catalog.CreateOptions) (*numbered.Title, error) {
	if owner.Author != "" {
		if err := d.NamespaceStored(owner.Author); err != nil {
			return nil, err
		}
	}
	about := auth.Title{ID: d.ID, Contributor: r.principal.Contributor}
	if err := h.authorize(r.Context(), r.principal, auth.ActionCreate, about); err != nil {
		return nil, err
	}
	owner.By = r.maker()
	return h.catalog.CreateNumbered(r.Context(), &numbered.Title{Definition: d}, &owner)
}

func (h *handler) getTitle(r *request) error {
	t, all, err := h.readable(r, h.catalog.ByNumber)
	if err != nil {
		return err
	}
	v, err := h.load(r, t, all)
	if err != nil {
		return err
	}
	return r.reply(v.title())
}

func (h *handler) listPatches(r *request) error {
	t, all, err := h.readable(r, h.catalog.ByNumber)
	if err != nil {
		return err
	}
	v, err := h.load(r, t, all)
	if err != nil {
		return err
	}
	return r.reply(v.patches())
}

// updateTitle changes the members of a title that are given. Lists of its parts are ignored: they have calls of their
// own.
func (h *handler) updateTitle(r *request) error {
	t, err := h.writable(r, h.catalog.ByNumber)
	if err != nil {
		return err
	}
	o, err := r.object()
	if err != nil {
		return err
	}
	change := o.updateTitle()
	if err := o.err(); err != nil {
		return err
	}
	if id, ok := o.filled("id"); ok && id != t.ID {
		if enabled, _ := o.flag("enabled"); enabled && t.Disabled {
			return errRenameEnables // enabling may fail after the title was renamed
		}
		if t, err = h.rename(r, t, id); err != nil {
			return err
		}
	}
	v, err := h.edit(r, t, change)
	if err != nil {
		return err
	}
	return r.reply(v.title())
}

// updateTitle returns the change of a title that the object asks for.
func (o object) updateTitle() func(*numbered.Title) error {
	name, hasName := o.filled("name")
	publisher, hasPublisher := o.text("publisher")
	app, hasApp := o.text("appName")
	bundle, hasBundle := o.text("bundleId")
	version, hasVersion := o.text("currentVersion")
	id, hasID := o.filled("id")
	enabled, hasEnabled := o.flag("enabled")
	return func(t *numbered.Title) error {
		d := t.Definition
		if hasID && id != d.ID {
			return errRename
		}
		set(&d.Name, name, hasName)
		set(&d.Publisher, publisher, hasPublisher)
		setPointer(&d.AppName, app, hasApp)
		setPointer(&d.BundleID, bundle, hasBundle)
		if hasEnabled {
			t.Enabled = enabled
		}
		if !t.Enabled {
			set(&d.CurrentVersion, version, hasVersion)
			return nil
		}
		first := firstEnabled(d)
		if len(d.Requirements) == 0 || first == nil {
			return errTitleIncomplete
		}
		d.CurrentVersion = first.Version
		return nil
	}
}

// firstEnabled returns the first patch that is enabled, and nil if there is none.
func firstEnabled(d *patch.Definition) *patch.Patch {
	for i := range d.Patches {
		if !d.Patches[i].Disabled {
			return &d.Patches[i]
		}
	}
	return nil
}

// deleteTitle deletes a title, and the tokens that were for it alone.
func (h *handler) deleteTitle(r *request) error {
	t, err := h.writable(r, h.catalog.ByNumber)
	if err != nil {
		return err
	}
	err = h.catalog.Delete(r.Context(), t.ID, &catalog.EditOptions{UID: t.UID, By: r.maker()})
	if err != nil {
		return err
	}
	r.logChange(r.Context(), "title deleted", "title", t.ID)
	// These tokens are no longer valid: revoking them only removes their records.
	if err := h.tokens.RevokeTitle(r.Context(), t.UID); err != nil && !errors.Is(err, auth.ErrNotFound) {
		h.log.ErrorContext(r.Context(), "the tokens of a deleted title could not be revoked",
			"title", t.ID, "error", err)
	}
	return r.deleted()
}

// rename gives another id to a title that has never been served, and returns the title.
func (h *handler) rename(r *request, t catalog.Title, id string) (catalog.Title, error) {
	about := auth.Title{ID: id, Contributor: t.Contributor}
	if err := h.authorize(r.Context(), r.principal, auth.ActionCreate, about); err != nil {
		return t, err
	}
	err := h.catalog.Rename(r.Context(), t.ID, id, &catalog.EditOptions{UID: t.UID, By: r.maker()})
	if errors.Is(err, catalog.ErrServed) {
		err = errRename
	}
	if err != nil {
		return t, err
	}
	r.logChange(r.Context(), "title renamed", "title", t.ID, "id", id)
	return h.catalog.Lookup(id)
}
