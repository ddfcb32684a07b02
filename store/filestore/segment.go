package filestore

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/patchsource/patchsource/store"
)

// The segments of the journal are the files <number>-<nonce>.v1 in journalDir. The number orders them. A segment
// contains entries, one after the other, and then zeros or what the file contained when it had another name.

const (
	journalDir    = ".journal"
	segmentSuffix = ".v1"
	// minGrowth and maxGrowth bound how many zeros are written behind the entries. Overwriting them is faster than
	// making the file longer, because then a sync need not write the size of the file.
	minGrowth = 64 << 10
	maxGrowth = 1 << 20
	// maxRecycled bounds the size of a segment that is used again.
	maxRecycled = 64 << 20
)

// A segment is a file of the journal.
type segment struct {
	name   string
	number uint64
	nonce  string
	file   *os.File // nil if it was found when the store was opened
	size   int64    // of the file
	end    int64    // of the entries
	last   uint64   // the number of the last entry; zero if there is none
	broken bool     // the segment must be kept in asideDir

	unreadable bool // a part of the file could not be read
}

// segmentName returns a name for the segment with a number.
func segmentName(number uint64) (name, nonce string) {
	nonce = strings.ToLower(rand.Text())
	return fmt.Sprintf("%012d-%s%s", number, nonce, segmentSuffix), nonce
}

// parseSegment returns the segment with a name. It returns false if the name is not that of a segment. The error is
// store.ErrFormat if a newer version has written the segment.
func parseSegment(name string) (g *segment, ok bool, err error) {
	base, version, _ := strings.Cut(name, ".")
	digits, nonce, _ := strings.Cut(base, "-")
	number, numberErr := strconv.ParseUint(digits, 10, 64)
	if numberErr != nil || len(digits) != 12 || nonce == "" || !strings.HasPrefix(version, "v") {
		return nil, false, nil
	}
	if "."+version != segmentSuffix {
		return nil, false, fmt.Errorf("%w: the journal has the file %s of version %.20s, and this version knows "+
			"journals up to %s: start the newer version, or restore a backup made before", store.ErrFormat, name,
			strings.TrimPrefix(version, "v"), strings.TrimPrefix(segmentSuffix, ".v"))
	}
	return &segment{name: name, number: number, nonce: nonce}, true, nil
}

// findSegments returns the segments in the directory of the journal, in order.
func (s *Store) findSegments() (segments []*segment, err error) {
	entries, err := fs.ReadDir(s.journal.dir.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		g, ok, err := parseSegment(e.Name())
		if err != nil {
			return nil, err
		}
		if ok && e.Type().IsRegular() {
			segments = append(segments, g)
		}
	}
	slices.SortFunc(segments, func(a, b *segment) int {
		return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.name, b.name))
	})
	return segments, nil
}

// readSegment makes a segment durable and reads it. Parts of the file that the disk cannot read are zero in the result,
// and the segment is marked as unreadable.
func (s *Store) readSegment(g *segment) ([]byte, error) {
	file, err := s.openFile(s.journal.dir.root, g.name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	g.size = info.Size()
	if err := s.syncFile(file); err != nil {
		return nil, err
	}
	data := make([]byte, g.size)
	if _, err := s.readAt(file, data, 0); err == nil || errors.Is(err, io.EOF) {
		return data, nil
	} else if !errors.Is(err, syscall.EIO) {
		return nil, err // it says nothing about the file, and the next start may read it
	}
	g.unreadable = true
	const part = 4096
	for at := 0; at < len(data); at += part {
		piece := data[at:min(at+part, len(data))]
		if _, err := s.readAt(file, piece, int64(at)); err != nil && !errors.Is(err, io.EOF) {
			if !errors.Is(err, syscall.EIO) {
				return nil, err
			}
			s.log.Error("cannot read a part of the journal", "file", s.path(s.journal.dir, g.name), "offset", at,
				"error", err)
			clear(piece)
		}
	}
	return data, nil
}

// newSegment returns an empty segment, whose name is durable. It uses old again if that is not nil.
func (s *Store) newSegment(number uint64, old *segment) (_ *segment, err error) {
	root := s.journal.dir.root
	name, nonce := segmentName(number)
	g := &segment{name: name, number: number, nonce: nonce}
	if old == nil {
		g.file, err = s.create(root, name)
	} else {
		// The name of an open file stays what it was, so the file is opened again.
		_ = old.file.Close()
		old.file = nil
		if err = s.rename(root, old.name, name); err == nil {
			g.size = old.size
			g.file, err = root.OpenFile(name, os.O_RDWR, 0)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := s.flush(s.journal.dir); err != nil {
		_ = g.file.Close()
		return nil, err
	}
	return g, nil
}

// appendTo writes data behind the entries of a segment and makes it durable. If that fails for want of room, the
// segment is as before. If it is not known what is on the disk, changes stop.
func (s *Store) appendTo(g *segment, data []byte) error {
	end := g.end + int64(len(data))
	err := s.writeAt(g.file, data, g.end)
	if err != nil {
		return s.cutSegment(g, err)
	}
	if end > g.size {
		g.size = end
	}
	if end == g.size && len(data) < minGrowth {
		zeros := make([]byte, min(max(end, minGrowth), maxGrowth))
		if s.writeAt(g.file, zeros, end) == nil { // a failure costs time, and may leave some of the zeros
			g.size += int64(len(zeros))
		}
	}
	if err := s.syncData(g.file); err != nil {
		if isFull(err) {
			return s.cutSegment(g, err)
		}
		return s.stopChanges(err)
	}
	g.end = end
	return nil
}

// cutSegment removes what was written behind the entries of a segment by a write that failed with cause. It returns
// the error for that write.
func (s *Store) cutSegment(g *segment, cause error) error {
	err := s.truncate(g.file, g.end)
	if err == nil {
		g.size = g.end
		err = s.syncFile(g.file)
	}
	if err != nil {
		return s.stopChanges(errors.Join(cause, err))
	}
	return fmt.Errorf("filestore: %s: cannot write to the journal: %w", s.path(s.journal.dir, g.name), cause)
}
