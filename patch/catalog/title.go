package catalog

import (
	"cmp"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// A Title describes a title. The catalog has it in memory.
type Title struct {
	patch.Summary
	// UID distinguishes the title from a later one with the same id. It is random, and must not be published.
	UID string
	// ETag is the entity tag of the definition's bytes; see [EditOptions].
	ETag string
	// Changed is the time at which the definition last changed.
	Changed time.Time
	// Author is the name under which the title was published, as it was typed. It may be empty.
	Author string
	// Contributor is the id of the contributor that owns the title, if any.
	Contributor string
	// Mailbox is the hash of the author's address that CreateOptions gave, if any. It must not be published.
	Mailbox string
	// Follows is the URL of the source that the title follows, if any.
	Follows string
	// Source is the key of the mirror that the title belongs to. It is empty if the title follows its source by
	// itself, or none.
	Source string
	// Held is the number of patches before the definition's first that the title's source holds back; see
	// [EditOptions].
	Held int
	// Account is the account that CreateOptions gave, if any. It must not be published.
	Account string
	// Bytes is the space that the title takes in the store: that of the definition, of the patches that are held back
	// and of the earlier revisions. Revisions that an older version wrote count from the title's next change on.
	Bytes int64
	// Disabled reports that the title is not served: only [Catalog.Lookup] and the other methods for drafts and numbers
	// find it.
	Disabled bool
	// Draft describes the title's draft, if it has one.
	Draft DraftState
	// Number is the number of the title; see package numbered. It is 0 if the title has none yet, and so are the
	// members below then.
	Number uint64
	// PatchCount and RequirementCount are the numbers of enabled patches and of requirements.
	PatchCount, RequirementCount int
	// AppName and BundleID are those of the definition, or empty.
	AppName, BundleID string
}

// From returns the value of EditOptions.From for an edit that comes from the title's source. It is empty if the title
// follows none.
func (t Title) From() string { return cmp.Or(t.Source, t.Follows) }

// Matches reports whether etag is the entity tag of the title's definition, compressed or not.
func (t Title) Matches(etag string) bool { return etag == t.ETag || etag == gzipETag(t.ETag) }

// Plain returns the id and the name of a title without its author, as a contributor's own feed shows them: Slack for
// Slack_macman, and Slack for Slack (macman). An id or a name that does not end with the author is returned unchanged.
func (t Title) Plain() (id, name string) {
	id, name = t.ID, t.Name
	if suffix, err := patch.AuthorID(t.Author); err == nil {
		if plain, ok := strings.CutSuffix(id, "_"+suffix); ok && patch.ValidID(plain) {
			id = plain
		}
		if plain, ok := strings.CutSuffix(name, " ("+t.Author+")"); ok && plain != "" {
			name = plain
		}
	}
	return id, name
}

// An account owns the titles whose bytes are added up for Options.MaxAccountBytes. The zero account has no limit.
type account struct{ kind, name string }

// account returns the account that the title's bytes count for.
func (t *Title) account() account {
	switch {
	case t.Account != "":
		return account{"account", t.Account}
	case t.Mailbox != "":
		return account{"mailbox", t.Mailbox}
	case t.Contributor != "":
		return account{"contributor", t.Contributor}
	}
	return account{}
}
