package patch

import (
	"fmt"
	"slices"
)

// ParseRepair reads a definition as [Parse] does, and repairs two faults of other systems' exports: missing
// extensionAttributes are read as an empty list, and duplicate keys of extension attributes are numbered. It returns a
// warning for each repair (codes missing-attributes and repeated-attribute).
//
// Its errors are those of Parse.
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

// repairable reads a definition that may lack extensionAttributes.
func (r *reader) repairable(d *Definition) {
	r.definitionWith(slices.DeleteFunc(slices.Clone(requiredOfDefinition), func(name string) bool {
		return name == "extensionAttributes"
	}), d)
}

// repair repairs d and returns a warning for each repair.
func repair(c *checker, d *Definition) (warnings []Warning) {
	if d.ExtensionAttributes == nil { // they are missing, or have the wrong type, which is a failure already
		d.ExtensionAttributes = []ExtensionAttribute{}
		warnings = append(warnings, Warning{
			Code:    codeMissingAttributes,
			Path:    c.at + "/extensionAttributes",
			Message: "extensionAttributes is missing: a definition without any must have an empty array",
			Fix:     "read as an empty array: []",
		})
	}
	taken := make(map[string]bool, len(d.ExtensionAttributes))
	for _, a := range d.ExtensionAttributes {
		taken[a.Key] = true
	}
	last := make(map[string]int, len(d.ExtensionAttributes)) // the last number given to a key
	for i := range d.ExtensionAttributes {
		a := &d.ExtensionAttributes[i]
		number := last[a.Key]
		if number == 0 || a.Key == "" {
			last[a.Key] = 1
			continue
		}
		key := a.Key
		for taken[a.Key] {
			number++
			a.Key = fmt.Sprintf("%s-%d", key, number)
		}
		last[key] = number
		taken[a.Key] = true
		warnings = append(warnings, Warning{
			Code:    codeRepeatedAttribute,
			Path:    fmt.Sprintf("%s/extensionAttributes/%d/key", c.at, i),
			Message: fmt.Sprintf("the key %q is used twice: criteria refer to the first one", shorten(key)),
			Fix:     fmt.Sprintf("renamed to %q", shorten(a.Key)),
		})
	}
	return warnings
}
