package patch

import "fmt"

// The model types are written in Jamf's JSON: the known members in the order of Jamf's documentation, then those of
// Extra as they were read, without white space. They are read by the rules of [Parse], apart from those that
// [ParseOptions.Stored] lifts. A read replaces the whole value; an error leaves it unchanged. JSON's null is refused.

// MarshalJSON returns the canonical form of d. It does not fail on a valid definition, and [Parse] reads an equal value
// from it.
func (d Definition) MarshalJSON() ([]byte, error) { return marshal(d.write) }

// UnmarshalJSON reads a definition that was accepted earlier, as [Parse] does with [ParseOptions.Stored].
func (d *Definition) UnmarshalJSON(data []byte) error {
	return unmarshal(d, data, (*reader).definition, checkDefinition)
}

// MarshalJSON returns the canonical form of p.
func (p Patch) MarshalJSON() ([]byte, error) { return marshal(p.write) }

// UnmarshalJSON reads a patch that was accepted earlier, as [ParsePatch] does with [ParseOptions.Stored].
func (p *Patch) UnmarshalJSON(data []byte) error {
	return unmarshal(p, data, (*reader).onePatch, checkOnePatch)
}

// MarshalJSON returns the canonical form of k.
func (k KillApp) MarshalJSON() ([]byte, error) { return marshal(k.write) }

// UnmarshalJSON reads a kill app by the rules that [Parse] has for one.
func (k *KillApp) UnmarshalJSON(data []byte) error {
	return unmarshal(k, data, (*reader).killApp, checkKillApp)
}

// MarshalJSON returns the canonical form of c.
func (c Component) MarshalJSON() ([]byte, error) { return marshal(c.write) }

// UnmarshalJSON reads a component by the rules that [Parse] has for one.
func (c *Component) UnmarshalJSON(data []byte) error {
	return unmarshal(c, data, (*reader).component, checkComponent)
}

// MarshalJSON returns the canonical form of c.
func (c Criterion) MarshalJSON() ([]byte, error) { return marshal(c.write) }

// UnmarshalJSON reads a criterion by the rules that [Parse] has for one of a component; "and" may be missing.
func (c *Criterion) UnmarshalJSON(data []byte) error {
	return unmarshal(c, data, (*reader).criterion, checkCriterion)
}

// MarshalJSON returns the canonical form of a.
func (a ExtensionAttribute) MarshalJSON() ([]byte, error) { return marshal(a.write) }

// UnmarshalJSON reads an extension attribute by the rules that [Parse] has for one.
func (a *ExtensionAttribute) UnmarshalJSON(data []byte) error {
	return unmarshal(a, data, (*reader).extensionAttribute, checkExtensionAttribute)
}

// unmarshal reads data into *value.
func unmarshal[T any](value *T, data []byte, read func(*reader, *T), check func(*checker, *T)) error {
	if value == nil {
		return fmt.Errorf("%w: unmarshal into a nil %T", ErrInvalid, value)
	}
	parsed, err := parse(data, &ParseOptions{MaxBytes: -1, Stored: true, MaxUnknown: MaxUnknown}, read, check)
	if err != nil {
		return err
	}
	*value = *parsed
	return nil
}
