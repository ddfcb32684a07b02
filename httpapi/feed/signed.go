package feed

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
)

// maxSignedBytes bounds the memory that signed definitions are kept in.
const maxSignedBytes = 64 << 20

// contentCMS is the type of a signed definition (RFC 8551, section 3.2).
var contentCMS = []string{"application/pkcs7-mime; smime-type=signed-data"}

// A sealer puts definitions into envelopes and keeps these: signing is slow, and yields other bytes each time.
type sealer struct {
	signer Signer

	mu    sync.Mutex
	kept  *simplelru.LRU[string, answer.Document] // by the ETag of the definition
	bytes int
}

// newSealer returns a sealer. It signs a sample, so that a signer that cannot sign is an error here and not at the
// first request.
func newSealer(signer Signer) (*sealer, error) {
	if isNil(signer) {
		return nil, errors.New("feed: the Signer is a nil pointer: leave Signer nil to serve definitions unsigned")
	}
	if _, err := signer.Seal([]byte("{}")); err != nil {
		return nil, fmt.Errorf("feed: the Signer cannot sign: %w", err)
	}
	s := &sealer{signer: signer}
	evicted := func(_ string, d answer.Document) { s.bytes -= len(d.Bytes()) }
	s.kept, _ = simplelru.NewLRU(1<<20, evicted) // it fails for a size that is not positive
	return s, nil
}

// seal returns a definition in an envelope.
func (s *sealer) seal(doc answer.Document) (answer.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sealed, ok := s.kept.Get(doc.ETag()); ok {
		return sealed, nil
	}
	data, err := s.signer.Seal(doc.Bytes())
	if err != nil {
		return nil, err
	}
	sealed := answer.New(data, doc.Changed())
	s.kept.Add(doc.ETag(), sealed)
	for s.bytes += len(data); s.bytes > maxSignedBytes && s.kept.Len() > 1; {
		s.kept.RemoveOldest()
	}
	return sealed, nil
}
