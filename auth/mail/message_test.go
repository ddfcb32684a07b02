package mail_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	stdmail "net/mail"
	"strings"
	"testing"
	"time"

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
	for _, valid := range []string{
		"ann@example.com", " ann@example.com\t", "a.b+c@sub.example.co.uk", "o'neill@example.com",
	} {
		if got, err := mail.CheckAddress(valid); err != nil || got != strings.TrimSpace(valid) {
			t.Errorf("CheckAddress(%q) = %q, %v", valid, got, err)
		}
	}
	for _, invalid := range []string{
		"", "nobody", "a@b", "@example.com", "a@", "a@.com", "a@b.", "a b@example.com", "Ann <ann@example.com>",
		"ann@example.com, bob@example.com", "a@b.c\r\nBcc: x@y.zz", "a@[127.0.0.1]", "a@b@c.de", "\x00@example.com",
		strings.Repeat("a", 250) + "@example.com", "ann@example.com (Ann)",
	} {
		_, err := mail.CheckAddress(invalid)
		if !errors.Is(err, mail.ErrAddress) {
			t.Errorf("CheckAddress(%q): %v, want ErrAddress", invalid, err)
		}
		if err != nil && len(invalid) > 5 && strings.Contains(err.Error(), invalid) {
			t.Errorf("CheckAddress(%q): the error repeats the address: %v", invalid, err)
		}
	}
}

// FuzzCheckAddress checks that an accepted address cannot add a header or a recipient.
func FuzzCheckAddress(f *testing.F) {
	f.Add("ann@example.com")
	f.Add("a@b.c\r\nBcc: x@y.zz")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.CheckAddress(s)
		if err != nil {
			return
		}
		if strings.ContainsAny(a, "\r\n\x00 ,;<>") && !strings.HasPrefix(a, `"`) || !strings.Contains(a, "@") {
			t.Errorf("CheckAddress(%q) = %q", s, a)
		}
	})
}

// TestSendRejects checks that Outbox rejects the messages that every Mailer must reject.
func TestSendRejects(t *testing.T) {
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
		{
			"a header in the address",
			mail.Message{To: "a@b.cc\r\nBcc: d@e.ff", Subject: "s", Text: "t"},
			mail.ErrAddress,
		},
		{
			"a header in the subject",
			mail.Message{To: "a@b.cc", Subject: "s\r\nBcc: d@e.ff", Text: "t"},
			mail.ErrMessage,
		},
	} {
		if err := o.Send(t.Context(), c.m); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
	for _, from := range []string{"", "nobody", "a@b.cc\r\nBcc: d@e.ff"} {
		if _, err := mail.NewOutbox(t.TempDir(), from); !errors.Is(err, mail.ErrAddress) {
			t.Errorf("NewOutbox with the sender %q: %v, want ErrAddress", from, err)
		}
	}
}

// checkMessage parses an encoded message with the standard library and compares it with message. encoding is the
// transfer encoding of its parts.
func checkMessage(t *testing.T, raw []byte, encoding string) {
	t.Helper()
	m, err := stdmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("ReadMessage: %v in %s", err, raw)
	}
	checkHeader(t, m.Header)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the message has type %q, error %v; want multipart/alternative", kind, err)
	}
	got := map[string]string{}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, text := readPart(t, p, encoding)
		got[kind] = text
	}
	if got["text/plain"] != message.Text || got["text/html"] != message.HTML {
		t.Errorf("the parts are %q, want those of %+v", got, message)
	}
}

// checkHeader compares a header with that of message.
func checkHeader(t *testing.T, h stdmail.Header) {
	t.Helper()
	from, errFrom := h.AddressList("From")
	to, errTo := h.AddressList("To")
	date, errDate := h.Date()
	subject, errSubject := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err := errors.Join(errFrom, errTo, errDate, errSubject); err != nil {
		t.Fatal(err)
	}
	if len(from) != 1 || from[0].Name != "Pätch Source" || from[0].Address != "patches@example.com" {
		t.Errorf("the sender is %v, want %s", from, sender)
	}
	if len(to) != 1 || to[0].Address != message.To || h.Get("Bcc") != "" {
		t.Errorf("the recipients are %v and %q, want %s", to, h.Get("Bcc"), message.To)
	}
	if subject != message.Subject {
		t.Errorf("the subject is %q, want %q", subject, message.Subject)
	}
	if time.Since(date).Abs() > time.Hour || !strings.Contains(h.Get("Message-ID"), "@") ||
		h.Get("Auto-Submitted") == "" {
		t.Errorf("the header is %v; want a Date, a Message-ID and Auto-Submitted", h)
	}
}

// readPart returns the type and the decoded text of a part.
func readPart(t *testing.T, p *multipart.Part, encoding string) (kind, text string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if err != nil || !strings.EqualFold(params["charset"], "utf-8") ||
		p.Header.Get("Content-Transfer-Encoding") != encoding {
		t.Errorf("a part has the header %v, error %v; want UTF-8 in %s", p.Header, err, encoding)
	}
	var body io.Reader = p
	if encoding == "quoted-printable" {
		body = quotedprintable.NewReader(p)
	}
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return kind, strings.TrimSpace(string(data))
}
