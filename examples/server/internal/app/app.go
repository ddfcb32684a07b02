// Package app is the reference server as a function that tests can call.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/examples/internal/logging"
	"github.com/patchsource/patchsource/examples/server/internal/setup"
	"github.com/patchsource/patchsource/store"
)

// Run runs the server until ctx ends, or the command that the first argument names. environ is the environment, in the
// form of os.Environ. Run returns the exit code of the process: 0 after an orderly stop, 1 after an error, and 2 if the
// flags are invalid. Each command documents its exit codes.
func Run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	found, err := findCommand(args)
	if err != nil {
		fmt.Fprintf(stderr, "patchsource: %v\nTry patchsource --help.\n", err)
		return 2
	}
	if found != nil {
		return found.run(ctx, args[1:], newProgram(environ, os.Stdin, stdout, stderr))
	}
	f, err := parseFlags(args, environ, stdout)
	if errors.Is(err, cli.ErrAnswered) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "patchsource: %v\nTry patchsource --help.\n", err)
		return 2
	}
	handler := logging.New(stderr, f.LogFormat == "json")
	defer handler.Close()
	log := slog.New(handler)
	if f.CopyFrom != "" {
		if err := runCopy(ctx, f, copyFlagNames, log); err != nil {
			log.Error("the store was not copied", "error", err)
			return 1
		}
		return 0
	}
	if err := run(ctx, f, log); err != nil {
		log.Error("the server stopped because of an error", "error", err)
		return 1
	}
	log.Info("stopped")
	return 0
}

func run(ctx context.Context, f *flags, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// The port comes first: starting a second server fails before anything else happens.
	web, err := listen(f, log)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, f, web, log)
	if err != nil && ctx.Err() != nil {
		return web.stop(ctx) // stopped before it was ready
	}
	if err != nil {
		return errors.Join(err, web.stop(ctx))
	}
	if err := web.openACME(ctx, f, b); err != nil {
		return errors.Join(err, web.stop(ctx), b.Close())
	}
	var background sync.WaitGroup
	background.Go(func() { _ = b.Run(ctx) }) // fails only if it is called twice or after Close
	err = serve(ctx, f, log, web, b)
	err = errors.Join(err, web.stop(ctx))
	stop()
	background.Wait()
	if web.acme != nil {
		web.acme.work.Wait()
	}
	return errors.Join(err, b.Close())
}

// serve imports the files of --import and serves until ctx ends, which is not an error.
func serve(ctx context.Context, f *flags, log *slog.Logger, web *web, b *backend) error {
	for _, path := range f.Import {
		if err := importPath(ctx, path, b.Catalog, log); err != nil && ctx.Err() == nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if f.BaseURL == "" && web.site(f) != web.url(f) {
		log.Warn("no --base-url set: other hosts may not be able to resolve the links in mails and events",
			"url", web.site(f))
	}
	web.use(setup.Recognize(b.secret.Key(setupKeyPurpose), b))
	if err := profile(ctx, f.PprofAddr, log); err != nil {
		return err
	}
	url := cmp.Or(strings.TrimRight(f.BaseURL, "/"), web.url(f))
	for _, fault := range store.Faults(ctx, b.store) {
		log.Warn("the store has a fault; /readyz fails unless --tolerate-faults is set",
			"file", fault.Name, "reason", fault.Reason)
	}
	log.Info("ready", "url", url, "jamf_feed", url+"/jamf/v1", "listen", web.url(f),
		"store", redactStore(f.Store), "titles", b.Catalog.Len(), "admin_token_file", f.AdminTokenFile)
	if web.plain != nil {
		log.Info("serving the feed without TLS as well", "listen", "http://"+web.plain.Addr().String())
	}
	select {
	case <-ctx.Done():
		log.Info("stopping after the requests in progress; a second signal stops at once")
		return nil
	case err := <-web.failed:
		return fmt.Errorf("serve: %w", err)
	}
}
