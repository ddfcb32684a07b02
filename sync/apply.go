package patchsync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// An unreadError reports an item that could not be read, so that it is not known which title it is.
type unreadError struct{ err error }

// Error implements error.
func (e *unreadError) Error() string { return e.err.Error() }

// Unwrap returns the reason.
func (e *unreadError) Unwrap() error { return e.err }

// take fetches an item and applies its definition. It returns what to remember of the item, and whether its title
// has changed.
func (rd *round) take(ctx context.Context, it Item, was item) (now item, changed bool, err error) {
	fetched, err := it.Fetch(ctx)
	if err != nil {
		return was, false, &unreadError{err}
	}
	def := *fetched.Definition
	var held []patch.Patch
	if rd.job.mirror != nil {
		if held, err = holdBack(&def, it.Version); err != nil {
			return was, false, err
		}
	}
	res, err := rd.apply(ctx, it, &def, held)
	if err != nil {
		return was, false, err
	}
	rd.mu.Lock()
	rd.state.Signer = fetched.Signer
	rd.mu.Unlock()
	now = item{Mark: it.Mark, Title: res.Title.ID, ETag: res.Title.ETag}
	if first := def.Patches[0].Version; it.Version != "" && it.Version != first {
		// The source is between two states, or careless: retry, with backoff.
		now.Tries = was.Tries
		rd.refuse(&now, it, fmt.Errorf("the list says that the current version is %s, and the definition says %s",
			it.Version, first))
	}
	return now, res.Changed, nil
}

// holdBack removes from a definition, and returns, the patches that its source holds back: those in front of the
// current version, if the source's list and its definition agree on one that is not the first patch. The error is
// that of the whole definition.
func holdBack(d *patch.Definition, listed string) (held []patch.Patch, err error) {
	if listed == "" || d.CurrentVersion != listed {
		return nil, nil
	}
	first := d.FindPatch(listed)
	if first <= 0 {
		return nil, nil
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	held, d.Patches = d.Patches[:first:first], d.Patches[first:]
	return held, nil
}

// An origin is the mirror or the title that a round applies definitions for.
type origin struct {
	author         string
	from           string // the name of the mirror, or the URL that the title follows
	allowDowngrade bool
}

// origin returns the origin of the round. The error is catalog.ErrNotFound if the title that follows the source was
// deleted.
func (rd *round) origin() (origin, error) {
	if m := rd.job.mirror; m != nil {
		return origin{m.Author, m.Name, m.AllowDowngrade}, nil
	}
	want := rd.job.title
	title, err := rd.catalog.Title(want.id)
	if err == nil && title.UID != want.uid {
		err = &catalog.TitleError{ID: want.id, Err: catalog.ErrNotFound}
	}
	return origin{title.Author, title.From(), rd.allowDowngrade}, err
}

// apply replaces the definition of an item's title, or creates the title. held are the patches that the source holds
// back. fetched is not changed.
func (rd *round) apply(
	ctx context.Context, it Item, fetched *patch.Definition, held []patch.Patch,
) (catalog.Result, error) {
	none := catalog.Result{}
	of, err := rd.origin()
	if err != nil {
		return none, err
	}
	def := *fetched
	if err := rd.name(&def, of.author); err != nil {
		return none, err
	}
	if err := rd.claim(def.ID, it.ID); err != nil {
		return none, err
	}
	title, err := rd.catalog.Title(def.ID)
	switch {
	case errors.Is(err, catalog.ErrNotFound) && rd.job.mirror != nil:
		return rd.catalog.Create(ctx, &def, &catalog.CreateOptions{
			Author:  of.author,
			Follows: cmp.Or(it.URL, rd.job.source.Key()),
			Source:  of.from,
			Held:    held,
		})
	case err != nil:
		return none, err
	}
	if err := rd.check(&def, title, of, len(held) > 0); err != nil {
		return none, err
	}
	return rd.catalog.Replace(ctx, title.ID, &def, &catalog.EditOptions{
		UID:     title.UID,
		From:    of.from,
		IfMatch: title.ETag,
		Rename:  rd.job.mirror != nil, // the administrator decides how the titles of a mirror are named
		Held:    held,
	})
}

// name gives a definition the id and name that its title has here. Without a mirror, the id must be that of the
// title.
func (rd *round) name(def *patch.Definition, author string) error {
	fetched := def.ID
	if author != "" {
		if err := def.NamespaceStored(author); err != nil {
			return err
		}
	}
	m := rd.job.mirror
	if m == nil {
		if !strings.EqualFold(def.ID, rd.job.title.id) {
			return fmt.Errorf("%w: %q", catalog.ErrIDDiffers, fetched)
		}
		return nil
	}
	if m.Rename != nil {
		m.Rename(def)
	}
	return nil
}

// claim claims a title's id for an item, unless another item of the source has it.
func (rd *round) claim(title, id string) error {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	key := strings.ToLower(title)
	if other, taken := rd.claimed[key]; taken && other != id {
		return fmt.Errorf("another title of this source, %s, is %q already", redactID(other), title)
	}
	rd.claimed[key] = id
	return nil
}

// check reports why a definition must not replace that of a title: because the title came from elsewhere, or because
// the definition returns to an older version. holdsBack says that the source holds back newer versions.
func (rd *round) check(def *patch.Definition, title catalog.Title, of origin, holdsBack bool) error {
	if own := rd.job.mirror == nil; title.From() != of.from || own != (title.Source == "") {
		return fmt.Errorf("the title %q exists and did not come from this source: "+
			"delete it, or give the mirror an author", title.ID)
	}
	served, now := title.CurrentVersion, def.Patches[0].Version
	if of.allowDowngrade || patch.CompareVersions(now, served) >= 0 {
		return nil
	}
	err := fmt.Errorf("%w: %s, while %s is served", ErrDowngrade, now, served)
	if holdsBack {
		err = fmt.Errorf("%w; the source holds back newer ones: allow downgrades to follow that", err)
	}
	return err
}
