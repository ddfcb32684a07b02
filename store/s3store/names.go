package s3store

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	// maxName bounds an escaped id that is used whole. File systems, in which some servers keep objects, allow 255.
	maxName = 200
	// keptName is how much is kept of a longer one.
	keptName = 100
	// hashMark separates what is kept from the hash. No escaped id has it, because two digits follow each "=".
	hashMark = "=-"
)

// escape returns the last part of the name of the object for an id. Different ids have different names.
func escape(id string) string {
	var b strings.Builder
	for i := range len(id) {
		if isPlain(id, i) {
			b.WriteByte(id[i])
		} else {
			b.WriteByte('=')
			b.WriteString(hex.EncodeToString([]byte{id[i]}))
		}
	}
	if b.Len() <= maxName {
		return b.String()
	}
	sum := sha256.Sum256([]byte(id))
	return b.String()[:keptName] + hashMark + hex.EncodeToString(sum[:])
}

// isPlain reports whether the byte of an id at an index is not escaped. A dot at the beginning is, because a name must
// not be "." or "..".
func isPlain(id string, at int) bool {
	switch c := id[at]; {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		return true
	case c == '.':
		return at > 0
	}
	return false
}

// unescape returns the id whose object has a name. It returns false for the name of a long id, which only the object
// tells, and for a name that no id has.
func unescape(name string) (id string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] != '=' {
			b.WriteByte(name[i])
			continue
		}
		if i+2 >= len(name) {
			return "", false
		}
		c, err := hex.DecodeString(name[i+1 : i+3])
		if err != nil {
			return "", false
		}
		b.WriteByte(c[0])
		i += 2
	}
	return b.String(), escape(b.String()) == name
}

// isHashed reports whether a name is that of a long id.
func isHashed(name string) bool {
	return len(name) == keptName+len(hashMark)+hex.EncodedLen(sha256.Size) &&
		strings.HasPrefix(name[keptName:], hashMark)
}
