package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

const (
	// maxStepsAnonymous bounds the work of an evaluation without a token: about a second.
	maxStepsAnonymous = patch.DefaultMaxSteps / 4
	// maxStepsToken bounds it with one.
	maxStepsToken = patch.DefaultMaxSteps
)

// evaluate answers with what Jamf Pro would report for computers. Nothing is stored.
func (c *lintCalls) evaluate(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.anyone(r, c.rate)
	if err != nil {
		return err
	}
	var members map[string]jsontext.Value
	if err := c.bodies.object(w, r, &members); err != nil {
		return err
	}
	maxComputers, maxSteps := wire.MaxComputers, maxStepsToken
	if principal.Anonymous() {
		maxComputers, maxSteps = wire.MaxComputersAnonymous, maxStepsAnonymous
	}
	f := &form{}
	computers, err := f.computers(members["computers"], maxComputers)
	if err != nil {
		return err
	}
	def, err := c.definitionOf(r, principal, f, members)
	if err != nil {
		return err
	}
	results, err := patch.EvaluateContext(r.Context(), def, computers, &patch.EvaluateOptions{MaxSteps: maxSteps})
	if err != nil {
		return err
	}
	data, err := json.Marshal(wire.Evaluations(results))
	if err != nil {
		return err
	}
	leave, err := c.budget.send(w, r, len(data))
	if err != nil {
		return err
	}
	if leave != nil {
		defer leave()
	}
	return replyUncached(w, http.StatusOK, jsontext.Value(data))
}

// definitionOf returns the definition that a request names or has. The error is that of f, if f has failures.
func (c *lintCalls) definitionOf(
	r *http.Request, principal auth.Principal, f *form, members map[string]jsontext.Value,
) (*patch.Definition, error) {
	title, text := members["title"], members["definition"]
	switch {
	case title == nil && text == nil:
		f.fail("", "has neither title nor definition: add the id of a title, or a definition")
		return nil, f.err()
	case title != nil && text != nil:
		f.fail("/definition", "cannot be given together with title: remove one of them")
		return nil, f.err()
	case text != nil:
		return c.definitionIn(f, text)
	}
	id := f.text(title, "/title")
	if err := f.err(); err != nil {
		return nil, err
	}
	meant, err := c.resolve(r.Context(), id, principal, c.catalog.Title)
	if err != nil {
		return nil, err
	}
	// The turn that the body has is too small for the title's definition as well.
	callOf(r).endTurn()
	if err := c.budget.turn(r, int(meant.Bytes)+len(members["computers"])); err != nil {
		return nil, err
	}
	def, _, err := c.catalog.Load(r.Context(), meant.ID)
	return def, err
}

// definitionIn parses the definition of a request.
func (c *lintCalls) definitionIn(f *form, text jsontext.Value) (*patch.Definition, error) {
	def, err := patch.Parse(text, c.bodies.parseOptions())
	var invalid *patch.ValidationError
	switch {
	case errors.As(err, &invalid):
		for _, failure := range invalid.Failures {
			f.fail("/definition"+failure.Path, failure.Message)
		}
		f.Truncated = f.Truncated || invalid.Truncated
	case err != nil:
		return nil, err
	}
	return def, f.err()
}

// maxInventoryObjects bounds the computers and applications of a request.
const maxInventoryObjects = 500_000

// elementsOf yields at most limit elements of an array, whose syntax was checked.
func elementsOf(array jsontext.Value, limit int) iter.Seq[jsontext.Value] {
	return func(yield func(jsontext.Value) bool) {
		d := jsontext.NewDecoder(bytes.NewReader(array))
		_, err := d.ReadToken() // the bracket
		for range limit {
			var element jsontext.Value
			if err == nil && d.PeekKind() != ']' {
				element, err = d.ReadValue()
			} else {
				return
			}
			if err != nil || !yield(element.Clone()) {
				return
			}
		}
	}
}

// computers returns the computers of a request, of which at most maxComputers are accepted.
func (f *form) computers(list jsontext.Value, maxComputers int) ([]patch.Computer, error) {
	if list == nil {
		f.fail("/computers", "is missing: add it")
		return nil, nil
	}
	if list.Kind() != '[' {
		f.fail("/computers", "must be an array")
		return nil, nil
	}
	// Without reading them, this bounds the computers and their applications.
	if n := bytes.Count(list, []byte{'{'}); n > maxInventoryObjects {
		return nil, fmt.Errorf("%w: the computers have more than %d objects: send fewer at once", patch.ErrTooLarge,
			maxInventoryObjects)
	}
	values := slices.Collect(elementsOf(list, maxInventoryObjects))
	if n := len(values); n > maxComputers {
		return nil, fmt.Errorf("%w: %d computers are evaluated at once with a token, %d without; the request has %d",
			patch.ErrTooLarge, wire.MaxComputers, wire.MaxComputersAnonymous, n)
	}
	computers := make([]patch.Computer, len(values))
	for i, v := range values {
		if json.Unmarshal(v, &computers[i]) != nil || v.Kind() == 'n' {
			f.computer(v, fmt.Sprintf("/computers/%d", i))
		}
	}
	return computers, nil
}

// computer notes the failures of a computer that cannot be read.
func (f *form) computer(v jsontext.Value, path string) {
	members, ok := f.object(v, path)
	if !ok {
		return
	}
	f.texts(members, path, "name", "os_version")
	for _, name := range []string{"extension_attributes", "facts"} {
		f.textMap(members[name], path+"/"+name)
	}
	apps := members["applications"]
	if absent(apps) {
		return
	}
	if apps.Kind() != '[' {
		f.fail(path+"/applications", "must be an array")
		return
	}
	i := -1
	for app := range elementsOf(apps, maxInventoryObjects) {
		if i++; f.Truncated {
			return
		}
		at := fmt.Sprintf("%s/applications/%d", path, i)
		if fields, ok := f.object(app, at); ok {
			f.texts(fields, at, "name", "bundle_id", "version")
		}
	}
}

// absent reports whether a member is missing or null.
func absent(v jsontext.Value) bool { return v == nil || v.Kind() == 'n' }

// object returns the members of a JSON object.
func (f *form) object(v jsontext.Value, path string) (members map[string]jsontext.Value, ok bool) {
	if v.Kind() != '{' || json.Unmarshal(v, &members) != nil {
		f.fail(path, "must be an object")
		return nil, false
	}
	return members, true
}

// texts notes the members of these names that are present and no strings.
func (f *form) texts(members map[string]jsontext.Value, path string, names ...string) {
	for _, name := range names {
		if v := members[name]; !absent(v) && v.Kind() != '"' {
			f.fail(path+"/"+name, "must be a string")
		}
	}
}

// textMap notes the members of an object, if it is present, that are no strings.
func (f *form) textMap(v jsontext.Value, path string) {
	if absent(v) {
		return
	}
	members, ok := f.object(v, path)
	if !ok {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if v := members[name]; !absent(v) && v.Kind() != '"' {
			f.fail(string(jsontext.Pointer(path).AppendToken(name)), "must be a string")
		}
	}
}
