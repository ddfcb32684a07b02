package patchsync

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/patchsource/patchsource/patch/catalog"
)

const (
	mirrorPrefix = "mirror/" // begins the key of a mirror's state
	titlePrefix  = "title/"  // begins the key of the state of a title that is followed on its own
	folderPrefix = "folder:" // begins the key of a folder, which is a source
	// requestPrefix begins the id of a request that the leader runs a round, before the key of the state.
	requestPrefix = "request/"
)

// keyOf returns the key of the state of the source that a title follows.
func keyOf(t catalog.Title) string {
	if t.Source != "" {
		return mirrorKey(t.Source)
	}
	return titlePrefix + t.UID
}

// mirrorKey returns the key of a mirror's state.
func mirrorKey(name string) string {
	if len(name) > 400 { // a key has at most 512 bytes
		sum := sha256.Sum256([]byte(name))
		name = "sha256/" + hex.EncodeToString(sum[:])
	}
	return mirrorPrefix + name
}

// isTitleKey reports whether a key is that of a title that is followed on its own.
func isTitleKey(key string) bool { return strings.HasPrefix(key, titlePrefix) }
