package patchsync

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/patchsource/patchsource/sync/internal/safehttp"
)

// RedactURL returns the URL or key of a source as it may be published and logged: without its user name, password,
// query and fragment, which may be secrets. A URL that cannot be parsed is replaced as a whole. The key of a [Folder]
// stays as it is.
func RedactURL(url string) string {
	if strings.HasPrefix(url, folderPrefix) {
		return url
	}
	return safehttp.Redact(url)
}

// redactID is RedactURL for the id of an item, which may be a URL.
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

// redactStoreError returns an error of the store about a state as it may be logged. Such an error may contain the
// record's name or file, and thus the state's key, which may hold a secret.
func redactStoreError(key string, err error) error {
	if err == nil || redactKey(key) == key {
		return err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return errors.New("the store returned an error about a record whose name is hidden, because it contains a secret")
}
