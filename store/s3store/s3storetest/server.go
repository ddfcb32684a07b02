// Package s3storetest starts S3 servers for tests of package s3store and of programs that use it.
//
// The tests of s3store that need a server or a module that s3store does not need are in this package, and not in
// s3store, so that "go mod tidy" in a module that imports s3store does not add those modules.
package s3storetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store/internal/process"
)

const (
	// Bucket is the bucket of every Server.
	Bucket = "patchsource"
	// accessKey and secretKey are the credentials of every server.
	accessKey = "access"
	secretKey = "secret-of-a-test"
)

// A Server is an S3 server with the empty bucket [Bucket]. It listens on the loopback interface only.
type Server struct {
	addr    string
	process *process.Process
	dir     string // has the data, if the server keeps it in files
}

var (
	// ErrMissing reports that a server is not installed and could not be.
	ErrMissing = errors.New("s3storetest: the S3 server is not installed")
	// ErrNotWanted reports that versitygw is not used.
	ErrNotWanted = errors.New("s3storetest: versitygw is used with PATCHSOURCE_VERSITYGW=required in the environment")
)

// Require starts a server for a test and stops it when the test ends; see [Start]. If it cannot be installed, Require
// skips the test, or fails it if the environment variable PATCHSOURCE_S3 is "required".
func Require(t testing.TB) *Server {
	t.Helper()
	s, err := Start()
	Check(t, err)
	t.Cleanup(s.Stop)
	return s
}

// Check fails the test if err, an error of [Start] or [StartVersity], is not nil, or skips it as [Require] does, and if
// versitygw is not wanted.
func Check(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, ErrNotWanted) {
		t.Skip(err)
	}
	if errors.Is(err, ErrMissing) && os.Getenv("PATCHSOURCE_S3") != "required" {
		t.Skipf("%v; with PATCHSOURCE_S3=required in the environment, this is a failure", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Start starts gofakes3, which keeps objects in memory. "go install" puts it into the user's cache directory at the
// first time. The caller must call [Server.Stop]; on Linux the server also ends when the process dies. The error is
// ErrMissing if the server cannot be installed.
func Start() (*Server, error) {
	path, err := install("github.com/johannesboyne/gofakes3/cmd/gofakes3", "v1.2.0")
	if err != nil {
		return nil, err
	}
	return start(path, nil, func(addr string) []string {
		return []string{"-backend", "memory", "-host", addr, "-initialbucket", Bucket, "-quiet"}
	})
}

// StartVersity starts versitygw, which keeps objects in files and checks signatures. The directory for temporary files
// must be in a file system with extended attributes. It takes minutes to install versitygw: StartVersity does it only
// if the environment variable PATCHSOURCE_VERSITYGW is "required", and returns ErrNotWanted otherwise.
func StartVersity() (s *Server, err error) {
	if os.Getenv("PATCHSOURCE_VERSITYGW") != "required" {
		return nil, ErrNotWanted
	}
	path, err := install("github.com/versity/versitygw/cmd/versitygw", "v1.8.0")
	if err != nil {
		return nil, fmt.Errorf("s3storetest: versitygw is required: %v", err) // and therefore not ErrMissing
	}
	dir, err := os.MkdirTemp("", "versitygw")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(filepath.Join(data, Bucket), 0o700); err != nil {
		return nil, err
	}
	env := []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey}
	s, err = start(path, env, func(addr string) []string {
		return []string{"--port", addr, "--quiet", "--keep-alive", "posix", data}
	})
	if err != nil {
		return nil, err
	}
	s.dir = dir
	return s, nil
}

// start starts a server at a free address and waits until it accepts connections.
func start(path string, env []string, args func(addr string) []string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args(addr)...)
	cmd.Env = append(os.Environ(), env...)
	p, err := process.Start(process.Server{Command: cmd, Signal: syscall.SIGKILL, Address: addr})
	if err != nil {
		return nil, fmt.Errorf("s3storetest: %w", err)
	}
	return &Server{addr: addr, process: p}, nil
}

// Addr returns the host and the port of the server.
func (s *Server) Addr() string { return s.addr }

// Endpoint returns the URL of the server.
func (s *Server) Endpoint() string { return "http://" + s.addr }

// Client returns a client of the server.
func (s *Server) Client() *s3.Client { return Client(s.Endpoint()) }

// Client returns a client of a server at another URL, such as that of a proxy.
func Client(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
		}),
	})
}

// Stop stops the server and removes its data.
func (s *Server) Stop() {
	s.process.Kill()
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}
