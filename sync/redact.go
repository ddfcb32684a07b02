package patchsync

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// RedactURL returns the URL of a source, or its key, as it may be shown and logged:
// without its user name, password, query and fragment, which may be secrets. What
// cannot be parsed is not shown at all. The key of a [Folder] stays as it is.
func RedactURL(url string) string {
	if strings.HasPrefix(url, folderPrefix) {
		return url
	}
	return safehttp.Redact(url)
}

// redactID is RedactURL for the id of an item, which may be a URL or anything else.
func redactID(id string) string {
	if strings.Contains(id, "://") {
		return RedactURL(id)
	}
	return id
}

// redactKey is RedactURL for the key of a state.
func redactKey(key string) string {
	if name, ok := strings.CutPrefix(key, mirrorPrefix); ok {
		return mirrorPrefix + RedactURL(name)
	}
	return key
}

// redactStoreError returns an error of the store about a state as it may be logged: a
// store may name the record, or its file, and the key of a state may hold a secret.
func redactStoreError(key string, err error) error {
	if err == nil || redactKey(key) == key {
		return err
	}
	var where *fs.PathError
	if errors.As(err, &where) {
		return where.Err
	}
	return errors.New("the storage reports an error about a record whose name is not shown, because it holds a secret")
}
