package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"time"
)

// expirySoon is how long before its end the validity of a certificate is a warning.
const expirySoon = 14 * 24 * time.Hour

// connect finds the address of the feed and returns the answer to the list. It returns nil if there is none that can
// be examined further.
func (e *examination) connect(ctx context.Context, a *address) *answer {
	scheme, list := e.reach(ctx, a)
	if list == nil {
		return nil
	}
	e.report.Reached = true
	e.addf(CheckConnect, OK, "the server at %s answers", a.host)
	if paths := a.paths(); len(paths) > 1 && list.status != http.StatusOK {
		list = e.elsewhere(ctx, scheme+"://"+a.host, paths[1], list)
	}
	e.report.URL = e.base
	e.checkAddress(a, scheme, list)
	if list.tls != nil {
		e.checkTLS(list.tls)
	} else if scheme == "http" && !isLoopback(e.base) {
		e.add(CheckCertificate, Warning, "the connection is not encrypted: anyone in between can change the scripts "+
			"and versions that Jamf Pro reads; serve HTTPS")
	}
	return list
}

// reach requests the list with each scheme that the address allows. It returns the one that works, or adds a finding.
func (e *examination) reach(ctx context.Context, a *address) (scheme string, list *answer) {
	var first error
	for _, scheme := range a.schemes {
		e.base = scheme + "://" + a.host + a.path
		list, err := e.get(ctx, "/software", maxListBytes)
		if list != nil {
			if err != nil {
				e.report.Reached = true
				e.addf(CheckStatus, Error, "the list: %s", describe(err))
				return "", nil
			}
			return scheme, list
		}
		if first == nil {
			first = err
		}
		if e.refused(err) {
			break
		}
	}
	e.base = a.schemes[0] + "://" + a.host + a.path
	e.report.URL = e.base
	if !e.report.Reached {
		e.addf(CheckConnect, Error, "%s: %s", e.base, describeConnect(first))
	}
	return "", nil
}

// describeConnect returns the reason for which there is no connection.
func describeConnect(err error) string {
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		if bytes.HasPrefix(record.RecordHeader[:], []byte("HTTP")) {
			return "the server does not encrypt at this port: type http://, and switch off Use SSL in Jamf Pro, or " +
				"give the server a certificate"
		}
		return "the server at this port does not answer with TLS: check the port"
	}
	return describe(err)
}

// refused adds a finding if err means that one side has refused the TLS connection with the other one.
func (e *examination) refused(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &verification) && len(verification.UnverifiedCertificates) > 0:
		e.describeCertificate(verification.UnverifiedCertificates[0])
		e.add(CheckCertificate, Error, e.refusal(verification))
	case strings.Contains(err.Error(), "tls: ") && !errors.As(err, &record):
		e.addf(CheckTLSVersion, Error, "there is no TLS connection (%v): enable TLS 1.2 and 1.3 at the server, and do "+
			"not demand client certificates, because Jamf Pro has none", err)
	default:
		return false
	}
	e.report.Reached = true
	return true
}

// authorityHint is a part of the message about a certificate of an unknown authority.
const authorityHint = "; to check the rest here, use --ca FILE"

// describeCertificate adds the certificate of the server to the report.
func (e *examination) describeCertificate(leaf *x509.Certificate) {
	issuer := leaf.Issuer.String()
	if selfSigned(leaf) {
		issuer = "itself"
	}
	e.report.Certificate = &Certificate{
		Names:    printable(names(leaf)),
		Issuer:   printable(issuer),
		NotAfter: leaf.NotAfter,
	}
}

