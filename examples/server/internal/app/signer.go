package app

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/patch/envelope"
)

// signer returns the signer of the definitions in the feed, or nil without --sign-cert.
func (f *flags) signer() (*envelope.Signer, error) {
	if f.SignCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(f.SignCert, f.SignKey)
	if err != nil {
		return nil, fmt.Errorf("--sign-cert and --sign-key: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("--sign-key: it must be an RSA or an ECDSA key")
	}
	s := &envelope.Signer{Key: key}
	for i, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("--sign-cert: %w", err)
		}
		if i == 0 {
			s.Certificate = cert
		} else {
			s.Chain = append(s.Chain, cert)
		}
	}
	if _, err := s.Seal(nil); err != nil {
		return nil, fmt.Errorf("--sign-cert and --sign-key: %w", err)
	}
	return s, nil
}
