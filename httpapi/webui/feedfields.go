package webui

import (
	"maps"
	"slices"
	"strings"
)

// A formField is a field of the form for a feed, as the template shows it.
type formField struct {
	feedWord
	ID, Path, Value string
	Fault           *fault
	Guess           string
}

// For returns the kinds of feeds that use the field, separated by spaces.
func (w feedWord) For() string { return strings.Join(w.Kinds, " ") }

// Describes returns the ids of the elements that describe the field, separated by spaces.
func (f formField) Describes() string {
	var ids []string
	if f.Fault != nil {
		ids = append(ids, f.Fault.ID)
	}
	if f.Guess != "" {
		ids = append(ids, f.ID+"-guess")
	}
	if f.Hint != "" {
		ids = append(ids, f.ID+"-hint")
	}
	return strings.Join(ids, " ")
}

// Unknown reports whether the value is none of the choices.
func (f formField) Unknown() bool {
	return !slices.ContainsFunc(f.Choices, func(c choice) bool { return c.Value == f.Value }) && f.Value != ""
}

// A formGroup is a group of fields, as the template shows it.
type formGroup struct {
	Legend, Hint string
	Folded, Open bool
	Fields       []formField
}

// field returns a field of the form.
func (f *feedForm) field(prefix string, w feedWord) formField {
	path := prefix + w.Name
	return formField{
		feedWord: w,
		ID:       "field" + strings.ReplaceAll(path, "/", "-"),
		Path:     path,
		Value:    f.values[path],
		Fault:    f.Fault(path),
		Guess:    f.guesses[path],
	}
}

// group returns a group of fields of the form.
func (f *feedForm) group(g feedGroup) formGroup {
	out := formGroup{Legend: g.Legend, Hint: g.Hint, Folded: g.Folded}
	for _, w := range g.Words {
		field := f.field(g.Prefix, w)
		out.Open = out.Open || field.Value != "" || field.Fault != nil
		out.Fields = append(out.Fields, field)
	}
	return out
}

// allGroups returns the groups of the form's fields.
func (f *feedForm) allGroups() []feedGroup {
	all := slices.Concat(feedGroups, policyGroups)
	if f.ID == "" {
		more := &all[len(all)-1]
		more.Words = append(slices.Clone(more.Words), backfillWord)
		all = append(all, identityGroup)
	}
	return all
}

// Kinds returns the kinds of feeds that the form offers.
func (f *feedForm) Kinds() []feedKind { return feedKinds }

// KindField returns the field of the kind.
func (f *feedForm) KindField() formField {
	field := f.field("/feed/", feedWord{Name: "kind"})
	if whole := f.guesses["/feed"]; whole != "" { // a draft's word on the whole feed
		field.Guess = strings.TrimSpace(field.Guess + " " + whole)
	}
	return field
}

// OtherKind returns the kind if it is not one that the form offers.
func (f *feedForm) OtherKind() string {
	if kind := f.values[kindPath]; kindByName(kind) == nil {
		return kind
	}
	return ""
}

// Identity returns the fields of a new title.
func (f *feedForm) Identity() formGroup { return f.group(identityGroup) }

// FeedGroups returns the fields of the feed.
func (f *feedForm) FeedGroups() []formGroup { return f.groupsOf("/feed/") }

// PolicyGroups returns the fields of the policy.
func (f *feedForm) PolicyGroups() []formGroup { return f.groupsOf("/policy/") }

func (f *feedForm) groupsOf(prefix string) (all []formGroup) {
	for _, g := range f.allGroups() {
		if g.Prefix == prefix {
			all = append(all, f.group(g))
		}
	}
	return all
}

// A guess is a mark of a draft, by the JSON Pointer of the part that it is about.
type guess struct{ Path, Why string }

// Guesses returns the marks of a draft.
func (f *feedForm) Guesses() (all []guess) {
	for _, path := range slices.Sorted(maps.Keys(f.guesses)) {
		all = append(all, guess{path, f.guesses[path]})
	}
	return all
}

// LooseGuesses returns the marks that belong to no field.
func (f *feedForm) LooseGuesses() (all []guess) {
	fields := map[string]bool{kindPath: true, "/feed": true}
	for _, g := range f.allGroups() {
		for _, w := range g.Words {
			fields[g.Prefix+w.Name] = true
		}
	}
	for _, g := range f.Guesses() {
		if !fields[g.Path] {
			all = append(all, g)
		}
	}
	return all
}
