package httpapi

import (
	"fmt"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/envelope"
)

// maxSignedBytes bounds the memory that signed definitions are held in.
const maxSignedBytes = 64 << 20

// contentCMS is the type of a signed definition (RFC 8551, section 3.2).
var contentCMS = []string{"application/pkcs7-mime; smime-type=signed-data"}

// A sealer puts definitions into envelopes, and holds these: signing is slow, and
// makes other bytes each time.
type sealer struct {
	signer *envelope.Signer

	mu    sync.Mutex
	held  *simplelru.LRU[string, *catalog.Document] // by the ETag of what is in it
	bytes int
}

// newSealer returns a sealer, and an error if the signer cannot sign.
func newSealer(signer *envelope.Signer) (*sealer, error) {
	if _, err := signer.Seal([]byte("{}")); err != nil {
		return nil, fmt.Errorf("httpapi: Signer: %w", err)
	}
	s := &sealer{signer: signer}
	s.held, _ = simplelru.NewLRU(
		1<<20,
		func(_ string, d *catalog.Document) { s.bytes -= len(d.Bytes()) },
	) // the error is about a size that is not positive
	return s, nil
}

// seal returns a definition in an envelope.
func (s *sealer) seal(doc *catalog.Document) (*catalog.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sealed, ok := s.held.Get(doc.ETag()); ok {
		return sealed, nil
	}
	data, err := s.signer.Seal(doc.Bytes())
	if err != nil {
		return nil, err
	}
	sealed := catalog.NewDocument(data, doc.Changed())
	s.held.Add(doc.ETag(), sealed)
	for s.bytes += len(data); s.bytes > maxSignedBytes && s.held.Len() > 1; {
		s.held.RemoveOldest()
	}
	return sealed, nil
}
