package main

import (
	"context"
	"io/fs"
	"path/filepath"
)

// footprintVersions is the number of versions of a title whose definition has about 6 kB.
const footprintVersions = 8

// footprint measures how much memory and how much disk a server needs, by number of titles.
func footprint(ctx context.Context, b *bench) error {
	t := &table{columns: []string{
		"titles", "build", "definition, bytes",
		"live heap at rest, MiB", "resident at rest, MiB", "resident after reads, MiB", "peak, MiB",
		"files", "disk, MiB",
	}}
	for _, size := range b.sizes {
		for _, bin := range b.builds {
			if err := b.footprintOf(ctx, bin, size, t); err != nil {
				return err
			}
		}
	}
	b.print("Footprint", "At rest, the server has been started again and has looked at all titles. Then every "+
		"definition is read about twice in random order, and the list.", t)
	return nil
}

// footprintOf measures one build with one number of titles.
func (b *bench) footprintOf(ctx context.Context, bin build, size int, t *table) error {
	profiles, err := freeAddress()
	if err != nil {
		return err
	}
	s, stop, err := b.started(ctx, bin, dataSet{titles: size, versions: footprintVersions}, "--pprof-addr", profiles)
	if err != nil {
		return err
	}
	defer stop()
	if err := b.awaitIdle(ctx, s); err != nil {
		return err
	}
	pid := s.cmd.Process.Pid
	atRest, err := memoryStatus(pid, "VmRSS")
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
	peak, err := memoryStatus(pid, "VmHWM")
	if err != nil {
		return err
	}
	files, bytes, err := diskUse(filepath.Join(s.folder, "data"))
	if err != nil {
		return err
	}
	t.row(size, bin.name, len(definition(0, footprintVersions)),
		megabytes(heap), megabytes(atRest), megabytes(atEnd), megabytes(peak), files, megabytes(bytes))
	return nil
}

// diskUse returns the number of files in a folder and the bytes that they and their folders take on the disk.
func diskUse(dir string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !e.IsDir() {
			files++
		}
		bytes += allocated(info)
		return nil
	})
	return files, bytes, err
}
