package archive

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"path"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

const (
	defaultMaxMembers    = 100_000
	defaultMaxTotalBytes = 4 << 30
	// maxRatio is the maximum compression ratio of a member larger than minForRatio. Definitions are compressed to a
	// fifteenth of their size; deflate reaches a thousandth.
	maxRatio    = 200
	minForRatio = 1 << 20
)

// ReadOptions are options of [Read]. Nil means the zero value. A negative limit means no limit.
type ReadOptions struct {
	// MaxMembers is the maximum number of members. The default is 100,000.
	MaxMembers int
	// MaxBytes is the maximum size of a definition in bytes. The default is [patch.DefaultMaxBytes].
	MaxBytes int
	// MaxTotalBytes is the maximum size of all definitions together in bytes. The default is 4 GiB.
	MaxTotalBytes int64
	// Repair repairs faults of other systems' exports, as [patch.ParseRepair] does.
	Repair bool
}

// withDefaults returns o with its defaults, and with the largest numbers in place of negative ones.
func (o *ReadOptions) withDefaults() ReadOptions {
	if o == nil {
		o = &ReadOptions{}
	}
	return ReadOptions{
		MaxMembers:    limit(o.MaxMembers, defaultMaxMembers, math.MaxInt-1),
		MaxBytes:      limit(o.MaxBytes, patch.DefaultMaxBytes, math.MaxInt-1),
		MaxTotalBytes: limit(o.MaxTotalBytes, defaultMaxTotalBytes, math.MaxInt64),
		Repair:        o.Repair,
	}
}

// limit returns a limit, given that of the options, the default, and the largest.
func limit[T int | int64](option, defaultLimit, none T) T {
	if option < 0 {
		return none
	}
	return cmp.Or(option, defaultLimit)
}

// A Member is a definition in an archive.
type Member struct {
	// Name is the member's name in the archive.
	Name       string
	Definition *patch.Definition
	// Warnings describe the repairs, if there were any.
	Warnings []patch.Warning
	// Bytes is the size of the definition's JSON, or of the part of it that was read.
	Bytes int
}

// Read returns an iterator over the definitions of an archive of size bytes, in the order of its directory. Each is
// read when the iterator reaches it. A member that cannot be read yields an error with its name, and the iteration
// continues, so that all errors can be reported.
//
// The errors are [ErrMember]; or [ErrNoArchive] or [patch.ErrTooLarge] (too many members, or too many bytes in total),
// which end the iteration. A MemberError unwraps to [patch.ErrInvalid], patch.ErrTooLarge or another cause.
func Read(r io.ReaderAt, size int64, opts *ReadOptions) iter.Seq2[Member, error] {
	o := opts.withDefaults()
	return func(yield func(Member, error) bool) {
		z, err := open(r, size, o.MaxMembers)
		if err != nil {
			yield(Member{}, err)
			return
		}
		var total int64
		for _, f := range z.File {
			if skipped(f.Name) {
				continue
			}
			m, err := readMember(f, &o)
			if n := int64(m.Bytes); n > o.MaxTotalBytes-total {
				yield(Member{}, fmt.Errorf("%w: the members of the archive have more than %d bytes",
					patch.ErrTooLarge, o.MaxTotalBytes))
				return
			}
			total += int64(m.Bytes)
			if err != nil {
				err = &MemberError{Name: f.Name, Err: err}
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// open reads the directory of an archive.
func open(r io.ReaderAt, size int64, maxMembers int) (*zip.Reader, error) {
	if r == nil || size < 0 {
		return nil, ErrNoArchive
	}
	if err := checkDirectory(r, size, maxMembers); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // memberData refuses such names
		return nil, fmt.Errorf("%w: %w", ErrNoArchive, err)
	}
	return z, nil
}

// skipped reports whether a member is something that archivers leave behind, or something other than a definition in a
// full backup.
func skipped(name string) bool {
	if strings.HasSuffix(name, "/") {
		return true
	}
	for i, part := range strings.Split(name, "/") {
		hidden := strings.HasPrefix(part, ".") && part != "." && !strings.HasPrefix(part, "..")
		if hidden || part == "__MACOSX" || i == 0 && part == fullFolder {
			return true
		}
	}
	return false
}

// readMember reads a member.
func readMember(f *zip.File, o *ReadOptions) (m Member, err error) {
	m.Name = f.Name
	data, err := memberData(f, o.MaxBytes)
	m.Bytes = len(data)
	if err != nil {
		return m, err
	}
	parsing := &patch.ParseOptions{MaxBytes: o.MaxBytes}
	if o.Repair {
		m.Definition, m.Warnings, err = patch.ParseRepair(data, parsing)
	} else {
		m.Definition, err = patch.Parse(data, parsing)
	}
	return m, err
}

// memberData returns the content of a member. In case of an error, it may return part of it.
func memberData(f *zip.File, maxBytes int) ([]byte, error) {
	switch name := f.Name; {
	case leadsOut(name):
		return nil, errors.New("its name leads out of the archive")
	case !f.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case !strings.EqualFold(path.Ext(name), ".json"):
		return nil, errors.New("it is not a .json file")
	case f.UncompressedSize64 > uint64(maxBytes):
		return nil, fmt.Errorf("%w: it has %d bytes, the limit is %d",
			patch.ErrTooLarge, f.UncompressedSize64, maxBytes)
	case f.UncompressedSize64 > minForRatio && f.UncompressedSize64/maxRatio > f.CompressedSize64:
		return nil, fmt.Errorf("%w: its compression ratio is too high for a definition", patch.ErrTooLarge)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// The size in the directory may be wrong.
	data, err := io.ReadAll(io.LimitReader(r, int64(maxBytes)+1))
	if err != nil {
		return data, fmt.Errorf("it cannot be read: %w", err)
	}
	return data, nil
}

// leadsOut reports whether a member's name may be a path out of the archive, on any system.
func leadsOut(name string) bool {
	return strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") ||
		path.Clean(name) != name
}
