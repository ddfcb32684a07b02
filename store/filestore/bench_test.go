package filestore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
)

// BenchmarkPut measures acknowledged changes, with the writing of the files, against the disk: as many writers, each of
// which writes, syncs and renames a file of 20 kB and syncs the directory. The disk is measured before and after.
//
//   - x-disk is the rate of changes divided by that of the disk;
//   - B-written/op and syncs/op are what the journal writes before a change is acknowledged.
//
// Set TMPDIR to a directory on the disk to measure.
func BenchmarkPut(b *testing.B) {
	for _, c := range []struct {
		name string
		put  func(b *testing.B, s *Store, writer, n int, buf []byte)
	}{
		{"20kB", func(b *testing.B, s *Store, writer, n int, buf []byte) {
			putFresh(b, s, fmt.Sprint("record-", writer, "-", n%100), buf)
		}},
		{"1kB-of-40kB", func(b *testing.B, s *Store, writer, n int, buf []byte) {
			putEdited(b, s, fmt.Sprint("record-", writer), buf, n)
		}},
	} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprint(c.name, "/", writers), func(b *testing.B) {
				b.ReportAllocs()
				disk := diskRate(b, writers)
				s, bytes, syncs := openCounted(b)
				start := time.Now()
				b.ResetTimer()
				var (
					all  sync.WaitGroup
					next atomic.Int64
				)
				for w := range writers {
					all.Go(func() {
						buf := make([]byte, 40_000)
						fillRandom(buf)
						for n := 0; next.Add(1) <= int64(b.N); n++ {
							c.put(b, s, w, n, buf)
						}
					})
				}
				all.Wait()
				b.StopTimer()
				rate := float64(b.N) / time.Since(start).Seconds()
				b.ReportMetric(float64(bytes.Load())/float64(b.N), "B-written/op")
				b.ReportMetric(float64(syncs.Load())/float64(b.N), "syncs/op")
				b.ReportMetric(rate/((disk+diskRate(b, writers))/2), "x-disk")
			})
		}
	}
}

// openCounted opens a store that counts the bytes that it writes to the journal, and its syncs.
func openCounted(b *testing.B) (s *Store, bytes, syncs *atomic.Int64) {
	b.Helper()
	s = newStore()
	bytes, syncs = &atomic.Int64{}, &atomic.Int64{}
	write, sync := s.writeAt, s.syncData
	s.writeAt = func(f *os.File, data []byte, at int64) error {
		if filepath.Base(filepath.Dir(f.Name())) == journalDir {
			bytes.Add(int64(len(data)))
		}
		return write(f, data, at)
	}
	s.syncData = func(f *os.File) error {
		syncs.Add(1)
		return sync(f)
	}
	if err := s.start(filepath.Join(b.TempDir(), "data"), nil); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s, bytes, syncs
}

// fillRandom fills b with letters.
func fillRandom(b []byte) {
	for i := range b {
		b[i] = 'a' + byte(rand.Uint32()%26)
	}
	b[0], b[len(b)-1] = '"', '"'
}

// putFresh writes a value of 20 kB of which nothing was in the record before.
func putFresh(b *testing.B, s *Store, id string, buf []byte) {
	at := rand.IntN(len(buf) - 20_000)
	value := bytes.Clone(buf[at : at+20_000])
	value[0], value[len(value)-1] = '"', '"'
	if _, err := s.Put(b.Context(), thing(id), value, store.Condition{}); err != nil {
		b.Error(err)
	}
}

// putEdited writes a value of 40 kB of which 1 kB differs from the record before.
func putEdited(b *testing.B, s *Store, id string, buf []byte, n int) {
	at := n * 1000 % 38_000
	fillRandom(buf[at : at+1000])
	buf[0], buf[at], buf[at+999] = '"', 'a', 'a'
	if at == 0 {
		buf[0] = '"'
	}
	if _, err := s.Put(b.Context(), thing(id), buf, store.Condition{}); err != nil {
		b.Error(err)
	}
}

// diskRate returns how many files of 20 kB writers write durably in a second.
func diskRate(b *testing.B, writers int) float64 {
	b.Helper()
	dir := b.TempDir()
	folder, err := os.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer folder.Close()
	data := make([]byte, 20_000)
	fillRandom(data)
	var (
		all   sync.WaitGroup
		files atomic.Int64
	)
	start := time.Now()
	for w := range writers {
		all.Go(func() {
			for n := 0; time.Since(start) < time.Second; n++ {
				temp := filepath.Join(dir, fmt.Sprint("temp-", w))
				f, err := os.Create(temp)
				if err != nil {
					b.Error(err)
					return
				}
				_, writeErr := f.Write(data)
				syncErr := f.Sync()
				closeErr := f.Close()
				renameErr := os.Rename(temp, filepath.Join(dir, fmt.Sprint("file-", w, "-", n%100)))
				for _, err := range []error{writeErr, syncErr, closeErr, renameErr, folder.Sync()} {
					if err != nil {
						b.Error(err)
					}
				}
				files.Add(1)
			}
		})
	}
	all.Wait()
	return float64(files.Load()) / time.Since(start).Seconds()
}

// BenchmarkRevisions reads the revisions of 10,000 records.
func BenchmarkRevisions(b *testing.B) {
	s, _, _ := openCounted(b)
	s.syncFile = func(*os.File) error { return nil }
	buf := make([]byte, 4_000)
	fillRandom(buf)
	for n := range 10_000 {
		if _, err := s.Put(b.Context(), thing(fmt.Sprint("record-", n)), buf, store.Condition{}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range s.Revisions(b.Context(), "things") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10_000 {
			b.Fatalf("%d revisions, want 10,000", n)
		}
	}
}
