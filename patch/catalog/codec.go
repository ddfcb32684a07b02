package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

const (
	// plainFormat is the format of a title's record without any of the members that differenceFormat added, and of all
	// other records of this package.
	plainFormat = 1
	// indexedFormat is the format of a title's record that adds the index of revisions, held back patches and the
	// account.
	indexedFormat = 2
	// differenceFormat is the newest format of the record of an earlier revision. It adds the revisions that are kept
	// as differences.
	differenceFormat = 3
	// draftFormat is the newest format of a title's record. It adds drafts, disabled titles and patches, and numbers.
	draftFormat = 4
)

// checkFormat returns an error if a record has another format than 1 to newest. It is [store.ErrFormat] if the format
// is newer.
func checkFormat(format, newest int) error {
	switch {
	case format > newest:
		return fmt.Errorf("%w: the record has format %d, and this version knows formats up to %d: "+
			"start the newer version, or restore a backup made before", store.ErrFormat, format, newest)
	case format < 1:
		return errors.New("the record is corrupt: it has no format")
	}
	return nil
}

// format returns the oldest format that can hold the record.
func (r *record) format() int {
	switch {
	case r.State == disabled || r.Draft != nil || r.Disabled != nil || r.Numbers != nil:
		return draftFormat
	case len(r.Recent) > 0 || slices.ContainsFunc(r.Revisions, func(h revisionHead) bool { return h.In != 0 }):
		return differenceFormat
	case r.Revisions != nil || r.Held != nil || r.Owner.Account != "":
		return indexedFormat
	}
	return plainFormat
}

const definitionMember = `,"definition":`

// encode returns the record as the store holds it.
func (r *record) encode() ([]byte, error) {
	r.Format = r.format()
	start, err := marshalHead(r.headStart)
	if err != nil {
		return nil, err
	}
	end, err := marshalHead(r.headEnd)
	if err != nil {
		return nil, err
	}
	size := len(start) + len(end) + len(definitionMember) + len(r.definition) + 1
	for _, e := range r.Recent {
		size += 150 + len(e.By) + len(e.Version) + len(e.Difference)
	}
	value := append(make([]byte, 0, size), start...)
	for i, e := range r.Recent {
		if i == 0 {
			value = append(value, `,"recent":[`...)
		} else {
			value = append(value, ',')
		}
		if value, err = e.append(value); err != nil {
			return nil, err
		}
	}
	if len(r.Recent) > 0 {
		value = append(value, ']')
	}
	value = append(append(value, ','), end[1:]...)
	return appendDefinition(value, r.definition), nil
}

// append appends the revision's JSON to value.
func (e *earlierRevision) append(value []byte) ([]byte, error) {
	value = strconv.AppendUint(append(value, `{"number":`...), e.Number, 10)
	value = e.At.AppendFormat(append(value, `,"at":"`...), time.RFC3339Nano)
	value = append(value, '"')
	var err error
	if e.By != "" {
		by := strings.ToValidUTF8(e.By, "\ufffd")
		if value, err = jsontext.AppendQuote(append(value, `,"by":`...), by); err != nil {
			return nil, err
		}
	}
	if value, err = jsontext.AppendQuote(append(value, `,"version":`...), e.Version); err != nil {
		return nil, err
	}
	value = append(append(value, `,"difference":`...), e.Difference...)
	return append(value, '}'), nil
}

// marshalHead returns the JSON of an object that is not empty, without the closing bracket.
func marshalHead(head any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(head); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("}\n")), nil
}

// appendDefinition appends the definition to a head, and the closing bracket.
func appendDefinition(head, definition []byte) []byte {
	return append(append(append(head, definitionMember...), definition...), '}')
}

// decodeRecord reads a record. Its definition shares value's memory. The error is [store.ErrFormat] if a newer version
// wrote the record; any other error means that the record is corrupt.
func decodeRecord(value []byte) (*record, error) {
	r, err := splitRecord(value)
	if err != nil {
		// A newer format may look different in all but its format.
		var newer struct {
			Format int `json:"format"`
		}
		if json.Unmarshal(value, &newer) == nil && newer.Format > draftFormat {
			err = checkFormat(newer.Format, draftFormat)
		}
		return nil, err
	}
	if err := checkFormat(r.Format, draftFormat); err != nil {
		return nil, err
	}
	if r.State == disabled && r.Draft == nil {
		return nil, errors.New("the record is corrupt: the title is disabled and has no draft")
	}
	return r, nil
}

// splitRecord reads a record's head and finds its definition.
func splitRecord(value []byte) (*record, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(value))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.New("the record is not a JSON object")
	}
	end := int(dec.InputOffset()) // of the head
	for {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("the record is corrupt: %w", err)
		}
		if name.Kind() != '"' {
			return nil, errors.New("the record has no definition")
		}
		if name.String() == "definition" {
			break
		}
		if err := dec.SkipValue(); err != nil {
			return nil, fmt.Errorf("the record is corrupt: %w", err)
		}
		end = int(dec.InputOffset())
	}
	start := int(dec.InputOffset()) + len(":")
	if start >= len(value) || value[len(value)-1] != '}' {
		return nil, errors.New("the record is corrupt: it ends too early")
	}
	r := &record{definition: value[start : len(value)-1], raw: value}
	if err := json.Unmarshal(append(bytes.Clone(value[:end]), '}'), &r.head); err != nil {
		return nil, fmt.Errorf("the record is corrupt: %w", err)
	}
	return r, nil
}

// parseStored parses a definition that was valid when it was written. Definitions of earlier versions may have patches
// that are marked as not enabled, which had no meaning then: these are served, as before, and lose the mark.
func parseStored(definition []byte) (*patch.Definition, error) {
	d, err := patch.Parse(definition, &patch.ParseOptions{MaxBytes: len(definition), Stored: true})
	if err != nil {
		return nil, err
	}
	for i := range d.Patches {
		d.Patches[i].Disabled = false
	}
	return d, nil
}

// readSummary reads a definition's summary. It reads only as far as the summary's members.
func readSummary(definition []byte) (patch.Summary, error) {
	var s patch.Summary
	wanted := map[string]*string{
		"id":             &s.ID,
		"name":           &s.Name,
		"publisher":      &s.Publisher,
		"lastModified":   &s.LastModified,
		"currentVersion": &s.CurrentVersion,
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(definition))
	if _, err := dec.ReadToken(); err != nil {
		return s, err
	}
	for len(wanted) > 0 {
		name, err := dec.ReadToken()
		if err != nil {
			return s, err
		}
		if name.Kind() != '"' {
			return s, errors.New("the definition has no summary")
		}
		field := wanted[name.String()]
		if field == nil {
			if err := dec.SkipValue(); err != nil {
				return s, err
			}
			continue
		}
		delete(wanted, name.String())
		v, err := dec.ReadToken()
		if err != nil {
			return s, err
		}
		*field = v.String()
	}
	return s, nil
}
