package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/patchsource/patchsource/store"
)

// A failedWrite is a pending record whose file could not be written.
type failedWrite struct {
	record *pendingRecord
	path   string
	err    error
}

// joinFailures returns an error that describes the first few failures.
func joinFailures(failed []failedWrite) error {
	var errs []error
	for _, f := range failed[:min(len(failed), 3)] {
		errs = append(errs, fmt.Errorf("filestore: %s: %w", f.path, f.err))
	}
	return errors.Join(errs...)
}

// faultsOf returns the faults of files that could not be written. A full disk and a lack of resources are not faults of
// the files, all records of which can be read: Ping returns such an error if changes are refused because of it.
func (s *Store) faultsOf(failed []failedWrite) (found []store.Fault) {
	for _, f := range failed {
		if isFull(f.err) || isTransient(f.err) {
			continue
		}
		if len(found) == maxFaults {
			break
		}
		found = append(found, store.Fault{Name: f.path, Reason: fmt.Sprintf("the file cannot be written (%v), so the "+
			"last changes of its record are only in the journal: the server tries again every second", f.err)})
	}
	return found
}

// replaceFiles makes the files of records durable. It returns the records for which that has succeeded and those for
// which it has failed. If err is not nil, it is not known which files are durable.
func (s *Store) replaceFiles(pending []*pendingRecord) (written []*pendingRecord, failed []failedWrite, err error) {
	temps, errs := s.createTemps(pending)
	touched := map[*directory]bool{}
	for i, p := range pending {
		d, err := s.kind(p.kind)
		switch {
		case errs[i] != nil:
			err = errs[i]
		case err != nil: // the directory was deleted
		case temps[i] != nil:
			err = s.renameTemp(temps[i], p.name)
		default:
			if err = s.removeFile(d, p.name); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
		if err != nil {
			failed = append(failed, failedWrite{p, filepath.Join(s.dir, p.kind, p.name), err})
			continue
		}
		touched[d] = true
		written = append(written, p)
	}
	for d := range touched {
		if err := s.flush(d); err != nil {
			return nil, failed, err
		}
	}
	return written, failed, nil
}

// createTemps creates durable temporary files for the records that were not deleted.
func (s *Store) createTemps(pending []*pendingRecord) (temps []*tempFile, errs []error) {
	temps, errs = make([]*tempFile, len(pending)), make([]error, len(pending))
	for from := 0; from < len(pending); from += openTemps {
		// Most of the work of the first sync is of use to the others too, if their bytes have been written before.
		to := min(from+openTemps, len(pending))
		inParallel(to-from, fileWriters, func(i int) {
			if p := pending[from+i]; p.revision != "" {
				temps[from+i], errs[from+i] = s.createTempOf(p)
			}
		})
		inParallel(to-from, fileSyncs, func(i int) {
			if temp := temps[from+i]; temp != nil {
				errs[from+i] = s.syncTemp(temp)
			}
		})
	}
	return temps, errs
}

// createTempOf creates a temporary file for a record.
func (s *Store) createTempOf(p *pendingRecord) (*tempFile, error) {
	d, err := s.makeKind(p.kind)
	if err != nil {
		return nil, err
	}
	data, err := encodeRecord(p.id, p.revision, p.value)
	if err != nil {
		return nil, err
	}
	temp, err := s.createTemp(d, data)
	if err == nil {
		s.startWriting(temp.file)
	}
	return temp, err
}

// inParallel calls f with 0 to n-1, at most workers at once, and returns when all calls have.
func inParallel(n, workers int, f func(i int)) {
	var (
		all  sync.WaitGroup
		next atomic.Int64
	)
	for range min(n, workers) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}
