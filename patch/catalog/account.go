package catalog

import (
	"fmt"

	"github.com/patchsource/patchsource/patch"
)

// DefaultMaxAccountBytes bounds the bytes of all titles of one account when
// [Options] says nothing else: 256 MiB.
const DefaultMaxAccountBytes = 256 << 20

// ErrTooMuch is a title that cannot be created, or cannot grow, because all titles of
// its account would take too much space. It is a [patch.ErrTooLarge].
var ErrTooMuch = fmt.Errorf("%w: all titles of this author together take too much space", patch.ErrTooLarge)

// An account is for whom bytes are counted. The zero account has no bound.
type account struct{ kind, name string }

// account returns for whom the title's bytes are counted.
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

// checkAccount returns ErrTooMuch if a title that takes more than the had bytes that
// it took before may not do so.
func (c *Catalog) checkAccount(id string, rec *record, had int64) error {
	o := &rec.Owner
	title := Title{Account: o.Account, Mailbox: string(o.Mailbox), Contributor: o.Contributor}
	account, bytes := title.account(), rec.bytes()
	if account.kind == "" || c.maxAccountBytes < 0 || bytes <= had {
		return nil
	}
	key := titleKey(id)
	for _, e := range c.index.Load().sorted {
		if e.key != key && e.account() == account {
			bytes += e.Bytes
		}
	}
	if bytes > c.maxAccountBytes {
		return &TitleError{ID: id, Err: fmt.Errorf("%w: %d bytes with this change, and %d are allowed: "+
			"delete titles that are not needed any more", ErrTooMuch, bytes, c.maxAccountBytes)}
	}
	return nil
}
