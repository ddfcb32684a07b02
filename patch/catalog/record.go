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

// recordFormat is what this version writes.
const recordFormat = 1

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
	// Edition counts the definitions that the title has had, and By is who made
	// this one. 0: 1.
	Edition uint64 `json:"edition,omitempty"`
	By      string `json:"by,omitempty"`
	Owner   owner  `json:"owner,omitzero"`
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
	// Account names whom the title is counted for.
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

// edition is the number of the record's definition.
func (r *record) edition() uint64 { return max(r.Edition, 1) }

var definitionMember = []byte(`,"definition":`)

func (r *record) encode() ([]byte, error) {
	r.Format = recordFormat
	data, err := json.Marshal(r.head)
	if err != nil {
		return nil, err
	}
	data = append(data[:len(data)-1], definitionMember...)
	data = append(data, r.definition...)
	return append(data, '}'), nil
}

// decodeRecord reads a record. Its definition shares value's memory.
func decodeRecord(value []byte) (*record, error) {
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
	if r.Format != recordFormat {
		return nil, fmt.Errorf("the record has format %d, and this version knows %d only: a newer one wrote it", r.Format, recordFormat)
	}
	return r, nil
}

// parse reads the definition, which was valid when it was written.
func (r *record) parse() (*patch.Definition, error) {
	return patch.Parse(r.definition, &patch.ParseOptions{MaxBytes: len(r.definition)})
}

// readSummary reads a definition's summary without what stands behind it.
func readSummary(definition []byte) (patch.Summary, error) {
	var s patch.Summary
	wanted := map[string]*string{"id": &s.ID, "name": &s.Name, "publisher": &s.Publisher, "lastModified": &s.LastModified, "currentVersion": &s.CurrentVersion}
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
