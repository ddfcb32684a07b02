package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// rules are the conditions that a definition and its title must satisfy before they are written, besides being valid.
type rules struct {
	maxBytes        int   // of a definition, and of the patches that are held back
	maxAccountBytes int64 // of all titles of an account
	options         patch.LintOptions
}

// lint returns the warnings of patch.Lint about a definition, or those that about selects.
// The error is patch.ErrInvalid for warnings that the options make errors, or that of ctx.
func (r *rules) lint(
	ctx context.Context, d *patch.Definition, now time.Time, about selection,
) ([]patch.Warning, error) {
	opts := r.options
	opts.Now, opts.About, opts.Patches = now, about.warnings, about.patches
	all, err := patch.LintContext(ctx, d, &opts)
	if err != nil {
		return nil, err
	}
	var warnings []patch.Warning
	invalid := &patch.ValidationError{}
	for _, w := range all {
		if w.Error {
			invalid.Failures = append(invalid.Failures, patch.Failure{Path: w.Path, Message: w.Message})
		} else {
			warnings = append(warnings, w)
		}
	}
	if len(invalid.Failures) > 0 {
		return nil, invalid
	}
	return warnings, nil
}

// A selection selects the warnings that concern a change. The zero selection selects all.
type selection struct {
	warnings func(code, path string) bool
	patches  func(i int) bool // those to which the warnings may lead
}

// setDefinition sets a record's definition, which must be valid. The error is patch.ErrInvalid or patch.ErrTooLarge.
func (r *rules) setDefinition(rec *record, d *patch.Definition) error {
	data, err := d.MarshalJSON()
	if err != nil {
		return fmt.Errorf("%w: %w", patch.ErrInvalid, err)
	}
	if err := patch.CheckSyntax(data, &patch.ParseOptions{MaxBytes: len(data)}); err != nil {
		return err // the definition could not be parsed again
	}
	return r.setJSON(rec, data)
}

// setEdited sets a record's definition to that of an edit. The error is patch.ErrInvalid or patch.ErrTooLarge.
func (r *rules) setEdited(rec *record, e *edited) error {
	if e.text == nil {
		return r.setDefinition(rec, e.definition)
	}
	if err := r.setJSON(rec, e.text); err != nil {
		return err
	}
	f := rec.facts()
	f.outline, f.parsed = e.outline, e.parsed
	return nil
}

// setJSON sets a record's definition to a valid one. The error is patch.ErrTooLarge.
func (r *rules) setJSON(rec *record, data []byte) error {
	// A definition that shrinks may still be too large.
	if len(data) > r.maxBytes && len(data) > len(rec.definition) {
		return fmt.Errorf("%w: the definition would have %d bytes; the limit is %d",
			patch.ErrTooLarge, len(data), r.maxBytes)
	}
	rec.definition = data
	rec.facts().checked = true
	return nil
}

// checkAccount returns ErrTooMuch if the title would grow beyond the limit of its account. x is the index of all
// titles, and had is the space that the title takes in it.
func (r *rules) checkAccount(x *index, id string, rec *record, had int64) error {
	o := &rec.Owner
	title := Title{Account: o.Account, Mailbox: string(o.Mailbox), Contributor: o.Contributor}
	account, bytes := title.account(), rec.bytes()
	if account.kind == "" || bytes <= had {
		return nil
	}
	if bytes += x.accountBytes(account, titleKey(id)); bytes > r.maxAccountBytes {
		return &TitleError{ID: id, Err: fmt.Errorf("%w: %d bytes with this change; the limit is %d: "+
			"delete titles that are no longer needed", ErrTooMuch, bytes, r.maxAccountBytes)}
	}
	return nil
}

// withHeld returns d with the patches before it that its source holds back.
func withHeld(d *patch.Definition, held []patch.Patch) *patch.Definition {
	if len(held) == 0 {
		return d
	}
	all := *d
	all.Patches = slices.Concat(held, d.Patches)
	return &all
}

// heldJSON returns patches that are held back in the form of a record. The error is patch.ErrInvalid or
// patch.ErrTooLarge.
func (r *rules) heldJSON(held []patch.Patch) ([]json.RawMessage, error) {
	var all []json.RawMessage
	n := 0
	for _, p := range held {
		data, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", patch.ErrInvalid, err)
		}
		if n += len(data); n > r.maxBytes {
			return nil, fmt.Errorf("%w: the patches that the source holds back have more than %d bytes",
				patch.ErrTooLarge, r.maxBytes)
		}
		all = append(all, data)
	}
	return all, nil
}
