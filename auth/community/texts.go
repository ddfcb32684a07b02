package community

import (
	"bytes"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"github.com/patchsource/patchsource/auth/mail"
)

// Texts make the mails. Make them with [ParseTexts].
type Texts struct{ published, reset, verify, contributor, contributorReset *text }

// A Template is the source of one mail: its subject and its text are
// text/template, its HTML html/template. They know {{.ID}} of the title or
// contributor, {{.Token}}, {{.Link}}, and {{.Site}}, which may be empty.
//
// Mails go to addresses that strangers name, so they carry none of their words:
// {{.Name}} is a contributor's name, and of a title the same as {{.ID}}; and both
// are written so that no mail client takes a part of them for a link. In the path
// of a URL, write {{.Path}} for the id.
type Template struct{ Subject, Text, HTML string }

// Templates are the sources of all mails. A Template without a text is the default
// one.
type Templates struct {
	// Published brings the first token of a title.
	Published Template
	// Reset brings a new one.
	Reset Template
	// Verify brings the link by which a contributor shows that the address is
	// theirs.
	Verify Template
	// Contributor brings the contributor's token.
	Contributor Template
	// ContributorReset brings a contributor a new one.
	ContributorReset Template
}

// facts are what a template knows.
type facts struct{ ID, Name, Path, Token, Link, Site string }

// facts returns what a template knows of a title or a contributor.
func (s *Service) facts(id, name, token string) facts {
	f := facts{ID: unlinked(id), Name: unlinked(name), Path: id, Token: token, Site: s.site}
	if s.site == "" { // it is not part of a link of ours then
		f.Path = strings.ReplaceAll(id, ".", "%2E")
	}
	return f
}

// unlinked returns an id as a mail shows it: a dot that could be one of a host's name is written as (.), so that no
// mail client makes a link of it. A dot in front of nothing but digits, as in a version, stays.
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

type text struct {
	subject, text *texttemplate.Template
	html          *htmltemplate.Template
}

// ParseTexts makes Texts of templates.
func ParseTexts(t Templates) (*Texts, error) {
	texts := &Texts{}
	for _, one := range []struct {
		name     string
		given    Template
		fallback Template
		parsed   **text
	}{
		{"Published", t.Published, defaults.Published, &texts.published},
		{"Reset", t.Reset, defaults.Reset, &texts.reset},
		{"Verify", t.Verify, defaults.Verify, &texts.verify},
		{"Contributor", t.Contributor, defaults.Contributor, &texts.contributor},
		{"ContributorReset", t.ContributorReset, defaults.ContributorReset, &texts.contributorReset},
	} {
		if one.given.Text == "" {
			one.given = one.fallback
		}
		var err error
		if *one.parsed, err = parseText(one.given); err != nil {
			return nil, fmt.Errorf("community: the mail %s: %w", one.name, err)
		}
	}
	return texts, nil
}

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
	// What a template asks for that there is not shows now, and not at the first
	// mail.
	_, err = parsed.message("ann@example.com", facts{})
	return parsed, err
}

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
	// A template may have several lines, and a subject has one.
	line := strings.Join(strings.Fields(subject.String()), " ")
	return mail.Message{To: to, Subject: line, Text: plain.String(), HTML: html.String()}, nil
}

// DefaultTexts returns the texts that are used when there are no others.
func DefaultTexts() *Texts {
	texts, err := ParseTexts(Templates{})
	if err != nil {
		panic("community: " + err.Error()) // they are constant, and tested
	}
	return texts
}

const (
	feed = `Your own feed for Jamf Pro is {{.Site}}/jamf/v1/{{.Path}}

`
	feedHTML = `<p>Your own feed for Jamf Pro is <code>{{.Site}}/jamf/v1/{{.Path}}</code>.</p>
`
	keep = `Keep it as you keep a password. Your address is not kept: the service holds a hash of
it, by which you can ask for another token if you lose this one.
`
	keepHTML = `<p>Keep it as you keep a password. Your address is not kept: the service holds a hash of it, by which you can ask
for another token if you lose this one.</p>
`
	use = `
Whoever has it can change the title or delete it. You add a version with it{{if .Site}} like this:

  curl {{.Site}}/api/v1/title/{{.Path}}/version \
    -H 'Authorization: Bearer {{.Token}}' \
    -H 'Content-Type: application/json' \
    -d @version.json{{else}}
at /api/v1/title/{{.Path}}/version, as Authorization: Bearer …{{end}}

` + keep
	tokenHTML = `<p><code style="font-size:1.1em">{{.Token}}</code></p>
`
	useHTML = tokenHTML + `<p>Whoever has it can change the title or delete it. You add versions with it at
<code>{{.Site}}/api/v1/title/{{.Path}}/version</code>, as <code>Authorization: Bearer …</code>.</p>
` + keepHTML
)

// defaults are the sources of the default mails. They are not changed.
var defaults = Templates{
	Published: Template{
		Subject: "Your token for {{.ID}}",
		Text: "Your patch definition is published as {{.ID}}.\n\nThis is the token that manages it:\n\n" +
			"  {{.Token}}\n" + use,
		HTML: "<p>Your patch definition is published as <b>{{.ID}}</b>. This is the token that manages it:</p>\n" +
			useHTML,
	},
	Reset: Template{
		Subject: "Your new token for {{.ID}}",
		Text: "A new token for {{.ID}} was requested, probably by you:\n\n  {{.Token}}\n\n" +
			"The token you had works until this one is first used. " +
			"If you did not request it, ignore this mail.\n" + use,
		HTML: "<p>A new token for <b>{{.ID}}</b> was requested, probably by you. The token you had works until this " +
			"one is first used. If you did not request it, ignore this mail.</p>\n" + useHTML,
	},
	Verify: Template{
		Subject: "Confirm your address to become the contributor {{.Name}}",
		Text: "This address was given to publish patch definitions as {{.Name}}, probably by you. " +
			"To confirm that it is yours, open\n\n  {{.Link}}\n\n" +
			"within 24 hours. Your token then comes in another mail. If it was not you, ignore this mail.\n",
		HTML: "<p>This address was given to publish patch definitions as <b>{{.Name}}</b>, probably by you. " +
			"To confirm that it is yours, open <a href=\"{{.Link}}\">this link</a> within 24 hours. " +
			"Your token then comes in another mail. If it was not you, ignore this mail.</p>\n",
	},
	Contributor: Template{
		Subject: "Your token as the contributor {{.Name}}",
		Text: "You are now the contributor {{.Name}}. " +
			"This is the token with which you publish and manage your titles:\n\n  {{.Token}}\n\n" + feed + keep,
		HTML: "<p>You are now the contributor <b>{{.Name}}</b>. " +
			"This is the token with which you publish and manage your titles:</p>\n" + tokenHTML + feedHTML + keepHTML,
	},
	ContributorReset: Template{
		Subject: "Your new token as the contributor {{.Name}}",
		Text: "A new token for the contributor {{.Name}} was requested, probably by you:\n\n  {{.Token}}\n\n" +
			"The tokens you had, and those you made with them, work until this one is first used. " +
			"If you did not request it, ignore this mail.\n\n" + feed + keep,
		HTML: "<p>A new token for the contributor <b>{{.Name}}</b> was requested, probably by you:</p>\n" + tokenHTML +
			"<p>The tokens you had, and those you made with them, work until this one is first used. " +
			"If you did not request it, ignore this mail.</p>\n" + feedHTML + keepHTML,
	},
}
