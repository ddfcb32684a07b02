package filestore

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/patchsource/patchsource/store"
)

const (
	fileSuffix = ".json"
	// maxName is the longest encoded id that becomes a file name itself: with
	// the suffix, and set aside, it still fits into 255 bytes.
	maxName = 180
	// hashPrefix begins the name of a longer id. No encoded id begins so.
	hashPrefix = "%_"
)

// fileName returns the name of the file for an id. Different ids have different
// names, also on a disk that ignores case.
func fileName(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0 {
			if i == 0 && reserved(id) {
				escape(&b, c)
				continue
			}
			b.WriteByte(c)
			continue
		}
		escape(&b, c)
	}
	if b.Len() > maxName {
		sum := sha256.Sum256([]byte(id))
		return hashPrefix + hex.EncodeToString(sum[:]) + fileSuffix
	}
	return b.String() + fileSuffix
}

func escape(b *strings.Builder, c byte) {
	b.WriteByte('%')
	b.WriteString(hex.EncodeToString([]byte{c}))
}

// reserved reports whether Windows would take a file of this name, with any
// suffix, for a device.
func reserved(id string) bool {
	base, _, _ := strings.Cut(id, ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (base[:3] == "com" || base[:3] == "lpt") && '0' <= base[3] && base[3] <= '9'
}

// fileID returns the id that a file is for. It reports false for the name of a
// long id, which only the file itself can tell, and for a name that is not ours.
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

// isRecord reports whether name can be that of the file of a record.
func isRecord(kind, name string) bool {
	if id, ok := fileID(name); ok {
		return store.Key{Kind: kind, ID: id}.Check() == nil
	}
	sum, long := strings.CutPrefix(name, hashPrefix)
	sum, file := strings.CutSuffix(sum, fileSuffix)
	return long && file && len(sum) == hex.EncodedLen(sha256.Size) && strings.Trim(sum, "0123456789abcdef") == "" &&
		store.CheckKind(kind) == nil
}
