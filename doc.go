// Package patchsource is a patch external source for Jamf Pro, as a library and as
// a server. It contains no code; this is the architecture of the module.
//
// Jamf Pro, with which companies manage their Macs, asks a patch source over HTTP
// which versions of an application exist and how to recognize them. One idea runs
// through everything: a patch definition is checked before it is stored, stored
// before it is acknowledged, and served as the bytes that were stored.
//
// # The map
//
// A package may import the packages above it in this list, and only those that
// patch/imports_test.go names. HTTP stays in httpapi; the domain does not know it.
//
//   - [github.com/patchsource/patchsource/patch]: the definition. Parse, validate,
//     lint, edit, compare; the order of versions. Pure: no I/O, no clock.
//     patch/appbundle makes a definition from an application, patch/envelope opens
//     and makes signed ones, patch/archive reads and writes zips of definitions.
//     patch/numbered numbers the parts of a title, and edits by these numbers.
//     patch/recipe declares recipes, watches, releases and proposals: how a title
//     follows its vendor's release feed. patch/recipe/draft drafts recipes.
//   - [github.com/patchsource/patchsource/store]: the interface of a storage
//     backend (four methods), and helpers on top of it: follow a kind of records,
//     update by compare-and-swap, finish a write, hold a lease. store/filestore and
//     store/memstore are backends of one server, store/sqlstore (PostgreSQL) and
//     store/s3store (S3) those of several. store/storetest tests any backend,
//     store/dump is the full backup.
//   - [github.com/patchsource/patchsource/patch/catalog]: the service, and the only
//     writer of titles. It keeps the index from which reads are answered.
//     patch/survey looks for warnings and overdue versions.
//   - [github.com/patchsource/patchsource/auth]: tokens and permissions.
//     auth/community publishes for people without an account, auth/mail sends mail,
//     auth/audit keeps the audit log.
//   - [github.com/patchsource/patchsource/sync/releases]: reads release feeds, bytes
//     in and releases out, and decides which versions are added. Pure.
//   - [github.com/patchsource/patchsource/sync] (package patchsync): keeps
//     titles up to date with other sources and with release feeds. sync/webhook
//     sends changes to webhooks.
//   - [github.com/patchsource/patchsource/httpapi]: all calls, as an http.Handler.
//     httpapi/feed is the feed that Jamf Pro reads; httpapi/wire declares the JSON;
//     httpapi/client is the Go client; httpapi/webui the page; httpapi/openapi the
//     contract as a document; httpapi/metrics Prometheus metrics; httpapi/titleeditor
//     the API of Jamf's Title Editor; httpapi/internal/jobs runs restores and
//     imports that go on after their request.
//   - [github.com/patchsource/patchsource/httpapi/server]: the whole patch source
//     from one Config. It is the only package that imports all others.
//
// examples/server is the reference server, examples/embed the smallest program with
// a patch source in it. examples/patchlint and examples/patchrecipe are commands for
// definitions in git. examples/recipes has recipes of hundreds of applications.
// examples/deploy, examples/publish and examples/migrate are guides whose files are
// tested. Package examples embeds the guides and the recipes, and the reference server
// shows them at /docs.
//
// # Seven paths through the code
//
// Jamf Pro reads: httpapi/feed looks the title up in the catalog's index and sends
// the stored bytes. A read parses no JSON, and asks the store only for a definition
// that is not in the cache. The index is a persistent tree: a change makes another
// one, which shares all but a few nodes, and the list of all titles is kept in
// chunks, of which a change makes one again.
//
// An author publishes: httpapi parses the body, auth/community validates it with
// patch (or fetches the URL with sync), catalog reserves the id as a pending title,
// auth issues a token, auth/mail sends it, and catalog makes the title live. If the
// mail cannot be sent, the reservation is withdrawn. Nothing incomplete is visible.
//
// An author adds a version: httpapi authenticates and authorizes the caller, patch
// parses the version, catalog locks the title, edits its definition and writes one
// record by compare-and-swap. Edits of a title that wait for each other are written
// together. The record carries the difference to the revision before, and the event
// until every courier, such as the webhook queue, has taken it. store/filestore adds
// the change to its journal, one sync serves all changes that wait, and the readable
// file is written a moment later.
//
// An author edits a draft: httpapi, the page or httpapi/titleeditor saves it in the
// title's record, where no reader sees it, with the patches that are disabled and the
// numbers of all parts. Publishing it is one write of that record: what is enabled is
// validated and served, and the rest stays.
//
// A source changes: the Runner of sync makes a conditional request, opens the
// envelope if there is one, parses and validates, refuses a downgrade, and replaces
// the title in the catalog. If anything fails, the last good definition stays.
//
// A vendor releases a version: the Runner makes one conditional request for all
// titles that share the feed's address, sync/releases reads the answer, maps the
// versions to the form of the inventory and compares them with the title. What passes
// all checks is marked in the watch's record and added to the catalog; everything
// else waits for a person as a proposal. A feed that fails changes nothing.
//
// The server starts: httpapi/server checks the store's format, opens tokens,
// webhooks, catalog, sync and community in this order, then Run starts the
// background work. Close ends it in the reverse order. The catalog opens from a
// snapshot of its index in the store, and reads the titles that have changed since.
//
// # Invariants and their owners
//
//   - A title's id is unique regardless of case; currentVersion is the first patch's
//     version; lastModified moves forward with every change; a followed title is
//     read-only; no update is lost: patch/catalog.
//   - A definition that breaks Jamf Pro's rules is never stored: patch (validate),
//     called by patch/catalog for every writer.
//   - Nothing of a draft, a disabled patch or a disabled title is served, listed, in a
//     history or in an event: patch/catalog. A number of a part is never used again:
//     patch/numbered, and the counter of patch/catalog.
//   - Data that must be changed atomically is one record. The compare-and-swap of one
//     record is the only primitive, so that several servers can share a store:
//     store, and every service that uses it.
//   - Of several servers over a store, one does each kind of background work, such as
//     delivering webhooks or polling sources: store (Campaign), used by patch/catalog,
//     sync and sync/webhook. Their clocks are not compared.
//   - An acknowledged change is durable: store backends, proved by store/storetest,
//     by the power failures that store/filestore simulates, and by the tests of
//     examples/server that kill the process.
//   - The cost of a read or a change does not grow with the number of titles:
//     patch/catalog. examples/internal/bench measures it.
//   - A watch only adds versions, and none that a person removed comes back: sync, by
//     the marks in a watch's record. A version that may be wrong waits for a person:
//     sync/releases.
//   - A revoked token, and every token that was created with it, is refused: auth.
//   - A contributor's name cannot be taken or imitated: patch (CheckAuthor, Skeleton),
//     auth/community.
//   - The cost of a call is bounded: algorithms over a definition are linear (patch,
//     tested with patch/patchtest), and httpapi.Budget limits how much is received,
//     worked on and sent at once.
//   - Outgoing requests reach public addresses only: sync/internal/safehttp.
//   - A store that a newer version has written is not opened, and a record in an
//     unknown format is never rewritten: store (Guard, CheckFormat).
//   - The JSON of the API is declared once: httpapi/wire. Errors become statuses in
//     one table: httpapi.
//
// # Where to change what
//
//   - A rule about definitions: patch, validate.go for errors and lint*.go for
//     warnings, with the rule in rules.go.
//   - The order of versions: patch, version*.go.
//   - A new operation on titles: patch/catalog first, then httpapi, then
//     httpapi/wire, httpapi/client and the OpenAPI document.
//   - A permission: auth.Authorize, or the Authorize option of an embedder.
//   - A kind of source to follow: an implementation of patchsync.Source.
//   - A kind of release feed: an implementation of releases.Kind. A check before a
//     version is added: releases.Propose, and nowhere else.
//   - A storage backend: store.Store, tested by storetest.Run.
//   - A flag of the server: examples/server. If embedders need it too, it is a
//     field of httpapi/server.Config first.
//   - The page: httpapi/webui. It calls the API as a client does, so a new
//     function of the page needs a call in httpapi first.
package patchsource
