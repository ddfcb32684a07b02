package community

const (
	feedText = `Your own feed for Jamf Pro is {{.Site}}/jamf/v1/{{.Path}}

`
	feedHTML = `<p>Your own feed for Jamf Pro is <code>{{.Site}}/jamf/v1/{{.Path}}</code>.</p>
`
	keepText = `Keep it as safe as a password. Your address is not stored: the service keeps a hash
of it, so that you can request another token if you lose this one.
`
	keepHTML = `<p>Keep it as safe as a password. Your address is not stored: the service keeps a hash of it, so that
you can request another token if you lose this one.</p>
`
	useText = `
Anyone who has this token can change or delete the title. Add a version with it{{if .Site}} like this:

  curl {{.Site}}/api/v1/title/{{.Path}}/version \
    -H 'Authorization: Bearer {{.Token}}' \
    -H 'Content-Type: application/json' \
    -d @version.json{{else}}
at /api/v1/title/{{.Path}}/version, with the header Authorization: Bearer …{{end}}

` + keepText
	tokenHTML = `<p><code style="font-size:1.1em">{{.Token}}</code></p>
`
	useHTML = tokenHTML + `<p>Anyone who has this token can change or delete the title. Add a version with it at
<code>{{.Site}}/api/v1/title/{{.Path}}/version</code>, with the header <code>Authorization: Bearer …</code>.</p>
` + keepHTML
)

// defaultTemplates are the sources of the default mails. They never change.
var defaultTemplates = Templates{
	Published: Template{
		Subject: "Your token for {{.ID}}",
		Text: "Your patch definition is published as {{.ID}}.\n\nThis is the token that manages it:\n\n" +
			"  {{.Token}}\n" + useText,
		HTML: "<p>Your patch definition is published as <b>{{.ID}}</b>. This is the token that manages it:</p>\n" +
			useHTML,
	},
	Reset: Template{
		Subject: "Your new token for {{.ID}}",
		Text: "A new token for {{.ID}} was requested, probably by you:\n\n  {{.Token}}\n\n" +
			"Your previous token works until this one is first used. " +
			"If you did not request it, ignore this mail.\n" + useText,
		HTML: "<p>A new token for <b>{{.ID}}</b> was requested, probably by you. Your previous token works until " +
			"this one is first used. If you did not request it, ignore this mail.</p>\n" + useHTML,
	},
	Verify: Template{
		Subject: "Confirm your address to become the contributor {{.Name}}",
		Text: "This address was used to register the contributor {{.Name}}, probably by you. " +
			"To confirm that it is yours, open\n\n  {{.Link}}\n\n" +
			"within 24 hours. Your token is then sent in another mail. If this was not you, ignore this mail.\n",
		HTML: "<p>This address was used to register the contributor <b>{{.Name}}</b>, probably by you. " +
			"To confirm that it is yours, open <a href=\"{{.Link}}\">this link</a> within 24 hours. " +
			"Your token is then sent in another mail. If this was not you, ignore this mail.</p>\n",
	},
	Contributor: Template{
		Subject: "Your token as the contributor {{.Name}}",
		Text: "You are now the contributor {{.Name}}. " +
			"This is the token with which you publish and manage your titles:\n\n  {{.Token}}\n\n" +
			feedText + keepText,
		HTML: "<p>You are now the contributor <b>{{.Name}}</b>. " +
			"This is the token with which you publish and manage your titles:</p>\n" + tokenHTML + feedHTML + keepHTML,
	},
	ContributorReset: Template{
		Subject: "Your new token as the contributor {{.Name}}",
		Text: "A new token for the contributor {{.Name}} was requested, probably by you:\n\n  {{.Token}}\n\n" +
			"Your previous tokens, and those you made with them, work until this one is first used. " +
			"If you did not request it, ignore this mail.\n\n" + feedText + keepText,
		HTML: "<p>A new token for the contributor <b>{{.Name}}</b> was requested, probably by you:</p>\n" + tokenHTML +
			"<p>Your previous tokens, and those you made with them, work until this one is first used. " +
			"If you did not request it, ignore this mail.</p>\n" + feedHTML + keepHTML,
	},
}
