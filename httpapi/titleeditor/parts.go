package titleeditor

import (
	"slices"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
)

// getPart returns a handler that answers with a part of a kind.
func (h *handler) getPart(kind numbered.Kind) handlerFunc {
	return func(r *request) error {
		v, at, err := h.find(r, kind)
		if err != nil {
			return err
		}
		return r.reply(v.part(at))
	}
}

// find returns the title of the part of a kind that the path names, and its place.
func (h *handler) find(r *request, kind numbered.Kind) (v view, at numbered.Place, err error) {
	t, all, err := h.readable(r, h.catalog.ByPartNumber)
	if err != nil {
		return v, at, err
	}
	if v, err = h.load(r, t, all); err != nil {
		return v, at, err
	}
	at, ok := v.Find(kind, r.number())
	if !ok {
		return v, at, errNotFound
	}
	return v, at, nil
}

// updatePart returns a handler that changes the members of a part which are given.
func (h *handler) updatePart(kind numbered.Kind) handlerFunc {
	return func(r *request) error {
		t, err := h.writable(r, h.catalog.ByPartNumber)
		if err != nil {
			return err
		}
		o, err := r.object()
		if err != nil {
			return err
		}
		update := o.update(kind)
		if err := o.err(); err != nil {
			return err
		}
		return h.editPart(r, t, kind, update)
	}
}

// editPart changes the part of a kind that the path names, and answers with the part that update returns.
func (h *handler) editPart(r *request, t catalog.Title, kind numbered.Kind, update update) error {
	var at numbered.Place
	v, err := h.edit(r, t, func(n *numbered.Title) error {
		found, ok := n.Find(kind, r.number())
		if !ok {
			return errNotFound
		}
		var err error
		at, err = update(n, found)
		return err
	})
	if err != nil {
		return err
	}
	return r.reply(v.part(at))
}

// deletePart returns a handler that deletes a part of a kind.
func (h *handler) deletePart(kind numbered.Kind) handlerFunc {
	return func(r *request) error {
		t, err := h.writable(r, h.catalog.ByPartNumber)
		if err != nil {
			return err
		}
		_, err = h.edit(r, t, func(n *numbered.Title) error {
			at, ok := n.Find(kind, r.number())
			if !ok {
				return errNotFound
			}
			n.Remove(at)
			return nil
		})
		if err != nil {
			return err
		}
		return r.deleted()
	}
}

// add adds a part to the title that the path names. make reads the part from the body and returns a function that adds
// it.
func (h *handler) add(r *request, make func(object) func(*numbered.Title) (numbered.Place, error)) error {
	t, err := h.writable(r, h.catalog.ByNumber)
	if err != nil {
		return err
	}
	o, err := r.object()
	if err != nil {
		return err
	}
	add := make(o)
	if err := o.err(); err != nil {
		return err
	}
	var at numbered.Place
	v, err := h.edit(r, t, func(n *numbered.Title) error {
		var err error
		at, err = add(n)
		return err
	})
	if err != nil {
		return err
	}
	return r.reply(v.part(at))
}

// addTo adds a part to the part of a kind that the path names. make is as that of add.
func (h *handler) addTo(r *request, kind numbered.Kind, make func(object) update) error {
	t, err := h.writable(r, h.catalog.ByPartNumber)
	if err != nil {
		return err
	}
	o, err := r.object()
	if err != nil {
		return err
	}
	add := make(o)
	if err := o.err(); err != nil {
		return err
	}
	return h.editPart(r, t, kind, add)
}

// addPatch adds a patch with the parts that the body has: in front, unless the body says where.
func (h *handler) addPatch(r *request) error {
	return h.add(r, func(o object) func(*numbered.Title) (numbered.Place, error) {
		p := o.newPatch(h.now(), "")
		to := o.order(0)
		return func(t *numbered.Title) (numbered.Place, error) {
			if t.Definition.FindPatch(p.Version) >= 0 {
				return numbered.Place{}, duplicate("version", versionTaken)
			}
			added := p.Clone()
			for i := range added.Components {
				if added.Components[i].Name == "" {
					added.Components[i].Name = t.Definition.Name
				}
			}
			return t.AddPatch(to, added), nil
		}
	})
}

func (h *handler) addRequirement(r *request) error {
	return h.add(r, func(o object) func(*numbered.Title) (numbered.Place, error) {
		c, to := o.newCriterion(), o.order(-1)
		return func(t *numbered.Title) (numbered.Place, error) { return t.AddRequirement(to, c), nil }
	})
}

// addExtensionAttribute adds the extension attribute of a title that has none.
func (h *handler) addExtensionAttribute(r *request) error {
	return h.add(r, func(o object) func(*numbered.Title) (numbered.Place, error) {
		a := o.newExtensionAttribute()
		return func(t *numbered.Title) (numbered.Place, error) {
			if len(t.Definition.ExtensionAttributes) > 0 {
				return numbered.Place{}, &apiError{400, codeLimit, "The title has an extension attribute already.", ""}
			}
			return t.AddExtensionAttribute(a), nil
		}
	})
}

func (h *handler) addKillApp(r *request) error {
	return h.addTo(r, numbered.Patch, func(o object) update {
		k := o.newKillApp()
		return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
			return t.AddKillApp(at.Patch, k), nil
		}
	})
}

// addComponent adds the component of a patch that has none.
func (h *handler) addComponent(r *request) error {
	return h.addTo(r, numbered.Patch, func(o object) update {
		c := o.newComponent("", "")
		return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
			p := t.Patch(at)
			if len(p.Components) > 0 {
				return at, &apiError{400, codeLimit, "The patch has a component already.", ""}
			}
			added := c
			added.Criteria = slices.Clone(c.Criteria)
			set(&added.Name, t.Definition.Name, c.Name == "")
			set(&added.Version, p.Version, c.Version == "")
			return t.AddComponent(at.Patch, added), nil
		}
	})
}

func (h *handler) addCapability(r *request) error {
	return h.addTo(r, numbered.Patch, func(o object) update {
		c, to := o.newCriterion(), o.order(-1)
		return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
			return t.AddCapability(at.Patch, to, c), nil
		}
	})
}

func (h *handler) addCriterion(r *request) error {
	return h.addTo(r, numbered.Component, func(o object) update {
		c, to := o.newCriterion(), o.order(-1)
		return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
			return t.AddCriterion(at.Patch, at.Component, to, c), nil
		}
	})
}

// clonePatch adds a copy of a patch as another version: in front, and disabled. Where the patch names its version as a
// whole value, the copy names the new one.
func (h *handler) clonePatch(r *request) error {
	return h.addTo(r, numbered.Patch, func(o object) update {
		version := o.newVersion()
		now := h.now()
		return func(t *numbered.Title, at numbered.Place) (numbered.Place, error) {
			if t.Definition.FindPatch(version) >= 0 {
				return at, duplicate("version", versionTaken)
			}
			next := t.Definition.Patches[at.Patch].NextVersion(version, now)
			next.Disabled = true
			return t.AddPatch(0, next), nil
		}
	})
}
