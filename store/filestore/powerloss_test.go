package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/store"
)

// Whenever the power is lost, between any two calls that change the disk, every change that was acknowledged is there
// after the next start, and every other change is there or not, but not in part. What was not synced is lost, kept or
// garbage.
func TestPowerLoss(t *testing.T) {
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full disk %v", full), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("the seed is %d", seed)
			steps := recordChanges(t, seed, full)
			disk, states := newModelDisk(), recordStates{}
			cuts := 4 // one step in so many is tested: `go test -count` tests others
			random := rand.New(rand.NewPCG(seed, 1))
			for i, s := range steps {
				disk.apply(s)
				states.apply(s)
				if s.call == "begin" || random.IntN(cuts) > 0 {
					continue
				}
				loss := random.IntN(5) // most often some
				dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
				disk.write(t, dir, min(loss, loseSome), random)
				checkAfterPowerLoss(t, dir, states)
				if t.Failed() {
					t.Fatalf("power was lost after step %d of %d (%s %s), loss %d", i, len(steps), s.call, s.path, loss)
				}
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The power is lost again while the journal is replayed.
func TestPowerLossDuringReplay(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	steps := recordChanges(t, seed, false)
	random := rand.New(rand.NewPCG(seed, 2))
	for range 5 {
		disk, states := newModelDisk(), recordStates{}
		for _, s := range steps[:len(steps)/2+random.IntN(len(steps)/2)] {
			disk.apply(s)
			states.apply(s)
		}
		first := filepath.Join(t.TempDir(), "first")
		disk.write(t, first, loseSome, random)
		disk = readModelDisk(t, first)

		r := &recorder{dir: first}
		s := newStore()
		s.disk = r.record(noSyncs())
		if err := s.start(first, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for i, s := range r.steps {
			disk.apply(s)
			second := filepath.Join(t.TempDir(), fmt.Sprint(i))
			disk.write(t, second, loseSome, random)
			checkAfterPowerLoss(t, second, states)
			if t.Failed() {
				t.Fatalf("power was lost after step %d of %d of the replay (%s %s)", i, len(r.steps), s.call, s.path)
			}
		}
	}
}

// recordChanges makes changes in a new store and returns the steps. If full, the disk is full from time to time.
func recordChanges(t *testing.T, seed uint64, full bool) []step {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	r := &recorder{dir: dir}
	s := newStore()
	s.disk = noSyncs()
	var writes atomic.Int64
	write := s.writeAt
	s.writeAt = func(f *os.File, data []byte, at int64) error {
		if full && writes.Add(1)%7 == 0 {
			_ = write(f, data[:len(data)/2], at)
			return syscall.ENOSPC
		}
		return write(f, data, at)
	}
	s.disk = r.record(s.disk)
	if err := s.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range 4 {
		random := rand.New(rand.NewPCG(seed, uint64(w)+10))
		all.Go(func() {
			for n := range 25 {
				id := fmt.Sprint("record-", w, "-", random.IntN(3))
				changeRecorded(t, s, r, id, n, random)
			}
		})
	}
	all.Wait()
	if err := s.Close(); err != nil && !full {
		t.Error(err)
	}
	return r.steps
}

// changeRecorded changes a record, or makes the store write its files.
func changeRecorded(t *testing.T, s *Store, r *recorder, id string, n int, random *rand.Rand) {
	ctx := context.Background()
	var value []byte
	if random.IntN(5) > 0 {
		value = bytes.Repeat([]byte("a line of a record that does not change\n"), 20+random.IntN(100))
		value = append(fmt.Appendf(nil, "change %d\n", n), value...)
		copy(value[random.IntN(len(value)-20):], fmt.Sprintf("<%d %d>", n, random.Uint32()))
	}
	var err error
	r.add(step{call: "begin", path: id, data: value})
	if value == nil {
		err = s.Delete(ctx, thing(id), store.Condition{})
	} else {
		_, err = s.Put(ctx, thing(id), value, store.Condition{})
	}
	switch {
	case err == nil:
		r.add(step{call: "end", path: id, data: value})
	case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, syscall.ENOSPC):
		t.Error(err)
	}
	if random.IntN(6) == 0 {
		if err := s.Flush(ctx); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
	}
}

// recordStates are, by id, the values that a record may have: that of the last acknowledged change, and those of later
// changes. No value stands for no record.
type recordStates map[string][][]byte

func (r recordStates) apply(s step) {
	switch s.call {
	case "begin":
		if r[s.path] == nil {
			r[s.path] = [][]byte{nil}
		}
		r[s.path] = append(r[s.path], s.data)
	case "end":
		r[s.path] = [][]byte{s.data}
	}
}

// checkAfterPowerLoss opens a directory twice and checks that its records are in one of their states.
func checkAfterPowerLoss(t *testing.T, dir string, states recordStates) {
	t.Helper()
	found := map[string][]byte{}
	for again := range 2 {
		s := newStore()
		s.disk = noSyncs()
		if err := s.start(dir, nil); err != nil {
			t.Fatal(err)
		}
		for id, allowed := range states {
			r, err := s.Get(context.Background(), thing(id))
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get: %v", err)
			}
			ok := false
			for _, value := range allowed {
				ok = ok || (value == nil) == (err != nil) && bytes.Equal(value, r.Value)
			}
			if !ok {
				t.Errorf("%s is %.60q (%v), want one of %.60q", id, r.Value, err, allowed)
			}
			if again > 0 && !bytes.Equal(found[id], r.Value) {
				t.Errorf("%s has changed although nothing changed it", id)
			}
			found[id] = r.Value
		}
		if faults := s.Faults(context.Background()); len(faults) > 0 {
			t.Errorf("Faults: %+v", faults)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, journalDir, "0*")); len(left) > 0 {
			t.Errorf("the journal is not empty after Close: %q", left)
		}
	}
}
