package filestore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// A holder is the content of the lock file: the process that has opened the directory.
type holder struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

// takeLock locks the directory and writes this process into the lock file. The error is ErrInUse if another process, or
// another Store of this one, holds the lock.
func (s *Store) takeLock() error {
	path := filepath.Join(s.dir, lockName)
	s.lock = flock.New(path, flock.SetPermissions(0o600))
	ok, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("filestore: lock %s: %w", path, err)
	}
	if !ok {
		var h holder
		who := "another process"
		if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &h) == nil {
			who = fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Since.Format(time.RFC3339))
		}
		return fmt.Errorf("filestore: %s: %w by %s: stop that process, or use another directory", s.dir, ErrInUse, who)
	}
	host, _ := os.Hostname()
	data, err := json.Marshal(holder{os.Getpid(), host, time.Now().UTC().Truncate(time.Second)})
	if err == nil {
		err = os.WriteFile(path, append(data, '\n'), 0o600)
	}
	if err != nil {
		_ = s.lock.Close()
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}
