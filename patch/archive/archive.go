// Package archive reads and writes zips of patch definitions, in the layout of
// Patch Server's backups: one member patch_archive/<id>.json for each title.
//
// Reading is for zips of unknown origin: the number of members, the size of each
// and of all, and how far they are compressed are bounded, names that lead
// elsewhere are refused, and what archivers leave behind (folders, __MACOSX, files
// whose names begin with a dot) is left out. Members may lie in any folder, or in
// none.
package archive

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// Folder is where definitions lie in an archive that is written.
const Folder = "patch_archive"

var (
	// ErrNoArchive is what is no zip.
	ErrNoArchive = errors.New("it is no zip archive")
	// ErrMember is a member that cannot be taken. errors.As finds the
	// *[MemberError] that says which and why.
	ErrMember = errors.New("a member of the archive cannot be taken")
)

// A MemberError says what is wrong with a member. It is [ErrMember], and unwraps to
// the cause.
type MemberError struct {
	// Name is the member's name in the archive.
	Name string
	Err  error
}

// Error says what is wrong, and where.
func (e *MemberError) Error() string { return fmt.Sprintf("%s: %v", e.Name, e.Err) }

// Unwrap returns the cause.
func (e *MemberError) Unwrap() error { return e.Err }

// Is makes a MemberError an [ErrMember].
func (e *MemberError) Is(target error) bool { return target == ErrMember }

// A Writer writes an archive. The same definitions in the same order make the same
// bytes. It is not safe for concurrent use.
type Writer struct{ zip *zip.Writer }

// epoch is the time of every member: when it was archived is not part of a title.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// NewWriter returns a Writer to w. [Writer.Close] must be called when all is
// written.
func NewWriter(w io.Writer) *Writer {
	z := zip.NewWriter(w)
	z.RegisterCompressor(
		zip.Deflate,
		func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) },
	)
	return &Writer{z}
}

// Definition writes the definition of the title with this id, as JSON.
func (w *Writer) Definition(id string, definition []byte) error {
	if !patch.ValidID(id) {
		return fmt.Errorf("archive: %q is no id", id)
	}
	m, err := w.Create(Folder + "/" + id + ".json")
	if err == nil {
		_, err = m.Write(definition)
	}
	return err
}

// Create begins a member of another kind. What is written to it must be written
// before the next member begins.
func (w *Writer) Create(name string) (io.Writer, error) {
	return w.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch})
}

// Close ends the archive. It does not close what it is written to.
func (w *Writer) Close() error { return w.zip.Close() }

const (
	// DefaultMaxMembers is how many members an archive may have when [ReadOptions]
	// says nothing else.
	DefaultMaxMembers = 100_000
	// DefaultMaxTotalBytes is how large all members together may be when
	// ReadOptions says nothing else: 4 GiB.
	DefaultMaxTotalBytes = 4 << 30
	// maxRatio is how far a member may be compressed that is larger than
	// minForRatio: a definition comes to a fifteenth of its size, deflate to a
	// thousandth.
	maxRatio    = 200
	minForRatio = 1 << 20
)

// ReadOptions are options of [Read]. Nil means the zero value.
type ReadOptions struct {
	// MaxMembers bounds the number of members. 0: DefaultMaxMembers.
	MaxMembers int
	// MaxBytes bounds a definition. 0: patch.DefaultMaxBytes.
	MaxBytes int
	// MaxTotalBytes bounds all definitions together. 0: DefaultMaxTotalBytes.
	MaxTotalBytes int64
	// Repair mends what other systems' exports lack, as patch.ParseRepair does.
	Repair bool
}

// A Member is a definition in an archive.
type Member struct {
	// Name is the member's name.
	Name       string
	Definition *patch.Definition
	// Warnings say what was mended, if that was asked for.
	Warnings []patch.Warning
}

