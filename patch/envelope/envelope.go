// Package envelope opens and makes CMS SignedData envelopes (RFC 5652) around patch definitions. Jamf's own patch feed
// wraps each definition in one, and so can any patch source.
//
// The signature of an envelope proves who made a definition. [Open] always verifies the signature. It verifies the
// signer's certificate if there are roots, and otherwise only reports it. Expired certificates are reported, and are an
// error only if [OpenOptions] demand it: Jamf's feed has used such certificates for months.
package envelope

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/patchsource/patchsource/patch"
)

var (
	// ErrFormat means that the data is not an envelope that can be read.
	ErrFormat = errors.New("not a CMS envelope")
	// ErrSignature means that the signature of an envelope is wrong or missing.
	ErrSignature = errors.New("the signature of the envelope is not valid")
	// ErrSigner means that the signer of an envelope is not trusted, or that the certificate was not valid at the time.
	ErrSigner = errors.New("the signer of the envelope is not trusted")
)

// OpenOptions are options of [Open]. Nil means the zero value.
type OpenOptions struct {
	// Roots are the certificates of the authorities that are trusted. If nil, every signer is accepted.
	Roots *x509.CertPool
	// RefuseExpired makes an expired certificate an ErrSigner.
	RefuseExpired bool
	// MaxBytes is the maximum size of the envelope in bytes. The default is [patch.DefaultMaxBytes] and 1 MiB more; a
	// negative number means no limit.
	MaxBytes int
	// Now is the time at which certificates must be valid. If zero, it is the current time.
	Now time.Time
}

// withDefaults returns o with its defaults.
func (o *OpenOptions) withDefaults() OpenOptions {
	var all OpenOptions
	if o != nil {
		all = *o
	}
	switch {
	case all.MaxBytes == 0:
		all.MaxBytes = patch.DefaultMaxBytes + 1<<20
	case all.MaxBytes < 0:
		all.MaxBytes = math.MaxInt
	}
	if all.Now.IsZero() {
		all.Now = time.Now()
	}
	return all
}

// An Envelope is the content of an envelope whose signature is valid.
type Envelope struct {
	// Content is the data that was signed.
	Content []byte
	// Signer is the signer's certificate.
	Signer *x509.Certificate
	// Trusted reports whether the signer's certificate leads to one of the roots.
	Trusted bool
	// Expired reports whether the signer's certificate is not valid now, or was not when the envelope was signed.
	Expired bool
}

// Is reports whether data looks like an envelope and not like JSON.
func Is(data []byte) bool { return len(data) > 1 && data[0] == 0x30 }

