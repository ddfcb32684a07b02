package mail_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	stdmail "net/mail"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/patchsource/patchsource/auth/mail"
)

const sender = "Pätch Source <patches@example.com>"

var message = mail.Message{
	To:      "ann@example.com",
	Subject: "Your token for Xcode_José",
	Text:    "Grüße,\r\n.\r\nthe token is pst_ABC",
	HTML:    "<p>Grüße, the token is <code>pst_ABC</code>",
}

func TestCheckAddress(t *testing.T) {
	for _, good := range []string{"ann@example.com", " ann@example.com\t", "a.b+c@sub.example.co.uk", "o'neill@example.com"} {
		if got, err := mail.CheckAddress(good); err != nil || got != strings.TrimSpace(good) {
			t.Errorf("%q: %q, %v", good, got, err)
		}
	}
	for _, bad := range []string{"", "nobody", "a@b", "@example.com", "a@", "a@.com", "a@b.", "a b@example.com", "Ann <ann@example.com>", "ann@example.com, bob@example.com", "a@b.c\r\nBcc: x@y.zz",
		"a@[127.0.0.1]", "a@b@c.de", "\x00@example.com", strings.Repeat("a", 250) + "@example.com", "ann@example.com (Ann)"} {
		if _, err := mail.CheckAddress(bad); !errors.Is(err, mail.ErrAddress) ||
			len(bad) > 5 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzCheckAddress(f *testing.F) {
	f.Add("ann@example.com")
	f.Add("a@b.c\r\nBcc: x@y.zz")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.CheckAddress(s)
		if err == nil &&
			(strings.ContainsAny(a, "\r\n\x00 ,;<>") && !strings.HasPrefix(a, `"`) || !strings.Contains(a, "@")) {
			t.Errorf("%q is taken as %q", s, a)
		}
	})
}

// checkMessage reads a message, whose parts are in an encoding, as another
// implementation does.
func checkMessage(t *testing.T, raw []byte, encoding string) {
	t.Helper()
	m, err := stdmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	from, errFrom := m.Header.AddressList("From")
	to, errTo := m.Header.AddressList("To")
	date, errDate := m.Header.Date()
	subject, errSubject := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err := errors.Join(errFrom, errTo, errDate, errSubject); err != nil {
		t.Fatal(err)
	}
	if len(from) != 1 || from[0].Name != "Pätch Source" || from[0].Address != "patches@example.com" || len(to) != 1 || to[0].Address != message.To || subject != message.Subject ||
		time.Since(date).Abs() > time.Hour ||
		!strings.Contains(m.Header.Get("Message-ID"), "@") ||
		m.Header.Get("Auto-Submitted") == "" ||
		m.Header.Get("Bcc") != "" {
		t.Errorf("%v", m.Header)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s %v", kind, err)
	}
	got := map[string]string{}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || !strings.EqualFold(params["charset"], "utf-8") ||
			p.Header.Get("Content-Transfer-Encoding") != encoding {
			t.Errorf("%v %v", p.Header, err)
		}
		var body io.Reader = p
		if encoding == "quoted-printable" {
			body = quotedprintable.NewReader(p)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		got[kind] = strings.TrimSpace(string(text))
	}
	if got["text/plain"] != message.Text || got["text/html"] != message.HTML {
		t.Errorf("%q", got)
	}
}

func TestOutbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	o, err := mail.NewOutbox(dir, sender)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := o.Send(context.Background(), message); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 10 {
		t.Errorf("%q", files)
	}
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 || filepath.Ext(name) != ".eml" {
			t.Errorf("%s: %v %v", name, info, err)
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		checkMessage(t, raw, "8bit") // for people, who copy out of it
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := o.Send(over, message); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	o, err := mail.NewOutbox(t.TempDir(), sender)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, c := range []struct {
		name string
		m    mail.Message
		err  error
	}{
		{"no address", mail.Message{Subject: "s", Text: "t"}, mail.ErrAddress},
		{"two addresses", mail.Message{To: "a@b.cc, d@e.ff", Subject: "s", Text: "t"}, mail.ErrAddress},
		{"a header in the address", mail.Message{To: "a@b.cc\r\nBcc: d@e.ff", Subject: "s", Text: "t"}, mail.ErrAddress},
		{"a header in the subject", mail.Message{To: "a@b.cc", Subject: "s\r\nBcc: d@e.ff", Text: "t"}, mail.ErrMessage},
	} {
		if err := o.Send(t.Context(), c.m); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, from := range []string{"", "nobody", "a@b.cc\r\nBcc: d@e.ff"} {
		if _, err := mail.NewOutbox(t.TempDir(), from); !errors.Is(err, mail.ErrAddress) {
			t.Errorf("from %q: %v", from, err)
		}
	}
}

// A server is a real SMTP server on loopback.
type server struct {
	mu        sync.Mutex
	got       [][]byte
	user      string
	refuse    bool          // the recipient
	hang      chan struct{} // if not nil, DATA waits for it
	drop      bool          // the connection, at DATA
	secret    string        // the password wanted; empty: none
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

// start runs s with a certificate for 127.0.0.1, or without one.
func start(t *testing.T, s *server, implicit, withTLS bool) (addr string, roots *x509.CertPool) {
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
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := smtp.NewServer(s)
	srv.Domain = "mail.example.com"
	srv.AllowInsecureAuth = true
	srv.ErrorLog = discard{}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
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
		url      func(addr string) string
	}{
		{"in the clear", false, false, "", func(a string) string { return "smtp://" + a + "?tls=off" }},
		{"STARTTLS", false, true, "", func(a string) string { return "smtp://" + a }},
		{"STARTTLS and a password", false, true, "p@ss:w/rd", func(a string) string { return "smtp://ann:" + url.QueryEscape("p@ss:w/rd") + "@" + a }},
		{"implicit TLS and a password", true, true, "secret", func(a string) string { return "smtps://ann:secret@" + a }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{secret: c.secret}
			addr, roots := start(t, s, c.implicit, c.tls)
			m, err := mail.NewSMTP(c.url(addr), sender, &mail.SMTPOptions{RootCAs: roots})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Send(t.Context(), message); err != nil {
				t.Fatal(err)
			}
			if len(s.got) != 1 || s.recipient != message.To || s.usedTLS != c.tls || c.secret != "" && s.user != "ann" {
				t.Fatalf("%+v", s)
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
		url    func(addr string) string
		says   string
	}{
		{"the recipient is refused", &server{refuse: true}, true, func(a string) string { return "smtp://" + a }, "no such user"},
		{"the connection drops", &server{drop: true}, true, func(a string) string { return "smtp://" + a }, ""},
		{"the server does not answer", &server{hang: hang}, true, func(a string) string { return "smtp://" + a }, ""},
		{"a wrong password", &server{secret: "right"}, true, func(a string) string { return "smtp://ann:wrong@" + a }, ""},
		{"no password", &server{secret: "right"}, true, func(a string) string { return "smtp://" + a }, ""},
		{"no STARTTLS to be had", &server{}, false, func(a string) string { return "smtp://" + a }, "STARTTLS"},
		{"nobody there", &server{}, true, func(string) string { return "smtp://127.0.0.1:1" }, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, roots := start(t, c.server, false, c.tls)
			m, err := mail.NewSMTP(
				c.url(addr),
				sender,
				&mail.SMTPOptions{RootCAs: roots, Timeout: 500 * time.Millisecond},
			)
			if err != nil {
				t.Fatal(err)
			}
			err = m.Send(t.Context(), message)
			if !errors.Is(err, mail.ErrSend) || !strings.Contains(err.Error(), c.says) ||
				strings.Contains(err.Error(), "wrong@") ||
				strings.Contains(err.Error(), "pst_") ||
				strings.Contains(strings.ToLower(err.Error()), "ann@") {
				t.Errorf("%v", err)
			}
			c.server.mu.Lock()
			defer c.server.mu.Unlock()
			if len(c.server.got) != 0 {
				t.Error("a message arrived all the same")
			}
		})
	}
	// A certificate that nobody vouches for is no certificate.
	addr, _ := start(t, &server{}, false, true)
	m, err := mail.NewSMTP("smtp://"+addr, sender, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send(t.Context(), message); !errors.Is(err, mail.ErrSend) {
		t.Errorf("%v", err)
	}
}

func TestNewSMTPRefuses(t *testing.T) {
	for _, bad := range []string{"", "mail.example.com", "http://mail.example.com", "smtp://", "smtp://host:99999", "smtp://host:x", "smtp://host/path", "smtp://host?tls=maybe", "smtps://host?tls=off",
		"smtp://ann:hunter2@host?tls=off", "smtp://ann:hunter2@host?x=1", "smtp://ann:hunter2@[::1", "smtp://host?tls=off&x=1"} {
		_, err := mail.NewSMTP(bad, sender, nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := mail.NewSMTP("smtp://host", "nobody", nil); !errors.Is(err, mail.ErrAddress) {
		t.Errorf("%v", err)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	outbox, err := mail.NewOutbox(dir, "Patches <patches@example.com>")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer outbox.Close()
	err = outbox.Send(
		context.Background(),
		mail.Message{To: "ann@example.com", Subject: "Your token", Text: "It is pst_…"},
	)
	files, _ := filepath.Glob(filepath.Join(dir, "*.eml"))
	fmt.Println(len(files), err)
	// Output: 1 <nil>
}
