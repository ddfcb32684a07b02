package catalog_test

import (
	"archive/zip"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/filestore"
)

// BenchmarkAddVersionDurable adds versions to titles in a filestore. "ratio" compares their rate with that of the disk:
// the same number of writers write, sync and rename a file, and sync its directory.
func BenchmarkAddVersionDurable(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(strconv.Itoa(writers)+" writers", func(b *testing.B) {
			dir := b.TempDir()
			s, err := filestore.Open(filepath.Join(dir, "data"), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			cat := open(b, s, nil)
			for w := range writers {
				create(b, cat, "t"+strconv.Itoa(w), "0")
			}
			ctx := context.Background()
			run := func(f func(writer, i int) error) time.Duration {
				var failed atomic.Pointer[error]
				done := make(chan struct{})
				begun := time.Now()
				for w := range writers {
					go func() {
						defer func() { done <- struct{}{} }()
						for i := range 20 {
							if err := f(w, i); err != nil {
								failed.Store(&err)
							}
						}
					}()
				}
				for range writers {
					<-done
				}
				if err := failed.Load(); err != nil {
					b.Fatal(*err)
				}
				return time.Since(begun)
			}
			var ours, disk time.Duration
			rounds := 0
			for b.Loop() {
				rounds++
				ours += run(func(w, i int) error {
					id := "t" + strconv.Itoa(w)
					if i == 0 { // the title stays small
						d := definition(id, "r"+strconv.Itoa(rounds))
						_, err := cat.Replace(ctx, id, d, nil)
						return err
					}
					_, err := cat.AddVersions(ctx, id, patch.Position{}, []patch.Patch{version(strconv.Itoa(i))}, nil)
					return err
				})
				data := make([]byte, 4000)
				disk += run(func(w, _ int) error { return writeDurably(dir, strconv.Itoa(w), data) })
			}
			n := float64(rounds * writers * 20)
			b.ReportMetric(n/ours.Seconds(), "versions/s")
			b.ReportMetric(n/disk.Seconds(), "disk/s")
			b.ReportMetric(float64(disk)/float64(ours), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// writeDurably writes a file as a filestore does.
func writeDurably(dir, name string, data []byte) error {
	temp, final := filepath.Join(dir, "tmp-"+name), filepath.Join(dir, "file-"+name)
	f, err := os.Create(temp)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(temp, final); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// BenchmarkOpen opens 10,000 titles with real definitions of 45 kB on average, as a server does when it starts.
// "bytes/title" is the memory that the index takes for each.
func BenchmarkOpen(b *testing.B) {
	z, err := zip.OpenReader("../testdata/definitions.zip")
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	s, err := filestore.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	cat := open(b, s, &catalog.Options{CacheBytes: 1})
	const titles = 10_000
	var defs []*patch.Definition
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		if err != nil {
			b.Fatal(err)
		}
		d, err := patch.Parse(data, nil)
		if err != nil {
			b.Fatal(err)
		}
		defs = append(defs, d)
	}
	for i := range titles {
		d := *defs[i%len(defs)]
		d.ID += strconv.Itoa(i)
		if _, err := cat.Create(context.Background(), &d, nil); err != nil {
			b.Fatal(err)
		}
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for b.Loop() {
		c, err := catalog.Open(context.Background(), s, nil)
		if err != nil || c.Len() != titles {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/titles, "bytes/title")
		runtime.KeepAlive(c)
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
