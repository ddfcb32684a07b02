package app

// description is the first part of --help. The list of the commands follows it.
const description = "An external patch source for Jamf Pro.\n\n" +
	"The server stores patch definitions, serves them to Jamf Pro, and accepts new titles and versions over HTTP. " +
	"Start it with --addr :8080, so that Jamf Pro can reach it, and add it to Jamf Pro under Settings > Computer " +
	"Management > Patch Management > New: Server is this machine's name followed by /jamf/v1, Port is 8080.\n\n" +
	"Each flag can also be set by an environment variable: --admin-token-file by PATCHSOURCE_ADMIN_TOKEN_FILE. " +
	"A flag takes precedence over its variable. A variable that begins with PATCHSOURCE_ but matches no flag is an " +
	"error, except for variables of clients such as PATCHSOURCE_URL and PATCHSOURCE_TOKEN.\n\n"

// help describes each flag, by its name.
var help = map[string]string{
	"addr": "Address to listen on. With an empty host, as in :8080, the server listens on all addresses of this " +
		"machine (default: 127.0.0.1:8080, or :443 with --acme).",
	"store": "Where titles are stored (default: ${default}). file:DIR is a folder, which is created if it does not " +
		"exist; memory: keeps titles until the server stops. Several servers can share the other two: " +
		"postgres://user@host/database?schema=NAME&listen=on|off&pool_max_conns=N, with further parameters of libpq " +
		"such as sslmode; and s3://bucket/prefix?region=NAME&endpoint=URL&path_style=1&poll=500ms, with the " +
		"credentials that the AWS SDK finds, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Both have the " +
		"parameter lease=30s, the time until another server does the work of one that has died. It must be the same " +
		"at all servers. With S3, lease=2m saves requests: about $2 a month in place of $8. Do not write passwords " +
		"into it: other users of the machine can read them.",
	"store-password-file": "File with the password of the database user of postgres://…. Without it, the " +
		"password is that of PGPASSWORD or of the file that PGPASSFILE names.",
	"admin-token-file": "File with the administrator token. If it does not exist, a token is created and written to " +
		"it, readable only by you (default: beside the folder of --store, ./data.admin-token, or " +
		"./patchsource.admin-token for other stores).",
	"secret-file": "File with the server's secret, from which its keys are derived. If it does not exist, a secret " +
		"is created. Keep it with your backups. Servers over one store need the same secret (default: beside the " +
		"folder of --store, ./data.secret, or ./patchsource.secret for other stores).",
	"replace-secret": "Use the secret of --secret-file although the store was used with another one, which is lost. " +
		"Stop all servers over the store first, and give the others the new file. The addresses of authors and the " +
		"secrets of webhooks are then not recognized.",
	"import": "Before serving, load patch definitions: the *.json files of a folder or a zip, such as a copy of a " +
		"Stupid Simple Patch Server bucket or a Patch Server backup, one .json file, or the *.json objects of such a " +
		"bucket itself, as s3://bucket/prefix with the parameters of --store. Existing titles are not changed. May " +
		"be repeated; the environment variable takes one path.",
	"restore": "Before serving, load a full backup (made by GET /api/v1/backup?full=1) into the store, which must " +
		"be empty: titles with their authors and history, tokens, contributors, webhooks and the state of sources. " +
		"Use the secret file of the server that made the backup: with another one, this server recognizes neither " +
		"the addresses of authors nor the secrets of webhooks.",
	"copy-from": "Copy all records of a store, which has the form of --store, into the one of --store, which must be " +
		"empty; compare both, and exit without serving. Stop all servers that use them. After an interruption, " +
		"repeat the command. Then start the servers with the secret file of the old ones: it is not part of a store.",
	"tls-cert": "Serve HTTPS with this certificate (PEM, with its chain). Requires --tls-key. When the files change, " +
		"they are loaded again.",
	"tls-key": "Private key of --tls-cert (PEM).",
	"acme": "Serve HTTPS with certificates for these names, such as patches.example.com, which the server obtains " +
		"from a CA and renews by itself. By this flag you accept the terms of service of the CA. The CA must reach " +
		"the server under each name at port 443, or at port 80 with --http-addr :80. The certificates are kept in " +
		"the store, encrypted. May be repeated; names can also be separated by commas. Without --base-url, links " +
		"begin with https:// and the first name.",
	"acme-email":     "Address at which the CA of --acme reaches you, for example about your certificates.",
	"acme-directory": "ACME directory of the CA of --acme (default: that of Let's Encrypt).",
	"acme-ca": "Trust the certificates in this file (PEM), and no others, for connections to the CA of --acme. For " +
		"private CAs.",
	"http-addr": "Also listen on this address without TLS, such as :80. Requires --acme or --tls-cert. It answers " +
		"the CA of --acme and serves the feed for Jamf Pro. Everything else gets 403: nothing is redirected, because " +
		"Jamf Pro does not follow redirects.",
	"community": "Let anyone publish a title with a name and an email address, to which the token of the title is " +
		"sent (default: on).",
	"mail": "How mail is sent: smtp://user:password@host:587 (STARTTLS), smtps://user:password@host:465, " +
		"smtp://host:25?tls=off, or outbox:DIR, which writes each mail to a file (default: outbox: beside the " +
		"folder of --store, ./data.outbox).",
	"mail-from": "Sender of mails, such as patches@example.com or Patches <patches@example.com> (default: " +
		"${default}).",
	"base-url": "URL at which other hosts reach the server, such as https://patches.example.com. It is shown by the " +
		"web page and the log, and links in mails and webhook events begin with it (default: the address that the " +
		"server listens on).",
	"rate-limit": "Limit what a client address or a mailbox can request without a token (default: on).",
	"title-editor": "Serve the REST API of Jamf's Title Editor at /v2, for programs that are written for it. They " +
		"log in with any user name, and one of this server's tokens as the password (default: on).",
	"max-titles": "Maximum number of titles of a mailbox or a contributor (default: ${default}).",
	"trusted-proxies": "Networks of reverse proxies, such as 127.0.0.1/32, whose X-Forwarded-For header is trusted. " +
		"May be repeated.",

	"follow": "Mirror all titles of another patch source, such as https://jamf-patch.jamfcloud.com/v1, or of a " +
		"folder of definitions, such as a checkout. May be repeated.",
	"follow-remove": "Delete titles that disappear from a source of --follow. No title is deleted if more than one " +
		"title, and more than a tenth of them, disappear at once.",
	"sources": "Mirror the sources in a JSON file: an array of objects with url or folder and, optionally, name, " +
		"only, except, author, remove, max_remove_share, allow_downgrade, interval, roots, refuse_unsigned and " +
		"authorization_file (a file with the value of the Authorization header).",
	"recipes": "Create a title from each recipe (*.json) of a folder, and keep it current from its vendor's release " +
		"feed: see examples/recipes. The title stays when its recipe is removed. May be repeated.",
	"feed-token": "Send the token in the first line of a file to the host of release feeds, such as " +
		"github.com=FILE, or github.com/OWNER=FILE for the repositories of one owner. GitHub answers 60 requests an " +
		"hour without a token, and 5,000 with one. It is sent only for feeds that an administrator or a recipe of " +
		"--recipes chose. May be repeated.",
	"sync-interval": "Time between two checks of a source for changes (default: ${default}).",
	"allow-private-networks": "Also allow sources, release feeds and webhooks in private networks and on this " +
		"machine. For labs: anyone who may publish by URL, or set the feed of a title, can reach them.",
	"sign-cert": "Sign the definitions of the feed with this certificate (PEM, with its chain). Requires --sign-key.",
	"sign-key":  "Private key of --sign-cert (PEM).",

	"access-log": "Log each request: its id, method, path, status, bytes, duration and client (default: on). " +
		"Requests for /healthz, /readyz and /metrics are not logged. The lines are written together, at most a " +
		"quarter of a second later; after a crash, the last of them may be missing.",
	"tolerate-faults": "Let /readyz answer 200 even if records of the store cannot be read. They are not served; " +
		"the log names them.",
	"pprof-addr": "Serve profiles of this process (/debug/pprof/) on a separate address, such as 127.0.0.1:6060. " +
		"Profiles reveal internals: do not expose the address to other machines.",
	"log-format": "Format of the log on standard error (default: ${default}).",
	"version":    "Print the version and exit.",
}
