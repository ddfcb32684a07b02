// Package archive reads and writes zips of patch definitions in the layout of Patch Server's backups: one member
// patch_archive/<id>.json for each title.
//
// [Read] is for untrusted zips. The number of members, the size of each and of all, and the compression ratio are
// limited; names that lead out of the archive are refused; and what archivers leave behind (directories, __MACOSX,
// files whose names begin with a dot) is skipped. Members may be in any directory, or in none.
package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/flate"

	"github.com/patchsource/patchsource/patch"
)

const (
	// folder is the directory of the definitions in an archive that is written.
	folder = "patch_archive"
	// fullFolder is the directory of a full backup (package store/dump) for everything but the definitions.
	fullFolder = "patchsource"
	// compressionLevel makes archives about as small as zip does, in two thirds of the time.
	compressionLevel = 6
)

var (
	// ErrNoArchive means that the data is not a zip.
	ErrNoArchive = errors.New("it is not a zip archive")
	// ErrMember means that a member cannot be read. With errors.As, a *[MemberError] has its name and the reason.
	ErrMember = errors.New("a member of the archive cannot be read")
)

// A MemberError is the reason for which a member cannot be read. It is an [ErrMember], and unwraps to the cause.
type MemberError struct {
	// Name is the member's name in the archive.
	Name string
	Err  error
}

// Error returns the name and the cause.
func (e *MemberError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

// Unwrap returns the cause.
func (e *MemberError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrMember].
func (e *MemberError) Is(target error) bool { return target == ErrMember }

// A Writer writes an archive. The same definitions in the same order make the same bytes. It is not safe for concurrent
// use.
type Writer struct{ zip *zip.Writer }

// epoch is the modification time of every member, so that the bytes do not depend on the time of writing.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// NewWriter returns a Writer to w. The caller must call [Writer.Close] after the last member.
func NewWriter(w io.Writer) *Writer {
	z := zip.NewWriter(w)
	var compressor *flate.Writer // of all members in turn: a new one costs more than to compress a definition
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		if compressor != nil {
			compressor.Reset(w)
			return compressor, nil
		}
		var err error
		compressor, err = flate.NewWriter(w, compressionLevel)
		return compressor, err
	})
	return &Writer{z}
}

// Definition writes the JSON of the definition of the title with an id.
func (w *Writer) Definition(id string, definition []byte) error {
	if !patch.ValidID(id) {
		return fmt.Errorf("write an archive: %q is not a valid id", id)
	}
	m, err := w.Create(folder + "/" + id + ".json")
	if err == nil {
		_, err = m.Write(definition)
	}
	return err
}

// Create begins a member of another kind. Its content must be written to the result before the next member begins.
func (w *Writer) Create(name string) (io.Writer, error) {
	return w.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch})
}

// Close completes the archive. It does not close the underlying writer.
func (w *Writer) Close() error { return w.zip.Close() }
