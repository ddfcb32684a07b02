package filestore

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// A step is a call that has changed the disk, or the beginning or the end of a change of a record.
type step struct {
	call string // create, write, truncate, sync, rename, remove, begin or end
	path string // below the directory of the store; of a begin or end, the id of the record
	to   string // of a rename: the new path
	data []byte // of a write; of a begin or end: the value, nil for a deletion
	at   int64  // of a write; of a truncate: the size
}

// A recorder records the steps of a store.
type recorder struct {
	dir   string
	mu    sync.Mutex
	steps []step
}

// add adds a step.
func (r *recorder) add(s step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.data = slices.Clone(s.data)
	r.steps = append(r.steps, s)
}

// path returns a path below the directory of the store.
func (r *recorder) path(name string) string {
	rel, err := filepath.Rel(r.dir, filepath.Clean(name))
	if err != nil {
		panic(err)
	}
	return rel
}

// record makes a disk record its calls.
func (r *recorder) record(d disk) disk {
	in := func(root *os.Root, name string) string { return r.path(filepath.Join(root.Name(), name)) }
	recorded := d
	recorded.create = func(root *os.Root, name string) (*os.File, error) {
		f, err := d.create(root, name)
		if err == nil {
			r.add(step{call: "create", path: in(root, name)})
		}
		return f, err
	}
	recorded.writeAt = func(f *os.File, data []byte, at int64) error {
		err := d.writeAt(f, data, at)
		r.add(step{call: "write", path: r.path(f.Name()), data: data, at: at}) // also in part
		return err
	}
	recorded.truncate = func(f *os.File, size int64) error {
		err := d.truncate(f, size)
		if err == nil {
			r.add(step{call: "truncate", path: r.path(f.Name()), at: size})
		}
		return err
	}
	sync := func(sync func(*os.File) error) func(*os.File) error {
		return func(f *os.File) error {
			err := sync(f)
			if err == nil {
				r.add(step{call: "sync", path: r.path(f.Name())})
			}
			return err
		}
	}
	recorded.syncFile, recorded.syncData = sync(d.syncFile), sync(d.syncData)
	recorded.rename = func(root *os.Root, from, to string) error {
		err := d.rename(root, from, to)
		if err == nil {
			r.add(step{call: "rename", path: in(root, from), to: in(root, to)})
		}
		return err
	}
	recorded.remove = func(root *os.Root, name string) error {
		err := d.remove(root, name)
		if err == nil {
			r.add(step{call: "remove", path: in(root, name)})
		}
		return err
	}
	return recorded
}

// A modelFile is a file of a modelDisk.
type modelFile struct {
	durable []byte
	pending []step // writes and truncations that were not synced
}

// A modelDisk is what a disk contains durably, and what it may contain in addition.
type modelDisk struct {
	files   map[string]*modelFile // as the program sees them, by path
	durable map[string]*modelFile // as the synced directories have them
	pending map[string][]func(map[string]*modelFile)
}

func newModelDisk() *modelDisk {
	return &modelDisk{
		files: map[string]*modelFile{}, durable: map[string]*modelFile{},
		pending: map[string][]func(map[string]*modelFile){},
	}
}

// readModelDisk returns a disk that contains the files of a directory.
func readModelDisk(t *testing.T, dir string) *modelDisk {
	t.Helper()
	m := newModelDisk()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		f := &modelFile{durable: data}
		m.files[rel], m.durable[rel] = f, f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// apply applies a step.
func (m *modelDisk) apply(s step) {
	names := func(change func(map[string]*modelFile)) {
		change(m.files)
		dir := filepath.Dir(s.path)
		m.pending[dir] = append(m.pending[dir], change)
	}
	switch f := m.files[s.path]; s.call {
	case "create":
		f := &modelFile{}
		names(func(files map[string]*modelFile) { files[s.path] = f })
	case "write", "truncate":
		f.pending = append(f.pending, s)
	case "sync":
		if f != nil {
			for _, p := range f.pending {
				f.durable = p.on(f.durable)
			}
			f.pending = nil
			return
		}
		for _, change := range m.pending[s.path] {
			change(m.durable)
		}
		delete(m.pending, s.path)
	case "rename":
		names(func(files map[string]*modelFile) { delete(files, s.path); files[s.to] = f })
	case "remove":
		names(func(files map[string]*modelFile) { delete(files, s.path) })
	}
}

// on returns the content of a file after a write or truncation.
func (s step) on(data []byte) []byte {
	end := int(s.at) + len(s.data)
	if s.call == "truncate" {
		end = int(s.at)
	}
	if len(data) < end {
		data = append(data, make([]byte, end-len(data))...)
	}
	if s.call == "truncate" {
		return data[:end]
	}
	copy(data[s.at:], s.data)
	return data
}

// torn returns the content of a file after a part of a write: each sector is written, not written, or garbage.
func (s step) torn(data []byte, random *rand.Rand) []byte {
	if s.call == "truncate" {
		if random.IntN(2) == 0 {
			return data
		}
		return s.on(data)
	}
	const sector = 512
	for at := 0; at < len(s.data); at += sector {
		piece := slices.Clone(s.data[at:min(at+sector, len(s.data))])
		switch random.IntN(4) {
		case 0, 1:
			continue
		case 2:
			for i := range piece {
				piece[i] = byte(random.Uint32())
			}
		}
		data = step{call: "write", data: piece, at: s.at + int64(at)}.on(data)
	}
	return data
}

// The effects of a loss of power on data that was not synced.
const (
	loseAll = iota
	keepAll
	loseSome
)

// write writes a directory as it may be after a loss of power.
func (m *modelDisk) write(t *testing.T, dir string, loss int, random *rand.Rand) {
	t.Helper()
	files := maps.Clone(m.durable)
	for _, d := range slices.Sorted(maps.Keys(m.pending)) {
		for _, change := range m.pending[d] {
			if loss == keepAll || loss == loseSome && random.IntN(2) == 0 {
				change(files)
			}
		}
	}
	for path, f := range files {
		data := slices.Clone(f.durable)
		for _, p := range f.pending {
			switch loss {
			case keepAll:
				data = p.on(data)
			case loseSome:
				data = p.torn(data, random)
			}
		}
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path := range m.durable { // the directories of kinds are durable before their records
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// noSyncs returns a disk that does not sync, for directories that need not survive a real loss of power.
func noSyncs() disk {
	d := systemDisk()
	d.syncFile = func(*os.File) error { return nil }
	d.syncData = d.syncFile
	return d
}
