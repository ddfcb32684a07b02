package patch

import (
	"fmt"
	"slices"
)

// ParseRepair reads a definition as [Parse] does, and mends two faults that other
// systems' exports have: a missing extensionAttributes is taken as empty, and keys
// of extension attributes that stand twice are numbered. Each is told of in a
// warning ([CodeMissingAttributes], [CodeRepeatedAttribute]).
//
// The error is that of Parse.
func ParseRepair(data []byte, opts *ParseOptions) (*Definition, []Warning, error) {
	var warnings []Warning
	d, err := parse(data, opts, (*reader).repairable, func(c *checker, d *Definition) {
		warnings = repair(c, d)
		checkDefinition(c, d)
	})
	if err != nil {
		return nil, nil, err
	}
	return d, warnings, nil
}

// repairable reads a definition that need not have extensionAttributes.
func (r *reader) repairable(d *Definition) {
	attributes := slices.Index(definitionKeys, "extensionAttributes")
	r.definitionWith(slices.Delete(slices.Clone(definitionKeys), attributes, attributes+1), d)
}

func repair(c *checker, d *Definition) (warnings []Warning) {
	if d.ExtensionAttributes == nil { // and if it has the wrong type, that has failed
		d.ExtensionAttributes = []ExtensionAttribute{}
		warnings = append(warnings, Warning{
			Code:    CodeMissingAttributes,
			Path:    c.at + "/extensionAttributes",
			Message: "extensionAttributes is missing: a definition without any has it as an empty array",
			Fix:     "taken as an empty array: []",
		})
	}
	taken := make(map[string]bool, len(d.ExtensionAttributes))
	for _, a := range d.ExtensionAttributes {
		taken[a.Key] = true
	}
	seen := make(map[string]int, len(d.ExtensionAttributes)) // how far a key is numbered
	for i := range d.ExtensionAttributes {
		a := &d.ExtensionAttributes[i]
		number := seen[a.Key]
		if number == 0 || a.Key == "" {
			seen[a.Key] = 1
			continue
		}
		key := a.Key
		for taken[a.Key] {
			number++
			a.Key = fmt.Sprintf("%s-%d", key, number)
		}
		seen[key] = number
		taken[a.Key] = true
		warnings = append(warnings, Warning{
			Code:    CodeRepeatedAttribute,
			Path:    fmt.Sprintf("%s/extensionAttributes/%d/key", c.at, i),
			Message: fmt.Sprintf("the key %q stands twice: criteria mean the first one", shorten(key)),
			Fix:     fmt.Sprintf("numbered: %q", shorten(a.Key)),
		})
	}
	return warnings
}