// refusal returns why a certificate is refused. Nothing else is checked over such a connection.
func (e *examination) refusal(v *tls.CertificateVerificationError) string {
	leaf := v.UnverifiedCertificates[0]
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(v.Err, &wrongHost):
		return "the certificate is not for host " + quote(wrongHost.Host) + " but for " + quote(names(leaf)) +
			": type that name, or give the server a certificate for this one"
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired && e.now().Before(invalid.Cert.NotBefore):
		return "the certificate is not valid before " + day(invalid.Cert.NotBefore) + ": check the clocks, or renew it"
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate expired on " + day(invalid.Cert.NotAfter) + ": renew it"
	case errors.As(v.Err, &unknown) && selfSigned(leaf):
		return "the certificate is self-signed, and Jamf Pro does not trust it: get one from an authority that Jamf " +
			"Pro trusts, or import it into the trust store of Jamf Pro's Java" + e.hint(authorityHint)
	case errors.As(v.Err, &unknown):
		return "the certificate was issued by " + quote(leaf.Issuer.String()) + ", which is not trusted: let the " +
			"server send its intermediate certificates, and import a private authority into the trust store of Jamf " +
			"Pro's Java" + e.hint(authorityHint)
	}
	return "the certificate is not valid (" + v.Err.Error() + "): replace it"
}

// selfSigned reports whether a certificate is signed with its own key.
func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) &&
		c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// names returns the hosts of a certificate.
func names(c *x509.Certificate) string {
	all := c.DNSNames
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return c.Subject.CommonName
	}
	return strings.Join(all, ", ")
}

// day returns the date of a time.
func day(t time.Time) string {
	return t.UTC().Format(time.DateOnly)
}

// elsewhere requests the list at another path, for an address without one. It returns the first answer if there is no
// list either.
func (e *examination) elsewhere(ctx context.Context, site, path string, first *answer) *answer {
	base, redirects, findings := e.base, e.redirects, len(e.report.Findings)
	e.base = site + path
	list, err := e.get(ctx, "/software", maxListBytes)
	if err != nil || list.status != http.StatusOK {
		e.base, e.redirects, e.report.Findings = base, redirects, e.report.Findings[:findings]
		return first
	}
	return list
}

// checkAddress compares the address that was typed with the one of the feed.
func (e *examination) checkAddress(a *address, scheme string, list *answer) {
	switch hint := instructions(e.base); {
	case e.base != scheme+"://"+a.host+a.path:
		e.addf(CheckAddress, Warning, "the feed is not at this address but at %s: %s", e.base, hint)
	case list.status == http.StatusBadRequest && scheme == "http":
		e.add(CheckAddress, Warning, "the server may expect HTTPS at this port: type https://")
	case a.list:
		e.addf(CheckAddress, Warning, "omit /software from the address: %s", hint)
	default:
		e.addf(CheckAddress, OK, "the feed is at %s: %s", e.base, hint)
	}
}

// checkTLS checks a connection whose certificate was accepted.
func (e *examination) checkTLS(state *tls.ConnectionState) {
	chain := state.PeerCertificates
	if len(state.VerifiedChains) > 0 {
		chain = state.VerifiedChains[0]
	}
	if len(chain) > 0 {
		e.describeCertificate(chain[0])
	}
	var first *x509.Certificate // the one that expires first
	for i, c := range chain {
		isRoot := i > 0 && i == len(chain)-1
		if !isRoot && (first == nil || c.NotAfter.Before(first.NotAfter)) {
			first = c
		}
	}
	switch {
	case first == nil:
	case first.NotAfter.Sub(e.now()) < expirySoon:
		e.addf(CheckCertificate, Warning, "the certificate of %s expires on %s: renew it before",
			quote(names(first)), day(first.NotAfter))
	default:
		e.addf(CheckCertificate, OK, "the certificate is trusted and valid until %s", day(first.NotAfter))
	}
	if state.Version < tls.VersionTLS12 {
		e.addf(CheckTLSVersion, Error, "the server offers %s at most: enable TLS 1.2 or later, which Jamf Pro requires",
			tls.VersionName(state.Version))
		return
	}
	e.addf(CheckTLSVersion, OK, "the connection uses %s", tls.VersionName(state.Version))
}
