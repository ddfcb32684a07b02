package community

import (
	"bytes"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"github.com/patchsource/patchsource/auth/mail"
)

// A Template is the source of one mail. Subject and Text are text/template, HTML is html/template. If Text is empty,
// the whole mail is the default one.
//
// The fields are {{.ID}} of the title or contributor; {{.Name}}, which is a contributor's name and a title's id;
// {{.Token}}; {{.Link}}; and {{.Site}}, which may be empty. {{.Path}} is the id as the path of a URL has it.
//
// Mails are sent to addresses that anonymous clients enter, so they contain nothing that such a client wrote but an id
// or a name, whose dots are written in such a way that no mail client makes a link of them.
type Template struct{ Subject, Text, HTML string }

// Templates are the sources of all mails.
type Templates struct {
	// Published brings the first token of a title.
	Published Template
	// Reset brings another token of a title.
	Reset Template
	// Verify brings the link that confirms a contributor's address.
	Verify Template
	// Contributor brings the first token of a contributor.
	Contributor Template
	// ContributorReset brings another token of a contributor.
	ContributorReset Template
}

// facts are the fields of a template.
type facts struct{ ID, Name, Path, Token, Link, Site string }

// facts returns the fields of a template for a title or a contributor.
func (s *Service) facts(id, name, token string) facts {
	site := s.options.Site
	f := facts{ID: unlinked(id), Name: unlinked(name), Path: id, Token: token, Site: site}
	if site == "" { // then the path is not part of a link, and mail clients could make one of the id
		f.Path = strings.ReplaceAll(id, ".", "%2E")
	}
	return f
}

// unlinked returns an id as mails contain it. A dot that could be part of a host name is written as (.), so that no
// mail client makes a link of it. A dot in front of a number, as in a version, remains.
func unlinked(id string) string {
	var b strings.Builder
	for i, r := range id {
		if r != '.' {
			b.WriteRune(r)
			continue
		}
		label := id[i+1:]
		if end := strings.IndexAny(label, "._"); end >= 0 {
			label = label[:end]
		}
		if label != "" && strings.Trim(label, "0123456789") == "" {
			b.WriteByte('.')
		} else {
			b.WriteString("(.)")
		}
	}
	return b.String()
}

// texts are the parsed Templates.
type texts struct{ published, reset, verify, contributor, contributorReset *text }

// A text is a parsed Template.
type text struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// parseTexts parses templates. The error names the mail whose template is invalid.
func parseTexts(given Templates) (*texts, error) {
	parsed := &texts{}
	for _, m := range []struct {
		name            string
		given, fallback Template
		parsed          **text
	}{
		{"Published", given.Published, defaultTemplates.Published, &parsed.published},
		{"Reset", given.Reset, defaultTemplates.Reset, &parsed.reset},
		{"Verify", given.Verify, defaultTemplates.Verify, &parsed.verify},
		{"Contributor", given.Contributor, defaultTemplates.Contributor, &parsed.contributor},
		{"ContributorReset", given.ContributorReset, defaultTemplates.ContributorReset, &parsed.contributorReset},
	} {
		source := m.given
		if source.Text == "" {
			source = m.fallback
		}
		var err error
		if *m.parsed, err = parseText(source); err != nil {
			return nil, fmt.Errorf("community: Templates.%s: %w", m.name, err)
		}
	}
	return parsed, nil
}

// parseText parses a template and executes it once, so that a field that does not exist is an error now and not when
// the first mail is sent.
func parseText(t Template) (*text, error) {
	subject, err := texttemplate.New("subject").Parse(t.Subject)
	if err != nil {
		return nil, err
	}
	plain, err := texttemplate.New("text").Parse(t.Text)
	if err != nil {
		return nil, err
	}
	html, err := htmltemplate.New("html").Parse(t.HTML)
	if err != nil {
		return nil, err
	}
	parsed := &text{subject, plain, html}
	_, err = parsed.message("ann@example.com", facts{})
	return parsed, err
}

// message returns the mail to an address.
func (t *text) message(to string, f facts) (mail.Message, error) {
	var subject, plain, html bytes.Buffer
	if err := t.subject.Execute(&subject, f); err != nil {
		return mail.Message{}, err
	}
	if err := t.text.Execute(&plain, f); err != nil {
		return mail.Message{}, err
	}
	if err := t.html.Execute(&html, f); err != nil {
		return mail.Message{}, err
	}
	// A template may have several lines; a subject has one.
	line := strings.Join(strings.Fields(subject.String()), " ")
	return mail.Message{To: to, Subject: line, Text: plain.String(), HTML: html.String()}, nil
}
