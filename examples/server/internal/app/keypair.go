package app

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// keyPairInterval is the minimum time between two checks of the files of a keyPair.
const keyPairInterval = time.Second

// A keyPair is the certificate of --tls-cert and --tls-key. It is loaded again when a file changes, so that a renewal
// needs no restart. It is safe for concurrent use.
type keyPair struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	cert    *tls.Certificate
	files   [2]fs.FileInfo // when cert was loaded
	checked time.Time
	failure string // of the last check; empty: it succeeded
}

// loadKeyPair loads a certificate and its key.
func loadKeyPair(certFile, keyFile string, log *slog.Logger) (*keyPair, error) {
	p := &keyPair{certFile: certFile, keyFile: keyFile, log: log, now: time.Now}
	p.checked = p.now()
	if _, err := p.reload(); err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	return p, nil
}

// certificate returns the certificate for a handshake. If the files cannot be used, it is the last one that could.
func (p *keyPair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.checked) < keyPairInterval {
		return p.cert, nil
	}
	p.checked = now
	changed, err := p.reload()
	switch {
	case err != nil && err.Error() != p.failure:
		p.failure = err.Error()
		p.log.Error("the new certificate cannot be used: the server keeps the old one; check the files of --tls-cert "+
			"and --tls-key", "error", err, "expires", p.cert.Leaf.NotAfter)
	case err == nil:
		p.failure = ""
	}
	if changed {
		p.log.Info("loaded a new certificate", "file", p.certFile, "expires", p.cert.Leaf.NotAfter)
	}
	return p.cert, nil
}

// expires returns when the certificate expires that the next handshake gets.
func (p *keyPair) expires() time.Time {
	cert, _ := p.certificate(nil)
	return cert.Leaf.NotAfter
}

// reload loads the files if they have changed, and reports whether they have.
func (p *keyPair) reload() (changed bool, err error) {
	var files [2]fs.FileInfo // from before the files are read, so that a later change is noticed
	for i, name := range []string{p.certFile, p.keyFile} {
		if files[i], err = os.Stat(name); err != nil {
			return false, err
		}
	}
	if sameFile(files[0], p.files[0]) && sameFile(files[1], p.files[1]) {
		return false, nil
	}
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return false, err
	}
	p.cert, p.files = &cert, files
	return true, nil
}

// sameFile reports whether a file has not changed since it was loaded. loaded is nil if it was not.
func sameFile(now, loaded fs.FileInfo) bool {
	return loaded != nil && os.SameFile(now, loaded) && now.ModTime().Equal(loaded.ModTime()) &&
		now.Size() == loaded.Size()
}
