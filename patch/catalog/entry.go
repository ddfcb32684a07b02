package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// An entry is a title in the index. It never changes.
type entry struct {
	Title
	key    string
	rev    store.Revision
	line   []byte // the summary as JSON
	search string // the text that a search looks at, in lower case
}

// liveEntry returns the entry of a record that was read under key, nil if the title is not live.
func (r *record) liveEntry(key string) (*entry, error) {
	if r.State != live {
		return nil, nil
	}
	e, err := r.entry(key)
	if err == nil && (titleKey(e.ID) != key || e.UID == "") {
		return nil, fmt.Errorf("the record belongs to another title, %q, or to none", e.ID)
	}
	return e, err
}

// entry returns the entry of a record.
func (r *record) entry(key string) (*entry, error) {
	s, err := r.summary()
	if err != nil {
		return nil, err
	}
	e := &entry{
		Title: Title{
			Summary:     s,
			UID:         r.UID,
			ETag:        r.etag(),
			Changed:     r.Changed,
			Author:      r.Owner.Author,
			Contributor: r.Owner.Contributor,
			Mailbox:     string(r.Owner.Mailbox),
			Held:        len(r.Held),
			Account:     r.Owner.Account,
			Bytes:       r.bytes(),
		},
		key:    key,
		rev:    r.rev,
		search: strings.ToLower(s.ID + "\n" + s.Name + "\n" + s.Publisher),
	}
	if r.Follows != nil {
		e.Follows, e.Source = r.Follows.URL, r.Follows.Source
	}
	e.line, err = summaryLine(s)
	return e, err
}

// plain returns the entry as a contributor's own feed shows it.
func (e *entry) plain() (*entry, error) {
	p := *e
	p.ID, p.Name = e.Plain()
	var err error
	p.line, err = summaryLine(p.Summary)
	return &p, err
}

// summaryLine returns a summary as JSON.
func summaryLine(s patch.Summary) ([]byte, error) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return bytes.Clone(bytes.TrimSuffix(line.Bytes(), []byte("\n"))), nil
}

// sortEntries sorts entries by the bytes of their ids.
func sortEntries(entries []*entry) {
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.ID, b.ID) })
}

// listJSON returns the summaries of entries as one JSON array.
func listJSON(entries []*entry) []byte {
	n := 2 + len(entries)
	for _, e := range entries {
		n += len(e.line)
	}
	b := append(make([]byte, 0, n), '[')
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.line...)
	}
	return append(b, ']')
}
