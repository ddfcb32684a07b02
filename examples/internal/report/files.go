package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/patchsource/patchsource/patch"
)

// WriteDefinition replaces a file atomically by a definition, with the indentation, the line ends and the permissions
// of the file, whose text is old. If the file does not exist, it is created with an indentation of two spaces. A link
// stays, and the file that it leads to is replaced. It returns the new text.
func WriteDefinition(path string, def *patch.Definition, old []byte) ([]byte, error) {
	if err := def.Validate(); err != nil {
		return nil, fmt.Errorf("%s: the new definition is invalid and was not written: %w", path, err)
	}
	data, err := def.MarshalJSON()
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(0o644)
	if old == nil {
		old = []byte("{\n  \n}\n")
	} else {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		mode = info.Mode().Perm()
	}
	if data, err = like(old, data); err != nil {
		return nil, err
	}
	return data, Replace(path, data, mode)
}

// Replace replaces a file atomically. If it fails, the file is unchanged.
func Replace(path string, data []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), os.Remove(temp.Name()))
	}
	return nil
}

// like returns JSON with the indentation and the line ends of another text.
func like(old, data []byte) ([]byte, error) {
	if indent, ok := indentOf(old); ok {
		var b bytes.Buffer
		if err := json.Indent(&b, data, "", indent); err != nil {
			return nil, err
		}
		data = b.Bytes()
	}
	if bytes.HasSuffix(old, []byte("\n")) {
		data = append(data, '\n')
	}
	if bytes.Contains(old, []byte("\r\n")) {
		data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
	}
	return data, nil
}

// indentOf returns the indentation of a text, and false if it has one line.
func indentOf(data []byte) (string, bool) {
	_, rest, ok := bytes.Cut(data, []byte("\n"))
	if !ok {
		return "", false
	}
	return string(rest[:len(rest)-len(bytes.TrimLeft(rest, " \t"))]), true
}
