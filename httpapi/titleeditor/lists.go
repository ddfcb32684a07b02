package titleeditor

import (
	"slices"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// operatorsOf returns the operators of a criterion of type recon, and false if the criterion is not known.
func operatorsOf(name string) (operators []string, known bool) {
	if name == computerGroup {
		return groupOperators, true
	}
	return patch.CriterionOperators(name), slices.Contains(patch.CriterionNames(), name)
}

// computerGroup is a criterion that Title Editor offers besides those of package patch.
const computerGroup = "Computer Group"

var groupOperators = []string{"member of", "not member of"}

func (h *handler) criterionNames(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	names := append(patch.CriterionNames(), computerGroup)
	slices.Sort(names)
	return r.reply(names)
}

func (h *handler) criterionTypes(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	return r.reply([]string{typeRecon, typeAttribute})
}

// criterionOperators answers with the operators of a criterion. A name that is not known is taken for the key of an
// extension attribute.
func (h *handler) criterionOperators(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	o, err := r.object()
	if err != nil {
		return err
	}
	name := o.required("name")
	if err := o.err(); err != nil {
		return err
	}
	operators, _ := operatorsOf(name)
	return r.reply(operators)
}

// nothing answers with an empty list.
func (h *handler) nothing(r *request) error {
	if err := r.authenticate(); err != nil {
		return err
	}
	return r.reply([]any{})
}

// nothingOfTitle answers with an empty list about a title.
func (h *handler) nothingOfTitle(r *request) error {
	if _, _, err := h.readable(r, h.catalog.ByNumber); err != nil {
		return err
	}
	return r.reply([]any{})
}

// nothingOf returns a handler that answers with an empty list about a part of a kind.
func (h *handler) nothingOf(kind numbered.Kind) handlerFunc {
	return func(r *request) error {
		if _, _, err := h.find(r, kind); err != nil {
			return err
		}
		return r.reply([]any{})
	}
}
