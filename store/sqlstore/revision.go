package sqlstore

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/store"
)

// A revision is a number of the sequence and a random number, without which a revision could come back after the
// sequence has been set back with a restored backup.
type revision struct {
	number int64
	nonce  int32
}

// newNonce returns a random number for a revision.
func newNonce() int32 { return int32(rand.Uint32()) }

// text returns the revision as package store knows it: the number in base 36, a hyphen, and the nonce.
func (r revision) text() store.Revision {
	return store.Revision(fmt.Sprintf("%s-%08x", strconv.FormatInt(r.number, 36), uint32(r.nonce)))
}

// parseRevision returns the revision with a text, and false if no revision has it.
func parseRevision(text store.Revision) (revision, bool) {
	number, nonce, _ := strings.Cut(string(text), "-")
	n, _ := strconv.ParseInt(number, 36, 64)
	o, _ := strconv.ParseUint(nonce, 16, 32)
	r := revision{number: n, nonce: int32(uint32(o))}
	return r, r.text() == text
}
