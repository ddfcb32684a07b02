package community

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"

	"github.com/patchsource/patchsource/auth"
)

// newSealer makes what seals addresses. The address that a token is to be mailed to
// travels in the link, sealed, because it is not kept here.
func newSealer(secret auth.Secret) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret.Key("contributor's address in a link"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// maxSealed is the longest address that is sealed: all are made as long, so that
// the link does not tell how long it is.
const maxSealed = 254

func (s *Service) seal(id, address string) string {
	padded := make([]byte, 1+maxSealed)
	padded[0] = byte(len(address)) // at most maxSealed, see mail.CheckAddress
	copy(padded[1:], address)
	return base64.RawURLEncoding.EncodeToString(s.sealer.Seal(nil, nil, padded, []byte(id)))
}

func (s *Service) unseal(id, code string) (string, error) {
	data, err := base64.RawURLEncoding.DecodeString(code)
	if err != nil {
		return "", err
	}
	padded, err := s.sealer.Open(nil, nil, data, []byte(id))
	if err != nil {
		return "", err
	}
	n := int(padded[0])
	if n > maxSealed || n >= len(padded) {
		return "", errors.New("no address in it")
	}
	return string(padded[1 : 1+n]), nil
}
