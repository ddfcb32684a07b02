package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
)

const (
	memoryTitles = 50_000
	cacheBound   = 256 << 20 // the server's default
	goalMemory   = 1.5
)

// memory measures how much memory a server has after random reads of many titles.
func memory(ctx context.Context, b *bench) error {
	t := &table{columns: []string{
		"titles", "build",
		"live heap after the start, MiB", "resident, MiB", "resident after reads, MiB",
		"÷ (256 MiB + live heap)", "goal ≤ 1.5",
	}}
	size := b.size(memoryTitles)
	for _, bin := range b.builds {
		if err := b.memoryOf(ctx, bin, size, t); err != nil {
			return err
		}
	}
	b.print("Memory", "Definitions are read in random order, compressed or not, by 16 connections, twice as often as "+
		"there are titles. The live heap after the start stands for the index.", t)
	return nil
}

// memoryOf measures one build.
func (b *bench) memoryOf(ctx context.Context, bin build, size int, t *table) error {
	profiles, err := freeAddress()
	if err != nil {
		return err
	}
	s, stop, err := b.started(ctx, bin, dataSet{titles: size, versions: b.versions}, "--pprof-addr", profiles)
	if err != nil {
		return err
	}
	defer stop()
	pid := s.cmd.Process.Pid
	atStart, err := memoryStatus(pid, "VmRSS")
	if err != nil {
		return err
	}
	heap, err := b.liveHeap(ctx, s, profiles)
	if err != nil {
		return err
	}
	if err := b.readAll(ctx, s, size); err != nil {
		return err
	}
	atEnd, err := memoryStatus(pid, "VmRSS")
	if err != nil {
		return err
	}
	times := float64(atEnd) / float64(cacheBound+heap)
	t.row(size, bin.name, megabytes(heap), megabytes(atStart), megabytes(atEnd), times, times <= goalMemory)
	return nil
}

// readAll reads the definitions of a server in random order, twice as often as there are titles.
func (b *bench) readAll(ctx context.Context, s *server, size int) error {
	random := rand.New(rand.NewPCG(1, 2))
	var requests [][]byte
	for range 2 * size {
		line := acceptGzip
		if random.IntN(2) == 0 {
			line = "Accept-Encoding: identity"
		}
		requests = append(requests, get("/jamf/v1/patch/"+titleID(random.IntN(size)), line))
	}
	b.log("reading %d definitions", len(requests))
	_, err := s.measure(ctx, job{
		Connections: connections,
		Time:        10 * b.timeout,
		Max:         int64(len(requests)),
		Requests:    requests,
	}, 0)
	return err
}

var heapAlloc = regexp.MustCompile(`# HeapAlloc = (\d+)`)

// liveHeap returns the size of the server's heap after a garbage collection.
func (b *bench) liveHeap(ctx context.Context, s *server, profiles string) (int64, error) {
	p := *s
	p.addr = profiles
	r, err := p.do(ctx, call{method: "GET", path: "/debug/pprof/heap?gc=1&debug=1", anonymous: true}, b.timeout)
	if err != nil {
		return 0, err
	}
	m := heapAlloc.FindSubmatch(r.body)
	if m == nil {
		return 0, fmt.Errorf("%s: the profile does not state the size of the heap", s.name)
	}
	return strconv.ParseInt(string(m[1]), 10, 64)
}
