package filestore

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
)

// newThings yields n records with values of a size.
func newThings(n, size int) iter.Seq2[store.Record, error] {
	value := bytes.Repeat([]byte("x"), size)
	value[0], value[size-1] = '"', '"'
	return func(yield func(store.Record, error) bool) {
		for i := range n {
			if !yield(store.Record{Key: thing(fmt.Sprint("record-", i)), Value: value}, nil) {
				return
			}
		}
	}
}

// Whenever the power is lost while a backup is loaded, the next start finds the store empty, incomplete or with all
// records, and with all of them once the load was acknowledged. Loading it again succeeds.
func TestPowerLossDuringALoad(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const records = 40
	backup := fullBackup(t, records)
	steps := recordLoad(t, backup)
	disk, acknowledged := newModelDisk(), false
	for i, s := range steps {
		disk.apply(s)
		acknowledged = acknowledged || s.call == "end"
		if random.IntN(4) > 0 {
			continue
		}
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		disk.write(t, dir, min(random.IntN(5), loseSome), random)
		checkLoadAfterPowerLoss(t, dir, backup, records, acknowledged)
		if t.Failed() {
			t.Fatalf("power was lost after step %d of %d (%s %s)", i, len(steps), s.call, s.path)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// fullBackup returns a backup of a number of titles.
func fullBackup(t *testing.T, titles int) []byte {
	t.Helper()
	from := memstore.New()
	for i := range titles {
		key := store.Key{Kind: "titles", ID: fmt.Sprint("title-", i)}
		value := fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("text ", 200))
		if _, err := from.Put(t.Context(), key, []byte(value), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
	}
	var backup bytes.Buffer
	z := zip.NewWriter(&backup)
	if err := errors.Join(dump.Write(t.Context(), z, from, nil), z.Close()); err != nil {
		t.Fatal(err)
	}
	return backup.Bytes()
}

// recordLoad loads a backup into a new store and returns the steps. The last load into it has been interrupted.
func recordLoad(t *testing.T, backup []byte) []step {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	r := &recorder{dir: dir}
	s := newStore()
	s.batch = 15
	s.disk = r.record(noSyncs())
	if err := s.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range []store.Key{{Kind: "config", ID: "loading"}, {Kind: "titles", ID: "title-3"}} {
		if _, err := s.Put(t.Context(), key, []byte("{}"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dump.Load(t.Context(), s, bytes.NewReader(backup), int64(len(backup)), nil); err != nil {
		t.Fatal(err)
	}
	r.add(step{call: "end"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return r.steps
}

// checkLoadAfterPowerLoss opens a store after a loss of power, checks what it has, and loads the backup if that is
// necessary.
func checkLoadAfterPowerLoss(t *testing.T, dir string, backup []byte, records int, acknowledged bool) {
	t.Helper()
	s := newStore()
	s.disk = noSyncs()
	if err := s.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if faults := s.Faults(t.Context()); len(faults) > 0 {
		t.Errorf("Faults: %+v", faults)
	}
	n, err := countTitles(t, s), dump.CheckLoaded(t.Context(), s)
	complete := err == nil && n == records
	if empty := err == nil && n == 0; !complete && (acknowledged || !empty && !errors.Is(err, dump.ErrIncomplete)) {
		t.Errorf("%d of %d records, CheckLoaded: %v, acknowledged: %v", n, records, err, acknowledged)
	}
	if complete {
		return
	}
	again, err := dump.Load(t.Context(), s, bytes.NewReader(backup), int64(len(backup)), nil)
	if err != nil || again != records || dump.CheckLoaded(t.Context(), s) != nil {
		t.Errorf("the repeated load: %d records, %v", again, err)
	}
	if faults := s.Faults(t.Context()); len(faults) > 0 {
		t.Errorf("Faults after the repeated load: %+v", faults)
	}
}

// countTitles returns the number of titles that are listed.
func countTitles(t *testing.T, s *Store) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), "titles") {
		if err != nil {
			t.Error(err)
		}
		n++
	}
	return n
}

// A load writes nothing to the journal, and leaves no temporary files.
func TestLoadBypassesTheJournal(t *testing.T) {
	s := openABC(t)
	s.syncData = func(*os.File) error { return errors.New("a sync of the journal") }
	const n = 2*openTemps + 1
	if err := s.Load(t.Context(), newThings(n, 100)); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(s.dir, "things"))
	if err != nil || len(files) != n+3 {
		t.Errorf("%d files, %v, want %d", len(files), err, n+3)
	}
}

// A load ends the faults of its records, as a Put does.
func TestLoadEndsFaults(t *testing.T) {
	s := openABC(t)
	if err := os.WriteFile(filepath.Join(s.dir, "things", "record-1.json"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), thing("record-1")); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Get: %v, want ErrCorrupt", err)
	}
	if err := s.Load(t.Context(), newThings(3, 100)); err != nil {
		t.Fatal(err)
	}
	if faults := s.Faults(t.Context()); len(faults) > 0 {
		t.Errorf("Faults: %+v", faults)
	}
}

// A load into a full disk fails, and later changes succeed once there is room. After any other failed sync, changes
// are refused.
func TestLoadReportsFailedSyncs(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		s := openABC(t)
		s.failSyncOf(tempPrefix, cause)
		if err := s.Load(t.Context(), newThings(10, 100)); !errors.Is(err, cause) {
			t.Errorf("Load: %v, want %v", err, cause)
		}
		_, err := s.Put(t.Context(), thing("b"), []byte("2"), store.Condition{})
		if (err == nil) != (cause == syscall.ENOSPC) {
			t.Errorf("Put after a load that failed with %v: %v", cause, err)
		}
	}
}

// Records are put if the journal still has changes that are in the files, which a replay compares with the files.
func TestLoadWhileTheJournalIsInUse(t *testing.T) {
	s := openABC(t)
	s.behind.cycle.Lock() // no cycle in the background
	rename := s.rename
	s.rename = func(*os.Root, string, string) error { return syscall.EIO }
	s.behind.cycle.Unlock()
	if _, err := s.Put(t.Context(), thing("d"), []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err == nil {
		t.Fatal("Flush: no error")
	}
	if err := s.Delete(t.Context(), thing("a"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	s.behind.cycle.Lock()
	s.rename = rename
	s.behind.cycle.Unlock()
	if trimmed, err := s.writeAll(); trimmed || err != nil {
		t.Fatalf("the journal is empty: %v, %v", trimmed, err)
	}
	load := func(yield func(store.Record, error) bool) {
		yield(store.Record{Key: thing("a"), Value: []byte("1")}, nil)
	}
	if err := s.Load(t.Context(), load); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy") // as after a crash
	if err := os.CopyFS(copied, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, copied)
	again.wantFaults(t)
	again.wantIDs(t, "a", "b", "c", "d")
}

// BenchmarkLoad loads 10,000 records of 14 kB and then writes as many files and syncs them, as `cp -r` and `sync` do;
// x-copy is the time of the load divided by that of the files. Set TMPDIR to a directory on the disk to measure.
func BenchmarkLoad(b *testing.B) {
	const records, size = 10_000, 14_000
	var ours, files time.Duration
	for range b.N {
		s, _, _ := openCounted(b)
		start := time.Now()
		if err := s.Load(b.Context(), newThings(records, size)); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		b.StopTimer()
		files += writeAndSync(b, records, size)
		b.StartTimer()
	}
	b.ReportMetric(float64(ours)/float64(files), "x-copy")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N*records), "µs/record")
}

// writeAndSync returns how long it takes to write files and to sync them afterwards.
func writeAndSync(b *testing.B, n, size int) time.Duration {
	b.Helper()
	dir, data := b.TempDir(), make([]byte, size)
	fillRandom(data)
	start := time.Now()
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for i := range n {
		f, err := os.Open(filepath.Join(dir, fmt.Sprint(i)))
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}
