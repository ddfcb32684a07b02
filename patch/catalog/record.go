package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// kind is the kind of a title's record.
const kind = "titles"

// titleKey is what the store knows a title by: uniqueness without regard to case
// is then the store's IfAbsent, also across servers.
func titleKey(id string) string { return strings.ToLower(id) }

func storeKey(key string) store.Key { return store.Key{Kind: kind, ID: key} }

// A state is where a title is in its life.
type state string

const (
	// live: it is served.
	live state = "live"
	// pending: its id is reserved until its author's token is mailed. Nobody
	// sees it.
	pending state = "pending"
	// gone: it is deleted, and its record waits until the queue of webhooks has
	// what it still carries. Nobody sees it.
	gone state = "gone"
)

// A record is everything about a title that must survive a crash together. In
// the store it is the JSON of its head with the definition as the last member:
// the definition's bytes are those that are served, and reading the head does
// not read them.
type record struct {
	head
	definition []byte
}

const (
	// plainFormat is the format of a record without any of the members that came
	// with recordFormat, and of all other records of this package.
	plainFormat = 1
	// recordFormat is the newest format of a title's record. It adds the index of
	// revisions, held back patches and the account.
	recordFormat = 2
)

// checkFormat returns an error if a record has another format than 1 to newest. It
// is [store.ErrFormat] if the format is newer.
func checkFormat(format, newest int) error {
	switch {
	case format > newest:
		return fmt.Errorf("%w: the record has format %d, and this version knows formats up to %d: "+
			"start the newer version, or restore a backup made before", store.ErrFormat, format, newest)
	case format < 1:
		return errors.New("the record is damaged: it has no format")
	}
	return nil
}

type head struct {
	Format int `json:"format"`
	// UID tells the title from a later one with the same id.
	UID   string `json:"uid"`
	State state  `json:"state"`
	// Since is when it took on State.
	Since time.Time `json:"since"`
	// Changed is when the definition last changed by this server's clock, and
	// later with every change.
	Changed time.Time `json:"changed"`
	// Number counts the definitions that the title has had, and By is who made
	// this one. 0: 1.
	Number uint64 `json:"edition,omitempty"`
	By     string `json:"by,omitempty"`
	// Revisions is the index of the earlier revisions that are kept, the newest last.
	// Nil: there are none, or, if Number is greater than 1, the index is not known
	// because an older version wrote the record.
	Revisions []revisionHead `json:"editions,omitzero"`
	// Oldest is the first revision that the store may still hold. Those from there up
	// to the first of Revisions are waiting to be deleted.
	Oldest uint64 `json:"oldest,omitempty"`
	// Held are the patches in front of the definition's that the title's source
	// holds back.
	Held  []json.RawMessage `json:"held,omitempty"`
	Owner owner             `json:"owner,omitzero"`
	// Follows is the source elsewhere that the title is kept in step with.
	Follows *source `json:"follows,omitempty"`
	// Undelivered are the changes, numbered, that the queue of webhooks does
	// not have yet; Events is how many there have ever been.
	Undelivered []undelivered `json:"undelivered,omitempty"`
	Events      uint64        `json:"events,omitempty"`
	// Staged is what a restore will make of the title once its batch is
	// committed.
	Staged *staged `json:"staged,omitempty"`
}

// An owner is who may change a title besides an administrator.
type owner struct {
	// Author is the author's name as typed.
	Author string `json:"author,omitempty"`
	// Contributor is the id of the contributor whose title it is.
	Contributor string `json:"contributor,omitempty"`
	// Mailbox is the keyed hash of the author's address, with its parameters.
	Mailbox json.RawMessage `json:"mailbox,omitempty"`
	// Account is for whom the title's bytes are counted.
	Account string `json:"account,omitempty"`
}

type source struct {
	URL string `json:"url"`
	// Source is the key of the whole source that the title came with.
	Source string `json:"source,omitempty"`
}

