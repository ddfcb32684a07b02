package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/patchsource/patchsource/auth/mail"
)

// A server is an SMTP server on the loopback interface.
type server struct {
	mu        sync.Mutex
	got       [][]byte
	user      string
	refuse    bool          // if set, the server refuses recipients
	hang      chan struct{} // if not nil, DATA waits for it
	drop      bool          // if set, the server closes the connection at DATA
	secret    string        // the required password, or empty
	usedTLS   bool
	recipient string
}

type session struct {
	s    *server
	c    *smtp.Conn
	auth bool
}

func (s *server) NewSession(c *smtp.Conn) (smtp.Session, error) { return &session{s: s, c: c}, nil }

func (x *session) AuthMechanisms() []string {
	if x.s.secret == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != x.s.secret {
			return errors.New("wrong password")
		}
		x.auth, x.s.user = true, user
		return nil
	}), nil
}

func (x *session) Mail(string, *smtp.MailOptions) error {
	if x.s.secret != "" && !x.auth {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if x.s.refuse {
		return &smtp.SMTPError{Code: 550, Message: "no such user: <" + strings.ToUpper(to) + ">"}
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.recipient = to
	return nil
}

func (x *session) Data(r io.Reader) error {
	if x.s.drop {
		return x.c.Conn().Close()
	}
	if x.s.hang != nil {
		<-x.s.hang
	}
	data, err := io.ReadAll(r)
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.got = append(x.s.got, data)
	_, x.s.usedTLS = x.c.TLSConnectionState()
	return err
}

func (x *session) Reset()        {}
func (x *session) Logout() error { return nil }

// certificate returns a certificate for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// start runs s until the test ends. implicit selects TLS from the first byte, withTLS offers STARTTLS.
func start(t *testing.T, s *server, implicit, withTLS bool) (addr string, roots *x509.CertPool) {
	t.Helper()
	cert, roots := certificate(t)
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(s)
	srv.Domain = "mail.example.com"
	srv.AllowInsecureAuth = true
	srv.ErrorLog = discard{}
	if withTLS {
		srv.TLSConfig = config
	}
	addr = l.Addr().String()
	if implicit {
		l = tls.NewListener(l, config)
	}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return addr, roots
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func TestSMTP(t *testing.T) {
	for _, c := range []struct {
		name     string
		implicit bool
		tls      bool
		secret   string
		prefix   string // of the server's address
		suffix   string
	}{
		{name: "no encryption", prefix: "smtp://", suffix: "?tls=off"},
		{name: "STARTTLS", tls: true, prefix: "smtp://"},
		{
			name: "STARTTLS and a password", tls: true, secret: "p@ss:w/rd",
			prefix: "smtp://ann:" + url.QueryEscape("p@ss:w/rd") + "@",
		},
		{
			name: "implicit TLS and a password", implicit: true, tls: true, secret: "secret",
			prefix: "smtps://ann:secret@",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{secret: c.secret}
			addr, roots := start(t, s, c.implicit, c.tls)
			for _, timeout := range []time.Duration{0, -1} {
				opts := &mail.SMTPOptions{RootCAs: roots, Timeout: timeout}
				m, err := mail.NewSMTP(c.prefix+addr+c.suffix, sender, opts)
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Send(t.Context(), message); err != nil {
					t.Fatalf("Send with the timeout %v: %v", timeout, err)
				}
			}
			if len(s.got) != 2 || s.recipient != message.To || s.usedTLS != c.tls || c.secret != "" && s.user != "ann" {
				t.Fatalf("the server received %+v", s)
			}
			checkMessage(t, s.got[0], "quoted-printable")
		})
	}
}

func TestSMTPFailures(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	for _, c := range []struct {
		name   string
		server *server
		tls    bool
		user   string // in the server's address
		want   string // in the error
	}{
		{"the recipient is refused", &server{refuse: true}, true, "", "no such user"},
		{"the connection drops", &server{drop: true}, true, "", ""},
		{"the server does not answer", &server{hang: hang}, true, "", ""},
		{"a wrong password", &server{secret: "right"}, true, "ann:wrong@", ""},
		{"no password", &server{secret: "right"}, true, "", ""},
		{"no STARTTLS", &server{}, false, "", "STARTTLS"},
		{"no server", nil, true, "", "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.server
			addr, roots := "127.0.0.1:1", (*x509.CertPool)(nil)
			if s != nil {
				addr, roots = start(t, s, false, c.tls)
			}
			opts := &mail.SMTPOptions{RootCAs: roots, Timeout: 500 * time.Millisecond}
			m, err := mail.NewSMTP("smtp://"+c.user+addr, sender, opts)
			if err != nil {
				t.Fatal(err)
			}
			err = m.Send(t.Context(), message)
			if !errors.Is(err, mail.ErrSend) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Send: %v, want ErrSend with %q", err, c.want)
			}
			for _, secret := range []string{"wrong@", "pst_", "ann@"} {
				if strings.Contains(strings.ToLower(err.Error()), secret) {
					t.Errorf("the error contains %s: %v", secret, err)
				}
			}
			if s == nil {
				return
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.got) != 0 {
				t.Error("the server received a message")
			}
		})
	}
}

func TestSMTPUntrustedCertificate(t *testing.T) {
	addr, _ := start(t, &server{}, false, true)
	m, err := mail.NewSMTP("smtp://"+addr, sender, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), message); !errors.Is(err, mail.ErrSend) {
		t.Errorf("Send: %v, want ErrSend", err)
	}
}

func TestNewSMTPRejects(t *testing.T) {
	for _, invalid := range []string{
		"", "mail.example.com", "http://mail.example.com", "smtp://", "smtp://host:99999", "smtp://host:x",
		"smtp://host/path", "smtp://host?tls=maybe", "smtps://host?tls=off", "smtp://ann:hunter2@host?tls=off",
		"smtp://ann:hunter2@host?x=1", "smtp://ann:hunter2@[::1", "smtp://host?tls=off&x=1",
		"ann:hunter2@host", "ann:hunter2@host:587", "smtp:ann:hunter2@host:587", "smtp:/ann:hunter2@host",
		"smtp:///ann:hunter2@host", "ann@host/hunter2",
	} {
		_, err := mail.NewSMTP(invalid, sender, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("NewSMTP(%q): %v, want an error without the password", invalid, err)
		}
	}
	if _, err := mail.NewSMTP("smtp://host", "nobody", nil); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("NewSMTP with the sender nobody: %v, want ErrAddress", err)
	}
}
