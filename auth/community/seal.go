package community

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"

	"github.com/patchsource/patchsource/auth"
)

// The address that a contributor's token is mailed to is not kept: it is encrypted in the link that confirms it.

// newSealer returns the cipher that encrypts addresses.
func newSealer(secret auth.Secret) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret.Key("contributor's address in a link"))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// maxSealed is the maximum length of an encrypted address. All addresses are padded to this length, so that a link does
// not reveal the length of its address.
const maxSealed = 254

// seal returns the code of the link that confirms a contributor's address.
func (s *Service) seal(id, address string) string {
	padded := make([]byte, 1+maxSealed)
	padded[0] = byte(len(address)) // at most maxSealed, see mail.CheckAddress
	copy(padded[1:], address)
	return base64.RawURLEncoding.EncodeToString(s.sealer.Seal(nil, nil, padded, []byte(id)))
}

// unseal returns the address in the code of a contributor's link.
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
		return "", errors.New("the code contains no address")
	}
	return string(padded[1 : 1+n]), nil
}
