package webui

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

const (
	// maxForm limits a form without files.
	maxForm = 1 << 20
	// maxFiles limits the number of files in a form, maxUpload their size together.
	maxFiles  = 200
	maxUpload = 64 << 20
	// maxPublished limits a form of a visitor who is not an administrator or an editor.
	maxPublished = patch.DefaultMaxBytes + maxForm
	// maxField limits a field in front of a file that is passed on to the API.
	maxField = 4 << 10
)

// unreadable is shown for a form that cannot be parsed.
const unreadable = "The form cannot be read. Open the page again and try once more."

// byteOrderMark begins the files of some editors. It is not part of the JSON.
const byteOrderMark = "\ufeff"

// readForm reads a form without files. If it cannot, it shows an error and returns false.
func (v *visit) readForm() bool { return v.readFormOf(maxForm) }

// readFormOf is readForm for a form of at most limit bytes.
func (v *visit) readFormOf(limit int64) bool {
	if !v.admit(limit) {
		return false
	}
	err := v.r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		v.fail(http.StatusRequestEntityTooLarge, "Nothing was stored: the form is too large. Use the API.")
		return false
	case err != nil:
		v.fail(http.StatusBadRequest, unreadable)
		return false
	}
	return true
}

// value returns a field of a form without surrounding space.
func (v *visit) value(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// splitList returns the elements of a list that was typed: words separated by commas, semicolons or space.
func splitList(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",; \n\r\t", r) })
}

// fieldErrors are the errors of the fields of a form, by the paths of the members of JSON that the fields become.
type fieldErrors map[string]string

// A fault is the error of a field.
type fault struct{ ID, Message string }

// Fault returns the error of the field with a path, or nil if it has none.
func (f fieldErrors) Fault(path string) *fault {
	if message, ok := f[path]; ok {
		return &fault{ID: "fault" + strings.ReplaceAll(path, "/", "-"), Message: message}
	}
	return nil
}

// take adds the failures that belong to the fields with these paths, and returns the others. Without paths, it adds
// all.
func (f fieldErrors) take(failures []patch.Failure, paths ...string) (others []patch.Failure) {
	fields := make(map[string]bool, len(paths))
	for _, path := range paths {
		fields[path] = true
	}
	for _, failure := range failures {
		if len(paths) == 0 || fields[failure.Path] {
			f[failure.Path] = failure.Message
		} else {
			others = append(others, failure)
		}
	}
	return others
}

// A file is an uploaded file, or a text that was typed in its place.
type file struct {
	Name string // empty: it was typed
	Text []byte
}

// uploaded reads a form with files. limit is their size together. A text in the field json counts as a file. Fields
// without a file are in the request's PostForm. If it cannot read the form, it shows an error and returns false.
func (v *visit) uploaded(limit int64) (files []file, ok bool) {
	if !v.admit(limit) {
		return nil, false
	}
	files, err := v.readFiles()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		v.fail(http.StatusRequestEntityTooLarge,
			"Nothing was stored: the form is too large. Sign in to send more, send fewer files, or use the API.")
	case errors.Is(err, errTooManyFiles):
		v.fail(http.StatusRequestEntityTooLarge,
			fmt.Sprintf("Nothing was stored: at most %d files are accepted at once. Send fewer files, or use the API.",
				maxFiles))
	case err != nil:
		v.fail(http.StatusBadRequest, unreadable)
	}
	return files, err == nil
}

var errTooManyFiles = errors.New("too many files")

func (v *visit) readFiles() (files []file, err error) {
	v.r.PostForm, v.multipart = url.Values{}, true
	form, err := v.r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(part)
		data = bytes.TrimPrefix(data, []byte(byteOrderMark))
		switch name := part.FormName(); {
		case err != nil:
			return nil, err
		case name == "json" && len(bytes.TrimSpace(data)) > 0:
			files = append(files, file{Text: bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))})
			v.r.PostForm.Set(name, string(data)) // so that it is kept if the visitor has to sign in
		case name == "file" && part.FileName() != "":
			files = append(files, file{Name: path.Base(part.FileName()), Text: data})
		case name != "file" && name != "json" && len(data) <= maxForm && len(v.r.PostForm) < maxFiles:
			v.r.PostForm.Add(name, string(data))
		}
		if len(files) > maxFiles {
			return nil, errTooManyFiles
		}
	}
}

// stream returns the file of a form as a stream, so that it is passed on without being kept. Fields in front of it are
// in the request's PostForm. If there is no file, it shows an error and returns false.
func (v *visit) stream() (io.Reader, bool) {
	v.r.PostForm = url.Values{}
	form, err := v.r.MultipartReader()
	for n := 0; err == nil && n < maxFiles; n++ {
		part, partErr := form.NextPart()
		switch {
		case partErr != nil:
			err = partErr
		case part.FormName() == "file" && part.FileName() != "":
			return part, true
		case part.FormName() != "file":
			var value []byte
			value, err = io.ReadAll(io.LimitReader(part, maxField))
			v.r.PostForm.Add(part.FormName(), string(value))
		}
	}
	if err == io.EOF {
		v.fail(http.StatusBadRequest, "No file was chosen, so nothing was changed.")
	} else {
		v.fail(http.StatusBadRequest, unreadable)
	}
	return nil, false
}

// syntaxErrors returns the place where a text stops being JSON, or nil if it is JSON.
func syntaxErrors(text []byte) []patch.Failure {
	var syntax *patch.SyntaxError
	if errors.As(patch.CheckSyntax(text, nil), &syntax) {
		return []patch.Failure{{Path: syntax.Pointer, Message: syntax.Error()}}
	}
	return nil
}
