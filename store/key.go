package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// maxKindLength is the maximum length of a Key's Kind in bytes.
	maxKindLength = 32
	// maxIDLength is the maximum length of a Key's ID in bytes.
	maxIDLength = 512
)

// A Key names a record.
type Key struct {
	// Kind is the kind of the record, such as "titles": 1 to 32 letters from a to z.
	Kind string
	// ID names the record among those of its kind: 1 to 512 bytes of UTF-8 without NUL. Ids that differ in case only
	// name different records.
	ID string
}

// String returns the key as kind/id, for logs.
func (k Key) String() string { return k.Kind + "/" + k.ID }

// Check returns an error if k is not a valid key. Backends call it first. An invalid key is a mistake of the program.
func (k Key) Check() error {
	if err := CheckKind(k.Kind); err != nil {
		return err
	}
	switch {
	case k.ID == "" || len(k.ID) > maxIDLength:
		return fmt.Errorf("store: the id of a %s record has %d bytes, want 1 to %d", k.Kind, len(k.ID), maxIDLength)
	case !utf8.ValidString(k.ID) || strings.Contains(k.ID, "\x00"):
		return fmt.Errorf("store: the id of a %s record is not UTF-8 without NUL: %q", k.Kind, k.ID)
	}
	return nil
}

// CheckKind returns an error if kind is not valid as the Kind of a Key.
func CheckKind(kind string) error {
	if kind == "" || len(kind) > maxKindLength || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("store: the kind %q does not have 1 to %d letters from a to z", kind, maxKindLength)
	}
	return nil
}
