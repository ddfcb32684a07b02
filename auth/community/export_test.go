package community

import (
	"context"
	"encoding/json"
)

// HashAddress returns the hash of an address as a title keeps it.
func (s *Service) HashAddress(ctx context.Context, address string) (json.RawMessage, error) {
	box, err := s.mailbox(ctx, address)
	return box.whole, err
}