// Open opens an envelope in DER, or in BER with indefinite lengths, and verifies its signature. The signature must be
// made with SHA-2: SHA-1 and MD5 can be forged. Open is safe for concurrent use.
//
// The error is [ErrFormat], [ErrSignature], [ErrSigner] or [patch.ErrTooLarge].
func Open(data []byte, opts *OpenOptions) (*Envelope, error) {
	o := opts.withDefaults()
	if len(data) > o.MaxBytes {
		return nil, fmt.Errorf("%w: the envelope has %d bytes, the limit is %d",
			patch.ErrTooLarge, len(data), o.MaxBytes)
	}
	if err := checkShape(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	p, err := pkcs7.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(p.Signers) == 0 {
		return nil, fmt.Errorf("%w: it has no signer", ErrSignature)
	}
	signer := p.GetOnlySigner()
	if signer == nil {
		return nil, fmt.Errorf("%w: it must have one signer, with the certificate in the envelope", ErrSignature)
	}
	if err := checkKeys(p.Certificates); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	if err := checkAlgorithms(p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	e := &Envelope{Content: p.Content, Signer: signer}
	if err := checkSignature(p, signer); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if err := e.verifySigner(p, o); err != nil {
		return nil, err
	}
	return e, nil
}

const (
	// maxCertificates is the maximum number of certificates in an envelope.
	maxCertificates = 32
	// maxKeyBits is the maximum length of an RSA key, as in crypto/tls: verifying a signature by a key of a million
	// bits takes minutes.
	maxKeyBits = 8192
)

// checkKeys refuses certificates that are too expensive to verify.
func checkKeys(certs []*x509.Certificate) error {
	if len(certs) > maxCertificates {
		return fmt.Errorf("the envelope has %d certificates, at most %d are allowed", len(certs), maxCertificates)
	}
	for _, c := range certs {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxKeyBits {
			return fmt.Errorf("a key in the envelope has %d bits, at most %d are allowed", key.N.BitLen(), maxKeyBits)
		}
	}
	return nil
}

// allowedDigests are the digests that a signature may be made with, by both identifiers that envelopes use for them.
var allowedDigests = []asn1.ObjectIdentifier{
	pkcs7.OIDDigestAlgorithmSHA256, pkcs7.OIDEncryptionAlgorithmRSASHA256,
	pkcs7.OIDDigestAlgorithmSHA384, pkcs7.OIDEncryptionAlgorithmRSASHA384,
	pkcs7.OIDDigestAlgorithmSHA512, pkcs7.OIDEncryptionAlgorithmRSASHA512,
}

// checkAlgorithms refuses signatures made with other digests than SHA-2: SHA-1 and MD5 can be forged.
func checkAlgorithms(p *pkcs7.PKCS7) error {
	for _, s := range p.Signers {
		digest := s.DigestAlgorithm.Algorithm
		allowed := slices.ContainsFunc(allowedDigests, digest.Equal)
		// The identifier of an ECDSA signature takes precedence.
		if s.DigestEncryptionAlgorithm.Algorithm.Equal(pkcs7.OIDDigestAlgorithmECDSASHA1) {
			digest, allowed = pkcs7.OIDDigestAlgorithmSHA1, false
		}
		if digest.Equal(pkcs7.OIDDigestAlgorithmSHA1) {
			return errors.New("it is made with SHA-1, which can be forged: sign with SHA-256")
		}
		if !allowed {
			return fmt.Errorf("it is made with the digest %v, which is not allowed: sign with SHA-256", digest)
		}
	}
	return nil
}

// checkSignature verifies the signature. It ignores the dates of the certificate, which verifySigner checks.
func checkSignature(p *pkcs7.PKCS7, signer *x509.Certificate) error {
	ageless := *signer
	ageless.NotBefore, ageless.NotAfter = time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	all := p.Certificates
	defer func() { p.Certificates = all }()
	p.Certificates = []*x509.Certificate{&ageless}
	return p.Verify()
}

// verifySigner sets Trusted and Expired. The error is ErrSigner.
func (e *Envelope) verifySigner(p *pkcs7.PKCS7, o OpenOptions) error {
	e.Expired = o.Now.After(e.Signer.NotAfter) || o.Now.Before(e.Signer.NotBefore)
	var signed time.Time
	if p.UnmarshalSignedAttribute(pkcs7.OIDAttributeSigningTime, &signed) == nil {
		e.Expired = e.Expired || signed.After(e.Signer.NotAfter) || signed.Before(e.Signer.NotBefore)
	}
	if o.Roots != nil {
		verify := x509.VerifyOptions{
			Roots:         o.Roots,
			Intermediates: x509.NewCertPool(),
			CurrentTime:   o.Now,
			KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		}
		for _, c := range p.Certificates {
			verify.Intermediates.AddCert(c)
		}
		_, err := e.Signer.Verify(verify)
		var invalid x509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
			// A certificate of the chain has expired. Accept the chain if it was valid while the signer's
			// certificate was.
			e.Expired = true
			verify.CurrentTime = e.Signer.NotAfter
			_, err = e.Signer.Verify(verify)
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrSigner, e.Signer.Subject, err)
		}
		e.Trusted = true
	}
	if e.Expired && o.RefuseExpired {
		return fmt.Errorf("%w: the certificate of %s, valid from %s to %s, has expired", ErrSigner, e.Signer.Subject,
			patch.FormatTime(e.Signer.NotBefore), patch.FormatTime(e.Signer.NotAfter))
	}
	return nil
}