// from is what an edit must come from to change a title that follows s.
func (s *source) from() string { return cmp.Or(s.Source, s.URL) }

type undelivered struct {
	Number uint64          `json:"number"`
	Event  json.RawMessage `json:"event"`
}

type staged struct {
	Batch string `json:"batch"`
	// Definition is what the title will have; nothing: it will be gone.
	Definition json.RawMessage `json:"definition,omitempty"`
	By         string          `json:"by,omitempty"`
}

// number is the number of the record's definition.
func (r *record) number() uint64 { return max(r.Number, 1) }

var definitionMember = []byte(`,"definition":`)

// format returns the oldest format that can hold the record.
func (r *record) format() int {
	if r.Revisions != nil || r.Held != nil || r.Owner.Account != "" {
		return recordFormat
	}
	return plainFormat
}

// bytes returns how much the title takes in the store: the definition, the patches
// that are held back and the earlier revisions.
func (r *record) bytes() int64 {
	n := int64(len(r.definition))
	for _, p := range r.Held {
		n += int64(len(p))
	}
	for _, e := range r.Revisions {
		n += e.Bytes
	}
	return n
}

// headBytes returns about how much memory the head takes.
func (r *record) headBytes() int {
	n := len(r.By) + len(r.Owner.Mailbox) + int(r.bytes()) - len(r.definition)
	for _, e := range r.Revisions {
		n += 80 + len(e.By) + len(e.Version) - int(e.Bytes)
	}
	for _, u := range r.Undelivered {
		n += 40 + len(u.Event)
	}
	if r.Staged != nil {
		n += len(r.Staged.Definition)
	}
	return n
}

func (r *record) encode() ([]byte, error) {
	r.Format = r.format()
	data, err := json.Marshal(r.head)
	if err != nil {
		return nil, err
	}
	data = append(data[:len(data)-1], definitionMember...)
	data = append(data, r.definition...)
	return append(data, '}'), nil
}

// decodeRecord reads a record. Its definition shares value's memory. The error is
// [store.ErrFormat] if a newer version wrote the record; any other means that the
// record is damaged.
func decodeRecord(value []byte) (*record, error) {
	r, err := splitRecord(value)
	if err != nil {
		// A newer format may look different in all but its format.
		var newer struct {
			Format int `json:"format"`
		}
		if json.Unmarshal(value, &newer) == nil && newer.Format > recordFormat {
			err = checkFormat(newer.Format, recordFormat)
		}
		return nil, err
	}
	if err := checkFormat(r.Format, recordFormat); err != nil {
		return nil, err
	}
	return r, nil
}

// splitRecord reads a record's head and finds its definition.
func splitRecord(value []byte) (*record, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(value))
	if t, err := dec.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.New("the record is no JSON object")
	}
	end := int(dec.InputOffset()) // of the head
	for {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("the record is damaged: %w", err)
		}
		if name.Kind() != '"' {
			return nil, errors.New("the record has no definition")
		}
		if name.String() == "definition" {
			break
		}
		if err := dec.SkipValue(); err != nil {
			return nil, fmt.Errorf("the record is damaged: %w", err)
		}
		end = int(dec.InputOffset())
	}
	start := int(dec.InputOffset()) + len(":")
	if start >= len(value) || value[len(value)-1] != '}' {
		return nil, errors.New("the record is damaged: it ends too early")
	}
	r := &record{definition: value[start : len(value)-1]}
	if err := json.Unmarshal(append(bytes.Clone(value[:end]), '}'), &r.head); err != nil {
		return nil, fmt.Errorf("the record is damaged: %w", err)
	}
	return r, nil
}

// parse reads the definition.
func (r *record) parse() (*patch.Definition, error) { return parseStored(r.definition) }

// parseStored reads a definition that was valid when it was written.
func parseStored(definition []byte) (*patch.Definition, error) {
	return patch.Parse(definition, &patch.ParseOptions{MaxBytes: len(definition), Stored: true})
}

// readSummary reads a definition's summary without what stands behind it.
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
