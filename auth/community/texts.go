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
type Texts struct{ published, reset, verify, contributor *text }

// A Template is the source of one mail: its subject and its text are
// text/template, its HTML html/template. They know {{.ID}} and {{.Name}} of the
// title or contributor, {{.Token}}, {{.Link}}, and {{.Site}}, which may be empty.
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
}

// facts are what a template knows.
type facts struct{ ID, Name, Token, Link, Site string }

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
	// A name is somebody's words, and a subject one line.
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
	keep = `Keep it as you keep a password. Your address is not kept: the service holds a hash of
it, by which you can ask for another token if you lose this one.
`
	keepHTML = `<p>Keep it as you keep a password. Your address is not kept: the service holds a hash of it, by which you can ask
for another token if you lose this one.</p>
`
	use = `
Whoever has it can change the title or delete it. You add a version with it{{if .Site}} like this:

  curl {{.Site}}/api/v1/title/{{.ID}}/version \
    -H 'Authorization: Bearer {{.Token}}' \
    -H 'Content-Type: application/json' \
    -d @version.json{{else}}
at /api/v1/title/{{.ID}}/version, as Authorization: Bearer …{{end}}

` + keep
	useHTML = `<p><code style="font-size:1.1em">{{.Token}}</code></p>
<p>Whoever has it can change the title or delete it. You add versions with it at
<code>{{.Site}}/api/v1/title/{{.ID}}/version</code>, as <code>Authorization: Bearer …</code>.</p>
` + keepHTML
)

// defaults are the sources of the default mails. They are not changed.
var defaults = Templates{
	Published: Template{
		Subject: "Your token for {{.ID}}",
		Text:    "Your patch definition is published as {{.ID}}, \"{{.Name}}\".\n\nThis is the token that manages it:\n\n  {{.Token}}\n" + use,
		HTML:    "<p>Your patch definition is published as <b>{{.ID}}</b>, “{{.Name}}”. This is the token that manages it:</p>\n" + useHTML,
	},
	Reset: Template{
		Subject: "Your new token for {{.ID}}",
		Text: "Somebody, probably you, asked for a new token for {{.ID}}, \"{{.Name}}\":\n\n  {{.Token}}\n\n" +
			"The token you had works until this one is first used. If it was not you who asked, you need not do anything.\n" + use,
		HTML: "<p>Somebody, probably you, asked for a new token for <b>{{.ID}}</b>, “{{.Name}}”. The token you had works until this one is first used; " +
			"if it was not you who asked, you need not do anything.</p>\n" + useHTML,
	},
	Verify: Template{
		Subject: "Confirm your address to become the contributor {{.Name}}",
		Text: "Somebody, probably you, wants to publish patch definitions as {{.Name}}. To confirm that this address is yours, open\n\n  {{.Link}}\n\n" +
			"within 24 hours. Your token then comes in another mail. If it was not you, you need not do anything.\n",
		HTML: "<p>Somebody, probably you, wants to publish patch definitions as <b>{{.Name}}</b>. To confirm that this address is yours, open " +
			"<a href=\"{{.Link}}\">this link</a> within 24 hours. Your token then comes in another mail. If it was not you, you need not do anything.</p>\n",
	},
	Contributor: Template{
		Subject: "Your token as the contributor {{.Name}}",
		Text:    "You are now the contributor {{.Name}}. This is the token with which you publish and manage your titles:\n\n  {{.Token}}\n\nYour own feed for Jamf Pro is {{.Site}}/jamf/v1/{{.ID}}\n\n" + keep,
		HTML: "<p>You are now the contributor <b>{{.Name}}</b>. This is the token with which you publish and manage your titles:</p>\n" +
			"<p><code style=\"font-size:1.1em\">{{.Token}}</code></p>\n<p>Your own feed for Jamf Pro is <code>{{.Site}}/jamf/v1/{{.ID}}</code>.</p>\n" + keepHTML,
	},
}
