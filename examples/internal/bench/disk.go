package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// diskFileSize is about the size of a title with 30 versions.
const diskFileSize = 20 << 10

// writeDisk replaces files durably in a folder, with several writers, for some time: each writes a file, syncs it,
// renames it and syncs the folder. It is what a change costs if each one is a file.
func writeDisk(dir string, writers int, slice time.Duration) (result, error) {
	content := bytes.Repeat([]byte("0123456789abcde\n"), diskFileSize/16)
	times := make([][]time.Duration, writers)
	errs := make([]error, writers)
	begun := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for now := begun; now.Sub(begun) < slice && errs[w] == nil; {
				errs[w] = replaceFile(dir, fmt.Sprintf("%d-%d", w, len(times[w])%20), content)
				end := time.Now()
				times[w] = append(times[w], end.Sub(now))
				now = end
			}
		})
	}
	wg.Wait()
	r := result{Time: time.Since(begun)}
	var all []time.Duration
	for _, t := range times {
		all = append(all, t...)
	}
	r.Requests = int64(len(all))
	r.Median, r.P99 = percentile(all, 50), percentile(all, 99)
	return r, errors.Join(errs...)
}

// replaceFile writes a file durably.
func replaceFile(dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
