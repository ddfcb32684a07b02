package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
	"unique"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
)

// An entry is a title in the index. It never changes.
type entry struct {
	Title
	key string
	rev store.Revision
	// text is what a search looks at, without regard to case (see fold): the id, name, publisher and author, each on a
	// line. The others are the positions at which the lines begin.
	text                           string
	nameAt, publisherAt, authorAt  int32
	plainIDLength, plainNameLength int32  // of Title.Plain: the plain id and name are the beginnings of ID and Name
	skeleton                       string // of Author
	// unsettled says that the record has something to do when the catalog is opened: a notice or a staged change.
	unsettled bool
	checked   bool     // see facts
	blocks    []uint64 // see titleNumbers
}

// indexEntry returns the entry of a record that was read under key, nil if the title is neither live nor disabled.
func (r *record) indexEntry(key string) (*entry, error) {
	if r.State != live && r.State != disabled {
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
	t := Title{
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
	}
	if r.Follows != nil {
		t.Follows, t.Source = r.Follows.URL, r.Follows.Source
	}
	t.Disabled = r.State == disabled
	if r.Draft != nil {
		t.Draft = DraftState{
			Name:           r.Draft.Name,
			Publisher:      r.Draft.Publisher,
			CurrentVersion: r.Draft.Version,
			Errors:         r.Draft.Errors,
			Changed:        r.Draft.Changed,
		}
	}
	r.Numbers.describe(&t)
	e := newEntry(t, key, r.rev)
	if r.Numbers != nil {
		e.blocks = r.Numbers.Blocks
	}
	e.unsettled = r.Staged != nil || len(r.Undelivered) > 0
	e.checked = r.facts().checked
	return e, nil
}

// newEntry returns the entry of a title. The strings that differ from title to title share one allocation, and those
// that many titles have are the same for all of them.
func newEntry(t Title, key string, rev store.Revision) *entry {
	e := &entry{Title: t}
	id, name, publisher := fold(t.ID), fold(t.Name), fold(t.Publisher)
	e.nameAt = int32(len(id) + 1)
	e.publisherAt = e.nameAt + int32(len(name)+1)
	e.authorAt = e.publisherAt + int32(len(publisher)+1)
	e.text = id + "\n" + name + "\n" + publisher + "\n" + fold(t.Author)
	e.rev = rev
	e.plainIDLength, e.plainNameLength = int32(len(t.ID)), int32(len(t.Name))
	if t.Author != "" {
		plainID, plainName := t.Plain()
		e.plainIDLength, e.plainNameLength = int32(len(plainID)), int32(len(plainName))
		e.skeleton = patch.Skeleton(t.Author)
	}
	own := []*string{&e.text, &e.ID, &e.Name, &e.LastModified, &e.CurrentVersion, &e.UID, &e.ETag, (*string)(&e.rev)}
	var b strings.Builder
	size := 0
	for _, s := range own {
		size += len(*s)
	}
	b.Grow(size)
	for _, s := range own {
		b.WriteString(*s)
	}
	all := b.String()
	for _, s := range own {
		*s, all = all[:len(*s)], all[len(*s):]
	}
	common := []*string{&e.Publisher, &e.Author, &e.Contributor, &e.Mailbox, &e.Source, &e.Account, &e.skeleton,
		&e.AppName, &e.BundleID}
	for _, s := range common {
		if *s != "" {
			*s = unique.Make(*s).Value()
		}
	}
	if e.key = key; id == key {
		e.key = e.text[:len(key)]
	}
	return e
}

// The name, the publisher and the author without regard to case; see fold.
func (e *entry) foldedName() string      { return e.text[e.nameAt : e.publisherAt-1] }
func (e *entry) foldedPublisher() string { return e.text[e.publisherAt : e.authorAt-1] }
func (e *entry) foldedAuthor() string    { return e.text[e.authorAt:] }

// plainID and plainName are the results of Title.Plain, and plainKey is the plain id in lower case.
func (e *entry) plainID() string   { return e.ID[:e.plainIDLength] }
func (e *entry) plainName() string { return e.Name[:e.plainNameLength] }
func (e *entry) plainKey() string  { return e.key[:e.plainIDLength] }

// plainSummary returns the summary as a contributor's own feed shows it.
func (e *entry) plainSummary() patch.Summary {
	s := e.Summary
	s.ID, s.Name = e.plainID(), e.plainName()
	return s
}

// sameSummary reports whether the two entries, either of which may be nil, are the same in all lists.
func sameSummary(a, b *entry) bool {
	return a != nil && b != nil && a.Summary == b.Summary && a.Contributor == b.Contributor && a.Author == b.Author
}

// fold returns a text in a form that is the same for texts that differ only in case, as strings.EqualFold compares
// them. It is lower case, but for letters whose lower case strings.EqualFold does not know.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(foldRune, s)
		}
	}
	return strings.ToLower(s)
}

// foldRune returns the lower case of the first of the runes that are equal to r without regard to case, or that rune if
// its lower case is not one of them, as that of U+0130 is not.
func foldRune(r rune) rune {
	first := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		first = min(first, other)
	}
	lower := unicode.ToLower(first)
	for other := unicode.SimpleFold(first); other != first; other = unicode.SimpleFold(other) {
		if other == lower {
			return lower
		}
	}
	return first
}

// sortEntries sorts entries by the bytes of their ids.
func sortEntries(entries []*entry) {
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.ID, b.ID) })
}

// listJSON returns summaries as one JSON array.
func listJSON(summaries []patch.Summary) []byte {
	b := append(make([]byte, 0, 2+256*len(summaries)), '[')
	for i := range summaries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendSummary(b, &summaries[i])
	}
	return append(b, ']')
}

// appendSummary appends a summary as JSON, as encoding/json encodes it without escapes for HTML.
func appendSummary(b []byte, s *patch.Summary) []byte {
	b = appendString(append(b, `{"name":`...), s.Name)
	b = appendString(append(b, `,"publisher":`...), s.Publisher)
	b = appendString(append(b, `,"lastModified":`...), s.LastModified)
	b = appendString(append(b, `,"currentVersion":`...), s.CurrentVersion)
	b = appendString(append(b, `,"id":`...), s.ID)
	return append(b, '}')
}

// appendString appends a string as JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendEncoded(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendEncoded is appendString for any string.
func appendEncoded(b []byte, s string) []byte {
	var line strings.Builder
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can be encoded, and a strings.Builder does not fail
	return append(b, strings.TrimSuffix(line.String(), "\n")...)
}