// Read yields the definitions of an archive of size bytes, in the order of its
// directory, each when it is wanted. A member that cannot be taken is yielded as an
// error with its name, and what follows it after that, so that all can be named.
//
// The error is [ErrNoArchive], [ErrMember] or patch.ErrTooLarge (more members, or
// more bytes in all, than are read), which is the last. A MemberError unwraps to
// patch.ErrInvalid or patch.ErrTooLarge, or another cause.
func Read(r io.ReaderAt, size int64, opts *ReadOptions) iter.Seq2[Member, error] {
	var o ReadOptions
	if opts != nil {
		o = *opts
	}
	if o.MaxMembers == 0 {
		o.MaxMembers = DefaultMaxMembers
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = patch.DefaultMaxBytes
	}
	if o.MaxTotalBytes == 0 {
		o.MaxTotalBytes = DefaultMaxTotalBytes
	}
	return func(yield func(Member, error) bool) {
		if err := checkDirectory(r, size, o.MaxMembers); err != nil {
			yield(Member{}, err)
			return
		}
		z, err := zip.NewReader(r, size)
		if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // such names are refused below, by name
			yield(Member{}, fmt.Errorf("%w: %w", ErrNoArchive, err))
			return
		}
		var total int64
		for _, f := range z.File {
			if junk(f.Name) {
				continue
			}
			m, n, err := readMember(f, &o)
			if total += n; total > o.MaxTotalBytes {
				yield(
					Member{},
					fmt.Errorf(
						"%w: the members of the archive have more than %d bytes",
						patch.ErrTooLarge,
						o.MaxTotalBytes,
					),
				)
				return
			}
			if err != nil {
				err = &MemberError{Name: f.Name, Err: err}
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// junk reports whether a member is what archivers leave behind, or what this
// server's full backup has beside the definitions.
func junk(name string) bool {
	if strings.HasSuffix(name, "/") {
		return true
	}
	for i, part := range strings.Split(name, "/") {
		if part == "__MACOSX" || strings.HasPrefix(part, ".") && part != "." && !strings.HasPrefix(part, "..") ||
			i == 0 && part == FullFolder {
			return true
		}
	}
	return false
}

// FullFolder is where a full backup keeps what is not a definition.
const FullFolder = "patchsource"

// readMember reads a member, and returns how many bytes that took.
func readMember(f *zip.File, o *ReadOptions) (m Member, n int64, err error) {
	m.Name = f.Name
	data, err := memberData(f, o.MaxBytes)
	if err != nil {
		return m, int64(len(data)), err
	}
	parsing := &patch.ParseOptions{MaxBytes: o.MaxBytes}
	if o.Repair {
		m.Definition, m.Warnings, err = patch.ParseRepair(data, parsing)
	} else {
		m.Definition, err = patch.Parse(data, parsing)
	}
	return m, int64(len(data)), err
}

// memberData returns what a member holds, or what was read of it.
func memberData(f *zip.File, maxBytes int) ([]byte, error) {
	switch name := f.Name; {
	case strings.Contains(name, `\`),
		strings.HasPrefix(name, "/"),
		path.Clean(name) != name,
		strings.HasPrefix(name, "../"),
		strings.Contains(name, "\x00"):
		return nil, errors.New("its name leads elsewhere")
	case !f.Mode().IsRegular():
		return nil, errors.New("it is no file")
	case !strings.EqualFold(path.Ext(name), ".json"):
		return nil, errors.New("it is no .json file")
	case f.UncompressedSize64 > uint64(maxBytes):
		return nil, fmt.Errorf(
			"%w: it has %d bytes, at most %d are read",
			patch.ErrTooLarge,
			f.UncompressedSize64,
			maxBytes,
		)
	case f.UncompressedSize64 > minForRatio && f.UncompressedSize64/maxRatio > f.CompressedSize64:
		return nil, fmt.Errorf("%w: it is compressed too far to be a definition", patch.ErrTooLarge)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// What it says of its size may be wrong.
	data, err := io.ReadAll(io.LimitReader(r, int64(maxBytes)+1))
	if err != nil {
		return data, fmt.Errorf("it cannot be read: %w", err)
	}
	return data, nil
}
