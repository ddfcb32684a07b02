package envelope_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/patchsource/patchsource/patch/envelope"
)

// A definition is sealed, and opened with the signer's certificate as a root.
func Example() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "Example Patch Source"},
		NotBefore:    time.Now(),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		fmt.Println(err)
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		fmt.Println(err)
		return
	}

	signer := &envelope.Signer{Certificate: cert, Key: key}
	sealed, err := signer.Seal([]byte(`{"id": "Firefox"}`))
	if err != nil {
		fmt.Println(err)
		return
	}

	roots := x509.NewCertPool()
	roots.AddCert(cert)
	e, err := envelope.Open(sealed, &envelope.OpenOptions{Roots: roots})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\nsigned by %s, trusted: %v\n", e.Content, e.Signer.Subject.CommonName, e.Trusted)
	// Output:
	// {"id": "Firefox"}
	// signed by Example Patch Source, trusted: true
}
