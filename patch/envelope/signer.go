package envelope

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// A Signer makes envelopes. Its methods are safe for concurrent use.
type Signer struct {
	// Certificate is the signer's certificate, and Key its private key: RSA or ECDSA. Both are required.
	Certificate *x509.Certificate
	Key         crypto.Signer
	// Chain has the certificates between Certificate and a root, the issuer of Certificate first. They are part of
	// every envelope.
	Chain []*x509.Certificate
}

// Seal returns an envelope in DER around content, signed with SHA-256.
func (s *Signer) Seal(content []byte) ([]byte, error) {
	if s == nil || s.Certificate == nil || s.Key == nil {
		return nil, errors.New("sign an envelope: the Signer needs a Certificate and a Key")
	}
	data, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, fmt.Errorf("make an envelope: %w", err)
	}
	data.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := data.AddSignerChain(s.Certificate, s.Key, s.Chain, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("sign an envelope: %w", err)
	}
	sealed, err := data.Finish()
	if err != nil {
		return nil, fmt.Errorf("make an envelope: %w", err)
	}
	return sealed, nil
}
