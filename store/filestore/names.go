package filestore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/patchsource/patchsource/store"
)

const (
	fileSuffix = ".json"
	// maxName bounds an escaped id that is used as a file name. With the suffix, and with what is added when the file
	// is set aside, the name still fits into 255 bytes.
	maxName = 180
	// hashPrefix begins the file names of longer ids. No escaped id begins with it.
	hashPrefix = "%_"
)

// fileName returns the name of the file for an id. Different ids have different names, also on a disk that ignores
// case.
func fileName(id string) string {
	var b strings.Builder
	for i := range len(id) {
		if isPlain(id, i) {
			b.WriteByte(id[i])
		} else {
			b.WriteByte('%')
			b.WriteString(hex.EncodeToString([]byte{id[i]}))
		}
	}
	if b.Len() > maxName {
		sum := sha256.Sum256([]byte(id))
		return hashPrefix + hex.EncodeToString(sum[:]) + fileSuffix
	}
	return b.String() + fileSuffix
}

// isPlain reports whether the byte of an id at an index is not escaped in a file name.
func isPlain(id string, at int) bool {
	if at == 0 && (id[0] == '.' || reserved(id)) {
		return false
	}
	c := id[at]
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// reserved reports whether Windows reserves a file name, with any suffix, for a device.
func reserved(id string) bool {
	base, _, _ := strings.Cut(id, ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (base[:3] == "com" || base[:3] == "lpt") && '0' <= base[3] && base[3] <= '9'
}

// fileID returns the id whose file has a name. It returns false for the name of a long id, which only the content of
// the file tells, and for a name that no id has.
func fileID(name string) (string, bool) {
	s, ok := strings.CutSuffix(name, fileSuffix)
	if !ok {
		return "", false
	}
	var id strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			id.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		c, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", false
		}
		id.WriteByte(c[0])
		i += 2
	}
	if fileName(id.String()) != name {
		return "", false
	}
	return id.String(), true
}

// isRecord reports whether a file name can be that of a record of a kind.
func isRecord(kind, name string) bool {
	if id, ok := fileID(name); ok {
		return store.Key{Kind: kind, ID: id}.Check() == nil
	}
	sum, long := strings.CutPrefix(name, hashPrefix)
	sum, file := strings.CutSuffix(sum, fileSuffix)
	return long && file && len(sum) == hex.EncodedLen(sha256.Size) && strings.Trim(sum, "0123456789abcdef") == "" &&
		store.CheckKind(kind) == nil
}
