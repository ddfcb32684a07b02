package webui

import (
	"bytes"
	"cmp"
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
	// maxFiles is how many files are taken at once.
	maxFiles = 200
	// maxUpload bounds them all together.
	maxUpload = 64 << 20
	// maxPublished bounds what is taken from anybody.
	maxPublished = patch.DefaultMaxBytes + maxForm
)

// A file is one that was uploaded, or what was typed in the place of one.
type file struct {
	Name string // empty: it was typed
	Text []byte
}

// uploaded reads a form with files of limit bytes in all, and with a text in the field
// json that counts as one; if it cannot, it says so. Fields without a file are in the
// request's PostForm.
func (v *visit) uploaded(limit int64) (files []file, ok bool) {
	if !v.admit(limit) {
		return nil, false
	}
	files, err := v.readUpload()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		v.fail(
			http.StatusRequestEntityTooLarge,
			"Nothing was kept: this is too large. Sign in to send more, send files in parts, or use the API.",
		)
	case errors.Is(err, errTooMany):
		v.fail(
			http.StatusRequestEntityTooLarge,
			fmt.Sprintf("Nothing was kept: %d files are taken at once. Send them in parts, or use the API.", maxFiles),
		)
	case err != nil:
		v.fail(http.StatusBadRequest, "The form cannot be read. Open the page again, and try once more.")
	}
	return files, err == nil
}

var errTooMany = errors.New("too many files")

func (v *visit) readUpload() (files []file, err error) {
	v.r.PostForm = url.Values{}
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
		data = bytes.TrimPrefix(data, []byte("\ufeff")) // as some editors begin a file
		switch name := part.FormName(); {
		case err != nil:
			return nil, err
		case name == "json" && len(strings.TrimSpace(string(data))) > 0:
			files = append(files, file{Text: bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))})
		case name == "file" && part.FileName() != "":
			files = append(files, file{Name: path.Base(part.FileName()), Text: data})
		case name != "file" && name != "json" && len(data) <= maxForm && len(v.r.PostForm) < maxFiles:
			v.r.PostForm.Add(name, string(data))
		}
		if len(files) > maxFiles {
			return nil, errTooMany
		}
	}
}

// A result is what became of a file.
type result struct {
	Name string
	// Done is created, updated or unchanged; empty: it was refused.
	Done, ID, Message string
	Finding           finding

	answer *answer
}

// An uploadPage takes definitions.
type uploadPage struct {
	Results []result
	Refused int
	Replace bool
	Text    string // to be corrected
}

func (v *visit) uploadForm() {
	if v.signedIn() {
		v.show(http.StatusOK, "upload", "Upload", uploadPage{})
	}
}

// upload creates a title of each file, or replaces it if that is wanted.
func (v *visit) upload() {
	if !v.signedIn() {
		return
	}
	files, ok := v.uploaded(maxUpload)
	if !ok {
		return
	}
	p := uploadPage{Replace: v.value("replace") != ""}
	if len(files) == 0 {
		v.fail(http.StatusBadRequest, "There was nothing in it: choose one or more files, or paste a definition.")
		return
	}
	var refusal *answer // the first
	for _, f := range files {
		one := v.put(f, p.Replace)
		if one.Done == "" {
			p.Refused++
			refusal = cmp.Or(refusal, one.answer)
			if len(files) == 1 {
				p.Text = one.Finding.Text
			}
		}
		p.Results = append(p.Results, one)
	}
	switch {
	case refusal != nil:
		v.again(refusal, "upload", "Upload", p)
	case len(p.Results) == 1:
		v.goTo("/titles/"+url.PathEscape(p.Results[0].ID), sentence(p.Results[0].Message))
	default:
		v.show(http.StatusOK, "upload", "Upload", p)
	}
}

// put creates a title of a file, or replaces it if that is wanted.
func (v *visit) put(f file, replace bool) result {
	one := result{Name: f.Name}
	there, is := v.theirs(f)
	switch {
	case is && !replace:
		one.answer = isThere(there.ID)
	case is:
		one.answer = v.ask("PUT", titlePath(there.ID, ""), f.Text, "Content-Type", "application/json")
		one.Done = "updated"
	default:
		one.answer = v.ask("POST", "/api/v1/title", f.Text, "Content-Type", "application/json")
		one.Done = "created"
		if id := one.answer.Conflict; one.answer.status == http.StatusConflict && id != "" {
			if one.answer = isThere(id); replace { // it is another's perhaps: the API knows
				one.answer = v.ask("PUT", titlePath(id, ""), f.Text, "Content-Type", "application/json")
				one.Done = "updated"
			}
		}
	}
	a := one.answer
	switch {
	case !a.ok():
		one.Done = ""
		if len(a.Errors) == 0 {
			a.Errors = syntaxOf(f.Text)
		}
	case one.Done == "updated" && len(a.Changes) == 0:
		one.Done = "unchanged"
	}
	one.ID, one.Message, one.Finding = a.ID, a.Message, find(f.Text, "", a.Errors, a.Warnings)
	return one
}

// isThere says that there is a title already.
func isThere(id string) *answer {
	return &answer{
		status:  http.StatusConflict,
		Message: "There is a title '" + id + "' already, and nothing was changed: choose to replace titles, or use another id.",
	}
}

// theirs returns the title that a file is of, if there is one that is the visitor's: by
// the id as it stands in the file. Otherwise the API says which it is.
func (v *visit) theirs(f file) (Title, bool) {
	def, err := patch.Parse(f.Text, nil)
	if err != nil {
		return Title{}, false
	}
	t, _, err := v.h.cat.Title(v.r.Context(), def.ID)
	return t, err == nil && v.who.MayChange(t)
}

// syntaxOf returns where a text stops being JSON, nothing if it does not.
func syntaxOf(text []byte) []patch.Failure {
	var syntax *patch.SyntaxError
	if errors.As(patch.CheckSyntax(text, nil), &syntax) {
		return []patch.Failure{{Path: syntax.Pointer, Message: syntax.Error()}}
	}
	return nil
}
