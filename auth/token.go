package auth

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"hash/crc32"
	"strings"
)

const (
	prefix = "pst_"
	// randomLength is the length of two results of rand.Text, which have 130 random bits each.
	randomLength   = 2 * 26
	idLength       = 12
	checksumLength = 7
	tokenLength    = len(prefix) + randomLength + checksumLength
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// newToken returns a new token: the prefix, random characters, and a checksum of both.
func newToken() string {
	s := prefix + rand.Text() + rand.Text()
	sum := checksum(s)
	return s + string(sum[:])
}

// checksum returns the last characters of a token that begins with s.
func checksum(s string) (text [checksumLength]byte) {
	var buf [tokenLength]byte // a conversion of s would allocate memory
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(buf[:copy(buf[:], s)]))
	base32Text.Encode(text[:], sum[:])
	return text
}

// tokenID returns the public id of a token: the first of its random characters, in lower case. It reports false if s
// does not have the form of a token.
func tokenID(s string) (id string, ok bool) {
	if len(s) != tokenLength || s[:len(prefix)] != prefix {
		return "", false
	}
	split := tokenLength - checksumLength
	if sum := checksum(s[:split]); string(sum[:]) != s[split:] {
		return "", false
	}
	return strings.ToLower(s[len(prefix) : len(prefix)+idLength]), true
}
