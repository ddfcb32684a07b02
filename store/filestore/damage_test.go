package filestore

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
)

// One damaged byte of the journal never makes a record older than its file. An acknowledged change that is lost is
// reported, unless it is in the last batch, and a second start changes nothing.
func TestDamagedByte(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	steps := recordChanges(t, seed, false)
	random := rand.New(rand.NewPCG(seed, 3))
	for round := range 60 {
		disk, states, history := newModelDisk(), recordStates{}, map[string][][]byte{}
		for _, s := range steps[:1+random.IntN(len(steps))] {
			disk.apply(s)
			states.apply(s)
			if s.call == "begin" {
				history[s.path] = append(history[s.path], s.data)
			}
		}
		dir := filepath.Join(t.TempDir(), fmt.Sprint(round))
		disk.write(t, dir, keepAll, random)
		segments := segmentsIn(t, dir)
		if len(segments) == 0 {
			continue
		}
		inLastBatch := damageByte(t, segments, random)
		inFiles := placesInFiles(t, dir, history)
		found := map[string][]byte{}
		for again := range 2 {
			s := newStore()
			s.disk = noSyncs()
			if err := s.start(dir, nil); err != nil {
				t.Fatal(err)
			}
			faults := s.Faults(context.Background())
			for id, allowed := range states {
				value := s.value(id)
				if at, ok := inFiles[id]; ok && lastIndex(history[id], value) < at {
					t.Errorf("%s is %.40q, older than its file", id, value)
				}
				if lastIndex(allowed, value) < 0 && len(faults) == 0 && !inLastBatch {
					t.Errorf("%s is %.40q, want one of %.40q, or a fault", id, value, allowed)
				}
				if again > 0 && !bytes.Equal(found[id], value) {
					t.Errorf("%s has changed from %.40q to %.40q", id, found[id], value)
				}
				found[id] = value
			}
			closeTest(t, s)
		}
	}
}

// closeTest closes a store.
func closeTest(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// value returns the value of a thing, which is nil if it cannot be read.
func (s *Store) value(id string) []byte {
	r, err := s.Get(context.Background(), thing(id))
	if err != nil {
		return nil
	}
	return r.Value
}

// placesInFiles returns, by id, the places of the values in the files among those that the records had.
func placesInFiles(t *testing.T, dir string, history map[string][][]byte) map[string]int {
	t.Helper()
	places := map[string]int{}
	for id, values := range history {
		data, err := os.ReadFile(filepath.Join(dir, "things", fileName(id)))
		if err != nil {
			continue
		}
		r, err := decodeRecord(data)
		if err != nil {
			t.Fatal(err)
		}
		places[id] = lastIndex(values, r.Value)
	}
	return places
}

// damageByte changes one byte of an intact entry in one of the segments. It reports whether the entry is in the last
// batch of the journal.
func damageByte(t *testing.T, segments []string, random *rand.Rand) (inLastBatch bool) {
	t.Helper()
	file := segments[random.IntN(len(segments))]
	batches := map[string][]uint64{}
	var lastBatch uint64
	for _, name := range segments {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		g, _, err := parseSegment(filepath.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range scanEntries(data, g.nonce) {
			batches[name] = append(batches[name], e.batch)
			lastBatch = max(lastBatch, e.batch)
		}
	}
	if len(batches[file]) == 0 {
		return false
	}
	index := random.IntN(len(batches[file]))
	editEntry(t, file, index, func(b []byte) { b[random.IntN(len(b))] ^= 1 })
	return batches[file][index] == lastBatch
}

// lastIndex returns the index of the last value that is equal to value, or -1. No value stands for no record.
func lastIndex(values [][]byte, value []byte) int {
	for i := len(values) - 1; i >= 0; i-- {
		if (values[i] == nil) == (value == nil) && bytes.Equal(values[i], value) {
			return i
		}
	}
	return -1
}

// While files cannot be written, the damage of the journal is a fault, and after another start too.
func TestDamageIsFaultUntilKept(t *testing.T) {
	s := openSlow(t)
	s.put(t, "z")
	s.change(t, "a", 1)
	s.change(t, "b", 1)
	s.flush(t)
	s.change(t, "a", 2)
	if _, err := s.Put(t.Context(), thing("z"), []byte("z2"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), thing("z"), []byte("z3"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	s.change(t, "b", 2)
	dir := s.crash(t)
	editEntry(t, segmentsIn(t, dir)[0], 2, func(b []byte) { b[headSize+3] ^= 1 }) // z2
	full := newStore()
	full.behind.delay = time.Hour
	create := full.create
	full.create = func(root *os.Root, name string) (*os.File, error) {
		if strings.HasPrefix(name, tempPrefix) {
			return nil, syscall.ENOSPC
		}
		return create(root, name)
	}
	if err := full.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(full.Faults(t.Context())); n == 0 {
		t.Error("first start: no fault although the journal is damaged")
	}
	if r, err := full.Get(t.Context(), thing("z")); string(r.Value) != "z3" {
		t.Errorf("first start: %q, %v", r.Value, err)
	}
	if _, err := full.Put(t.Context(), thing("c"), []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	crashed := (&testStore{full, dir, nil}).crash(t)
	after := openTest(t, crashed)
	if r, err := after.Get(t.Context(), thing("z")); string(r.Value) != "z3" {
		t.Errorf("second start: %q, %v, want z3", r.Value, err)
	}
	if n := len(after.Faults(t.Context())); n == 0 {
		t.Error("second start: no fault")
	}
	_ = full.Close()
}

// The damage of a journal is reported once, also after another crash.
func TestDamageIsReportedOnce(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	s.change(t, "b", 1)
	s.change(t, "c", 1)
	dir := s.crash(t)
	editEntry(t, segmentsIn(t, dir)[0], 1, func(b []byte) { b[headSize+3] ^= 1 })
	again := newStore()
	again.behind.delay = time.Hour
	rename := again.rename
	again.rename = func(root *os.Root, from, to string) error {
		if to == "b.json" {
			return syscall.EPERM
		}
		return rename(root, from, to)
	}
	if err := again.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	slow := &testStore{again, dir, nil}
	slow.change(t, "d", 1)
	crashed := slow.crash(t)
	if n := len(segmentsIn(t, crashed)); n == 0 {
		t.Fatal("the journal is empty")
	}
	_ = again.Close()
	after := openTest(t, crashed)
	after.want(t, "b", 1)
	after.want(t, "d", 1)
	if faults := after.Faults(t.Context()); len(faults) != 1 {
		t.Errorf("Faults: %+v, want one", faults)
	}
}

// A broken segment that cannot be moved to .damaged is a fault, and does not keep the journal from being trimmed.
func TestBrokenSegmentCannotBeMoved(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	s.change(t, "b", 1)
	s.change(t, "c", 1)
	dir := s.crash(t)
	editEntry(t, segmentsIn(t, dir)[0], 1, func(b []byte) { b[headSize+3] ^= 1 })
	if err := os.WriteFile(filepath.Join(dir, asideDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		named := false
		for _, f := range again.Faults(t.Context()) {
			named = named || strings.HasPrefix(f.Name, filepath.Join(dir, journalDir, keptPrefix))
		}
		if !named {
			t.Errorf("a change is lost, but no fault names the segment: %+v", again.Faults(t.Context()))
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		if left := segmentsIn(t, dir); len(left) > 0 {
			t.Errorf("the journal has the segments %q after Close", left)
		}
		if again, err = Open(dir, nil); err != nil {
			t.Fatal(err)
		}
	}
	_ = again.Close()
}
