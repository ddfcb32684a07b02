package cli

import (
	"crypto/x509"
	"fmt"
	"os"
)

// ReadRoots returns the authorities of the system and those in the file of the flag --ca. If name is empty, it returns
// nil.
func ReadRoots(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // the system has none
	}
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("--ca %s: the file has no certificate in PEM", name)
	}
	return roots, nil
}
