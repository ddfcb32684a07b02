// Package envelope opens and makes CMS SignedData envelopes (RFC 5652) around
// patch definitions: Jamf's own patch feed wraps each definition in one, and so
// can a source of one's own.
//
// An envelope says who has made a definition. [Open] always checks that the
// signature is right; whose it is, is checked against roots when there are any,
// and only reported otherwise. Certificates that have expired meanwhile are
// reported, and fatal only when [OpenOptions] says so: the vendor's feed has
// gone on for months with such ones.
package envelope

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/patchsource/patchsource/patch"
)

var (
	// ErrFormat is what is no envelope that can be read.
	ErrFormat = errors.New("no CMS envelope")
	// ErrSignature is an envelope whose signature is wrong, or missing.
	ErrSignature = errors.New("the signature of the envelope does not hold")
	// ErrSigner is an envelope of somebody who is not trusted, or whose
	// certificate was not valid.
	ErrSigner = errors.New("the signer of the envelope is not trusted")
)

// OpenOptions are options of [Open]. Nil means the zero value.
type OpenOptions struct {
	// Roots are who is trusted to sign, or to say who may. Nil: anybody may
	// sign, and Signer says who did.
	Roots *x509.CertPool
	// RefuseExpired makes a certificate that has expired an ErrSigner.
	RefuseExpired bool
	// MaxBytes bounds the envelope. 0: patch.DefaultMaxBytes and 1 MiB more.
	MaxBytes int
	// Now is the time that certificates are judged by. Zero: the time of day.
	Now time.Time
}

// An Envelope is what was in one.
type Envelope struct {
	// Content is what was signed.
	Content []byte
	// Signer is the certificate of who has signed it.
	Signer *x509.Certificate
	// Trusted says that the signer's certificate leads to one of the roots.
	Trusted bool
	// Expired says that the signer's certificate is not valid now, or was not
	// when it signed.
	Expired bool
}

// Is reports whether data looks like an envelope rather than like JSON.
func Is(data []byte) bool { return len(data) > 1 && data[0] == 0x30 }

// Open opens an envelope in DER, or in BER with lengths indefinite, and checks its
// signature, which has to be made with SHA-2: SHA-1 and MD5 can be forged. It is
// safe for concurrent use.
//
// The error is [ErrFormat], [ErrSignature], [ErrSigner] or patch.ErrTooLarge.
func Open(data []byte, opts *OpenOptions) (*Envelope, error) {
	var o OpenOptions
	if opts != nil {
		o = *opts
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = patch.DefaultMaxBytes + 1<<20
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if len(data) > o.MaxBytes {
		return nil, fmt.Errorf(
			"%w: the envelope has %d bytes, at most %d are read",
			patch.ErrTooLarge,
			len(data),
			o.MaxBytes,
		)
	}
	if err := checkShape(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	p, err := pkcs7.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if len(p.Signers) == 0 {
		return nil, fmt.Errorf("%w: nobody has signed it", ErrSignature)
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
	if err := e.judge(p, o); err != nil {
		return nil, err
	}
	return e, nil
}

const (
	// maxCertificates bounds the certificates in an envelope.
	maxCertificates = 32
	// maxKeyBits bounds an RSA key, as crypto/tls does: a signature by one of a
	// million bits takes minutes to check.
	maxKeyBits = 8192
)

// checkKeys refuses certificates that cost too much to check.
func checkKeys(certs []*x509.Certificate) error {
	if len(certs) > maxCertificates {
		return fmt.Errorf("there are %d certificates in it, at most %d are looked at", len(certs), maxCertificates)
	}
	for _, c := range certs {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxKeyBits {
			return fmt.Errorf("a key in it has %d bits, at most %d are taken", key.N.BitLen(), maxKeyBits)
		}
	}
	return nil
}

// goodDigests are the digests that a signature may be made of, by either of the
// names that envelopes have for them.
var goodDigests = []asn1.ObjectIdentifier{
	pkcs7.OIDDigestAlgorithmSHA256, pkcs7.OIDEncryptionAlgorithmRSASHA256,
	pkcs7.OIDDigestAlgorithmSHA384, pkcs7.OIDEncryptionAlgorithmRSASHA384,
	pkcs7.OIDDigestAlgorithmSHA512, pkcs7.OIDEncryptionAlgorithmRSASHA512,
}

// checkAlgorithms refuses signatures of digests that can be forged: SHA-1, MD5 and
// whatever else is not SHA-2.
func checkAlgorithms(p *pkcs7.PKCS7) error {
	for _, s := range p.Signers {
		digest := s.DigestAlgorithm.Algorithm
		good := slices.ContainsFunc(goodDigests, digest.Equal)
		// Of ECDSA, it is the name of the signature that decides.
		if s.DigestEncryptionAlgorithm.Algorithm.Equal(pkcs7.OIDDigestAlgorithmECDSASHA1) {
			digest, good = pkcs7.OIDDigestAlgorithmSHA1, false
		}
		if digest.Equal(pkcs7.OIDDigestAlgorithmSHA1) {
			return errors.New("it is made with SHA-1, which can be forged: sign with SHA-256")
		}
		if !good {
			return fmt.Errorf("it is made with the digest %v, which is not taken: sign with SHA-256", digest)
		}
	}
	return nil
}

// checkSignature checks the signature, and nothing of the certificate's dates:
// what they mean is for judge to say.
func checkSignature(p *pkcs7.PKCS7, signer *x509.Certificate) error {
	ageless := *signer
	ageless.NotBefore, ageless.NotAfter = time.Time{}, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	all := p.Certificates
	defer func() { p.Certificates = all }()
	p.Certificates = []*x509.Certificate{&ageless}
	return p.Verify()
}

// judge finds out whether the signer is trusted, and whether in time.
func (e *Envelope) judge(p *pkcs7.PKCS7, o OpenOptions) error {
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
			// Somebody on the way has expired: were all of them good while the
			// signer's certificate was?
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
		return fmt.Errorf(
			"%w: the certificate of %s, valid from %s to %s, is expired",
			ErrSigner,
			e.Signer.Subject,
			patch.FormatTime(e.Signer.NotBefore),
			patch.FormatTime(e.Signer.NotAfter),
		)
	}
	return nil
}

// A Signer makes envelopes.
type Signer struct {
	// Certificate is that of the signer, and Key its private key: RSA or ECDSA.
	Certificate *x509.Certificate
	Key         crypto.Signer
	// Chain are the certificates between Certificate and a root, the issuer of
	// Certificate first. They go along with every envelope.
	Chain []*x509.Certificate
}

// Seal makes an envelope in DER around content, signed with SHA-256. It is safe for
// concurrent use.
func (s *Signer) Seal(content []byte) ([]byte, error) {
	if s.Certificate == nil || s.Key == nil {
		return nil, errors.New("sign an envelope: the Signer has no certificate or no key: set both")
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
