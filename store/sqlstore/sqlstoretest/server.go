// Package sqlstoretest starts PostgreSQL servers for tests of package sqlstore and of programs that use it.
//
// The tests of sqlstore that need a server and a driver are in this package, and not in sqlstore, so that "go mod tidy"
// in a module that imports sqlstore does not add the driver pgx to that module.
package sqlstoretest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store/internal/process"
)

// A Server is a PostgreSQL server with an empty database in a temporary directory. It listens on a Unix socket only.
type Server struct {
	bin      string           // the directory of its programs
	dir      string           // has the data and the socket
	settings []string         // such as fsync=off
	process  *process.Process // nil if the server does not run
}

// ErrMissing reports that PostgreSQL is not installed.
var ErrMissing = errors.New("sqlstoretest: initdb of PostgreSQL is not installed")

// Require starts a server for a test and stops it when the test ends. If PostgreSQL is not installed, it skips the
// test, or fails it if the environment variable PATCHSOURCE_POSTGRES is "required".
func Require(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := Start(settings...)
	Check(t, err)
	t.Cleanup(s.Stop)
	return s
}

// Check fails the test if err, an error of [Start], is not nil, or skips it as [Require] does.
func Check(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("PATCHSOURCE_POSTGRES") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Start starts a server with settings such as "fsync=off". The caller must call [Server.Stop]; on Linux the server also
// stops when the process dies. The error is ErrMissing if PostgreSQL is not installed. PostgreSQL refuses to run as
// root: a server that root starts runs as the user with the id 65534.
func Start(settings ...string) (s *Server, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pg") // the path of a socket must be short
	if err != nil {
		return nil, err
	}
	s = &Server{bin: bin, dir: dir, settings: settings}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, process.Nobody, process.Nobody); err != nil {
			return nil, err
		}
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", s.data(), "-U", user, "-A", "trust", "-E", "UTF8",
		"--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, process.Attributes(syscall.SIGKILL, true)
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("sqlstoretest: initdb: %w\n%s", err, out)
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// user is the name of the database's superuser.
const user = "postgres"

// programs returns the directory of PostgreSQL's programs: that of initdb in the PATH, or the newest of Debian.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", ErrMissing
	}
	slices.SortFunc(found, func(a, b string) int { // 9.6 is older than 15
		return 2*(len(a)-len(b)) + strings.Compare(a, b)
	})
	return filepath.Dir(found[len(found)-1]), nil
}

// data returns the directory of the data.
func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// DSN returns the connection string of the server's database, in the form of key=value.
func (s *Server) DSN() string {
	return fmt.Sprintf("host=%s port=5432 user=%s dbname=postgres sslmode=disable", s.dir, user)
}

// Socket returns the path of the Unix socket at which the server listens.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// Stop stops the server and removes its data.
func (s *Server) Stop() {
	s.kill()
	_ = os.RemoveAll(s.dir)
}

// Restart stops the server without warning, as a crash of all its processes would, and starts it again. Transactions
// that were committed are recovered.
func (s *Server) Restart() error {
	s.kill()
	return s.start()
}

// kill has the server shut down immediately, and waits for it.
func (s *Server) kill() {
	if s.process != nil {
		s.process.Kill()
		s.process = nil
	}
}

// start starts the server and waits until it accepts connections. Processes of the server before it may still hold
// its memory for a moment, so that it tries several times.
func (s *Server) start() (err error) {
	args := []string{"-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=200"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	for range 20 {
		cmd := exec.Command(filepath.Join(s.bin, "postgres"), args...)
		cmd.Dir = s.dir
		s.process, err = process.Start(process.Server{
			Command: cmd, Signal: syscall.SIGQUIT, Nobody: true,
			Message: "database system is ready to accept connections",
		})
		if err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("sqlstoretest: %w", err)
}
