package titleeditor

import (
	"fmt"
	"net/http"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// A kind is a kind of part of a title, with what the calls about it do.
type kind struct {
	of     numbered.Kind
	parent numbered.Kind // 0: the title
	// insert adds a part, made from a body, to the part at parent, and returns its place.
	insert func(t *numbered.Title, parent numbered.Place, b *body, r *reader) (numbered.Place, error)
	// change changes the part at p by a body, and returns its place afterwards.
	change func(t *numbered.Title, p numbered.Place, b *body, r *reader) (numbered.Place, error)
	// view returns the part at p as answers show it.
	view func(t *numbered.Title, p numbered.Place) any
}

// The kinds of parts.
var (
	requirements = &kind{
		of: numbered.Requirement,
		insert: func(t *numbered.Title, _ numbered.Place, b *body, r *reader) (numbered.Place, error) {
			var c patch.Criterion
			r.criterion("", b, &c)
			return t.AddRequirement(position(b, -1), c), nil
		},
		change: changeCriterion,
		view:   viewCriterion,
	}
	attributes = &kind{
		of: numbered.ExtensionAttribute,
		insert: func(t *numbered.Title, _ numbered.Place, b *body, r *reader) (numbered.Place, error) {
			if len(t.Definition.ExtensionAttributes) > 0 {
				return numbered.Place{}, refuse(http.StatusBadRequest, codeDuplicate,
					"The title has an extension attribute already: delete it first.")
			}
			var a patch.ExtensionAttribute
			r.attribute("", b, &a)
			return t.AddExtensionAttribute(a), nil
		},
		change: func(t *numbered.Title, p numbered.Place, b *body, r *reader) (numbered.Place, error) {
			r.attribute("", b, t.ExtensionAttribute(p))
			return p, nil
		},
		view: func(t *numbered.Title, p numbered.Place) any { return viewAttribute(t, p) },
	}
	patches = &kind{
		of:     numbered.Patch,
		insert: insertPatch,
		change: changePatch,
		view:   func(t *numbered.Title, p numbered.Place) any { return viewPatch(t, p) },
	}
	killApps = &kind{
		of:     numbered.KillApp,
		parent: numbered.Patch,
		insert: func(t *numbered.Title, parent numbered.Place, b *body, r *reader) (numbered.Place, error) {
			var k patch.KillApp
			r.killApp("", b, &k)
			return t.AddKillApp(parent.Patch, k), nil
		},
		change: func(t *numbered.Title, p numbered.Place, b *body, r *reader) (numbered.Place, error) {
			r.killApp("", b, t.KillApp(p))
			return p, nil
		},
		view: func(t *numbered.Title, p numbered.Place) any { return viewKillApp(t, p) },
	}
	components = &kind{
		of:     numbered.Component,
		parent: numbered.Patch,
		insert: func(t *numbered.Title, parent numbered.Place, b *body, r *reader) (numbered.Place, error) {
			v := &t.Definition.Patches[parent.Patch]
			if len(v.Components) > 0 {
				return numbered.Place{}, refuse(http.StatusBadRequest, codeDuplicate,
					"The patch has a component already, and Jamf Pro supports one: delete it first.")
			}
			return t.AddComponent(parent.Patch, r.newComponent("", b, t.Definition.Name, v.Version)), nil
		},
		change: func(t *numbered.Title, p numbered.Place, b *body, r *reader) (numbered.Place, error) {
			r.component("", b, t.Component(p))
			return p, nil
		},
		view: func(t *numbered.Title, p numbered.Place) any { return viewComponent(t, p) },
	}
	capabilities = &kind{
		of:     numbered.Capability,
		parent: numbered.Patch,
		insert: func(t *numbered.Title, parent numbered.Place, b *body, r *reader) (numbered.Place, error) {
			var c patch.Criterion
			r.criterion("", b, &c)
			return t.AddCapability(parent.Patch, position(b, -1), c), nil
		},
		change: changeCriterion,
		view:   viewCriterion,
	}
	criteria = &kind{
		of:     numbered.Criterion,
		parent: numbered.Component,
		insert: func(t *numbered.Title, parent numbered.Place, b *body, r *reader) (numbered.Place, error) {
			var c patch.Criterion
			r.criterion("", b, &c)
			return t.AddCriterion(parent.Patch, parent.Component, position(b, -1), c), nil
		},
		change: changeCriterion,
		view:   viewCriterion,
	}
)

// position returns the index that a body gives, and otherwise the default.
func position(b *body, otherwise int) int {
	if b.AbsoluteOrderID == nil {
		return otherwise
	}
	return max(*b.AbsoluteOrderID, 0)
}

// changeCriterion changes a criterion of any kind.
func changeCriterion(t *numbered.Title, p numbered.Place, b *body, r *reader) (numbered.Place, error) {
	r.criterion("", b, t.Criterion(p))
	if b.AbsoluteOrderID != nil {
		p = t.Move(p, position(b, 0))
	}
	return p, nil
}

// insertPatch adds a patch with its parts, in front unless the body says where.
func insertPatch(t *numbered.Title, _ numbered.Place, b *body, r *reader) (numbered.Place, error) {
	p := r.newPatch("", t.Definition.Name, b)
	if t.Definition.FindPatch(p.Version) >= 0 {
		return numbered.Place{}, duplicateVersion(p.Version)
	}
	return t.AddPatch(position(b, 0), p), nil
}

// duplicateVersion returns the error of a version that a title has already.
func duplicateVersion(version string) error {
	return &refusal{http.StatusBadRequest, []apiError{{codeDuplicate,
		fmt.Sprintf("The title has version %q already.", version), "version"}}}
}

// changePatch changes the members of a patch, but not its parts, which have calls of their own.
func changePatch(t *numbered.Title, p numbered.Place, b *body, r *reader) (numbered.Place, error) {
	if b.Version != nil {
		if i := t.Definition.FindPatch(*b.Version); i >= 0 && i != p.Patch {
			return p, duplicateVersion(*b.Version)
		}
	}
	v := t.Patch(p)
	r.patch("", b, v)
	if b.Enabled != nil {
		if *b.Enabled && !t.Complete(p.Patch) {
			return p, refuse(http.StatusBadRequest, codeInvalid, "The patch cannot be enabled: "+
				"it needs a capability, and a component with a criterion.")
		}
		v.Disabled = !*b.Enabled
	}
	if b.AbsoluteOrderID != nil {
		p = t.Move(p, position(b, 0))
	}
	return p, nil
}

// add adds a part of the kind to the part, or the title, with the number in the path.
func (k *kind) add(c *call) (any, error) {
	var b body
	if err := c.body(&b); err != nil {
		return nil, err
	}
	var place numbered.Place
	t, err := c.edit(k.parent, func(t *numbered.Title, parent numbered.Place) (err error) {
		r := &reader{now: c.Now()}
		if place, err = k.insert(t, parent, &b, r); err != nil {
			return err
		}
		return r.result()
	})
	if err != nil {
		return nil, err
	}
	return k.view(t, place), nil
}

// get answers with the part with the number in the path.
func (k *kind) get(c *call) (any, error) {
	t, place, _, err := c.read(k.of)
	if err != nil {
		return nil, err
	}
	return k.view(t, place), nil
}

// put changes the part with the number in the path.
func (k *kind) put(c *call) (any, error) {
	var b body
	if err := c.body(&b); err != nil {
		return nil, err
	}
	t, place, err := c.change(k.of, func(t *numbered.Title, p numbered.Place) (numbered.Place, error) {
		r := &reader{now: c.Now()}
		place, err := k.change(t, p, &b, r)
		if err != nil {
			return p, err
		}
		return place, r.result()
	})
	if err != nil {
		return nil, err
	}
	return k.view(t, place), nil
}

// delete removes the part with the number in the path.
func (k *kind) delete(c *call) (any, error) {
	_, err := c.edit(k.of, func(t *numbered.Title, p numbered.Place) error {
		t.Remove(p)
		return nil
	})
	return nil, err
}

// addPatch adds a patch to a title.
func (c *call) addPatch() (any, error) { return patches.add(c) }

// clonePatch adds a copy of a patch in front, which is disabled.
func (c *call) clonePatch() (any, error) {
	var b body
	if err := c.body(&b); err != nil {
		return nil, err
	}
	t, place, err := c.change(numbered.Patch, func(t *numbered.Title, p numbered.Place) (numbered.Place, error) {
		r := &reader{now: c.Now()}
		var version string
		r.text("", "version", b.Version, &version, true)
		if err := r.result(); err != nil {
			return p, err
		}
		if err := patch.CheckVersion(version); err != nil {
			r.fail(codeInvalid, "version", err.Error())
			return p, r.result()
		}
		if t.Definition.FindPatch(version) >= 0 {
			return p, duplicateVersion(version)
		}
		next := t.Definition.Patches[p.Patch].NextVersion(version, c.Now())
		next.Disabled = true
		return t.AddPatch(0, next), nil
	})
	if err != nil {
		return nil, err
	}
	return viewPatch(t, place), nil
}
