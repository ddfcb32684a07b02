package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
)

// cacheBytes bounds the memory for definitions.
const cacheBytes = 64 << 20

// offlineOptions say how a store is opened.
type offlineOptions struct {
	// command is the name that the audit log shows for the changes.
	command string
	// create allows to create the folder of the store.
	create bool
	// withSecret opens the store with the servers' secret, which changes of titles need: without it, webhooks would not
	// learn of them.
	withSecret bool
}

// openStore opens the store that the flags name.
func (c *connection) openStore(ctx context.Context, p *Program, create bool) (*OpenedStore, error) {
	opened, err := p.OpenStore(ctx, StoreOptions{
		Name:         c.Store,
		PasswordFile: c.StorePasswordFile,
		SecretFile:   c.SecretFile,
		Create:       create,
		Logger:       newLogger(p.Stderr, slog.LevelWarn),
	})
	if errors.Is(err, filestore.ErrInUse) {
		return nil, fmt.Errorf("%w; if that process is the server, call it with --server URL and --token-file FILE in "+
			"place of --store", err)
	}
	return opened, err
}

// newLogger returns a logger of the lines of a level and of higher ones.
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// openOffline opens a server in this process over the store that the flags name. Nobody else can call it.
func (c *connection) openOffline(ctx context.Context, p *Program, o offlineOptions) (_ *source, err error) {
	opened, err := c.openStore(ctx, p, o.create)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	config := server.Config{
		Store:         opened.Store,
		UploadDir:     opened.UploadDir,
		Lease:         opened.Lease,
		Authenticate:  administrator("patchsource " + o.command),
		NoTitleEditor: true,
		Limits:        server.Limits{ArchiveBytes: -1, CacheBytes: cacheBytes},
		Logger:        newLogger(p.Stderr, slog.LevelError), // it warns of background work that does not run
	}
	if o.withSecret {
		if config.Secret, err = readSecret(ctx, opened); err != nil {
			return nil, err
		}
	}
	api, err := server.Open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("--store %s: %w", opened.Name, err)
	}
	listener := newPipeListener()
	web := &http.Server{Handler: api, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = web.Serve(listener) }() // until Close
	transport := &http.Transport{DialContext: listener.dial}
	s, err := newSource("http://localhost", "", transport)
	if err != nil {
		return nil, errors.Join(err, web.Close(), api.Close())
	}
	s.name, s.offline = opened.Name, true
	s.close = func() error {
		transport.CloseIdleConnections()
		return errors.Join(web.Close(), api.Close(), opened.Close())
	}
	return s, nil
}

// administrator returns an authenticator for which each request is that of an administrator with a name.
func administrator(name string) func(*http.Request) (auth.Principal, error) {
	return func(*http.Request) (auth.Principal, error) {
		return auth.Principal{Grant: auth.Grant{Kind: auth.Administrator, Name: name}}, nil
	}
}

// readSecret reads the secret of the servers over a store. If no server has used the store, it may be the zero Secret.
func readSecret(ctx context.Context, opened *OpenedStore) (auth.Secret, error) {
	used, err := auth.HasSecret(ctx, opened.Store)
	if err != nil {
		return auth.Secret{}, err
	}
	if _, err := os.Stat(opened.SecretFile); err != nil {
		if !used && errors.Is(err, os.ErrNotExist) {
			return auth.Secret{}, nil
		}
		return auth.Secret{}, fmt.Errorf("--secret-file: %w: without the secret of the servers, their webhooks would "+
			"not learn of the changes", err)
	}
	secret, _, err := auth.LoadSecret(opened.SecretFile)
	if err == nil && used { // a server over a folder would go on with another secret, and replace that of the store
		err = auth.CheckSecret(ctx, opened.Store, secret)
	}
	if err != nil {
		return auth.Secret{}, fmt.Errorf("--secret-file %s: %w", opened.SecretFile, err)
	}
	return secret, nil
}

// checkFormat returns an error if a newer version wrote a store.
func checkFormat(ctx context.Context, opened *OpenedStore) error {
	if err := store.CheckFormat(ctx, opened.Store); err != nil {
		return fmt.Errorf("--store %s: %w", opened.Name, err)
	}
	return nil
}

// A pipeListener is a net.Listener for connections within this process.
type pipeListener struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

// dial connects to the listener. The address does not matter.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.accepted <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network implements net.Addr.
func (pipeAddr) Network() string { return "pipe" }

// String implements net.Addr.
func (pipeAddr) String() string { return "pipe" }
