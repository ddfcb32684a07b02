//go:build unix

package catalog_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
)

// A measuring store adds up, for each Put, the bytes that differ from the last value under the key: those that are left
// after the common beginning and the common end.
type measuring struct {
	store.Store
	mu    sync.Mutex
	last  map[store.Key][]byte
	bytes atomic.Int64
}

func (s *measuring) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	s.mu.Lock()
	old := s.last[k]
	s.last[k] = v
	s.mu.Unlock()
	n := min(len(old), len(v))
	start := 0
	for start < n && old[start] == v[start] {
		start++
	}
	end := 0
	for end < n-start && old[len(old)-1-end] == v[len(v)-1-end] {
		end++
	}
	s.bytes.Add(int64(len(v) - start - end))
	return s.Store.Put(ctx, k, v, c)
}

// processorTime returns the processor time that this process has used, in seconds.
func processorTime() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it cannot fail for the calling process
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// BenchmarkAddVersion adds a version of 620 bytes to titles of several lengths. "cpu-us/op" is the processor time in
// microseconds, "written/op" the bytes of the records that differ from those before.
func BenchmarkAddVersion(b *testing.B) {
	for _, length := range []int{30, 300, 3000} {
		b.Run(strconv.Itoa(length)+" versions", func(b *testing.B) {
			s := &measuring{Store: memstore.New(), last: map[store.Key][]byte{}}
			cat := open(b, s, nil)
			if _, err := cat.Create(context.Background(), longTitle("App", length), nil); err != nil {
				b.Fatal(err)
			}
			n := 0
			change := func() {
				n++
				v := []patch.Patch{fullVersion(fmt.Sprintf("2.%d.0", n))}
				if _, err := cat.AddVersions(context.Background(), "App", patch.Position{}, v, nil); err != nil {
					b.Fatal(err)
				}
			}
			change()
			var written int64
			var used float64
			b.ReportAllocs()
			for b.Loop() {
				if n%10 == 0 { // the title stays about as long
					b.StopTimer()
					if _, err := cat.Replace(context.Background(), "App", longTitle("App", length), nil); err != nil {
						b.Fatal(err)
					}
					change()
					b.StartTimer()
				}
				before, start := s.bytes.Load(), processorTime()
				change()
				used += processorTime() - start
				written += s.bytes.Load() - before
			}
			b.ReportMetric(used*1e6/float64(b.N), "cpu-us/op")
			b.ReportMetric(float64(written)/float64(b.N), "written/op")
		})
	}
}

// BenchmarkConcurrentAddVersion adds versions to a title of 30 versions, or to one such title for each writer, in a
// filestore, and removes them. "cpu-us/op" is the processor time of one of each in microseconds.
func BenchmarkConcurrentAddVersion(b *testing.B) {
	for _, c := range []struct {
		writers int
		many    bool
	}{{1, false}, {16, false}, {64, false}, {16, true}, {64, true}} {
		name := fmt.Sprintf("%d writers of one title", c.writers)
		if c.many {
			name = fmt.Sprintf("%d writers of as many titles", c.writers)
		}
		b.Run(name, func(b *testing.B) {
			s, err := filestore.Open(b.TempDir(), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			cat := open(b, s, &catalog.Options{MaxDefinitionBytes: -1})
			for w := range c.writers {
				if w == 0 || c.many {
					id := "App" + strconv.Itoa(w)
					if _, err := cat.Create(context.Background(), longTitle(id, 30), nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			var n atomic.Int64
			var writers sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			start := processorTime()
			for w := range c.writers {
				id := "App0"
				if c.many {
					id = "App" + strconv.Itoa(w)
				}
				writers.Go(func() {
					for {
						i := n.Add(1)
						if i > int64(b.N) {
							return
						}
						v := []patch.Patch{fullVersion(fmt.Sprintf("2.%d.0", i))}
						at := patch.Position{}
						if _, err := cat.AddVersions(context.Background(), id, at, v, nil); err != nil {
							b.Error(err)
							return
						}
						{ // the titles stay short
							_, err := cat.RemoveVersion(context.Background(), id, v[0].Version, nil)
							if err != nil {
								b.Error(err)
							}
						}
					}
				})
			}
			writers.Wait()
			b.ReportMetric((processorTime()-start)*1e6/float64(b.N), "cpu-us/op")
		})
	}
}
