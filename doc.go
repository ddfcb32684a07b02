// Package patchsource is an external patch source for Jamf Pro, as a library and
// as a server.
//
// Jamf Pro, with which companies manage their Macs, asks a patch source over HTTP
// which versions of an application exist and how to recognise them. It ships one
// source of its own; every other application, in-house or just less common, needs
// a source that somebody runs. This module is what to run, or to build into what
// runs already.
//
// The idea is one: a patch definition is checked before it is kept, kept before
// it is acknowledged, and served as the bytes that were kept.
//
// # The packages
//
//   - [github.com/patchsource/patchsource/patch] is the definition: read, check,
//     write, edit, order versions. It is pure and needs none of the others.
//   - [github.com/patchsource/patchsource/patch/catalog] is the service: all
//     titles, their invariants, and the index that reads are served from.
//   - [github.com/patchsource/patchsource/store] is what is asked of a storage,
//     with store/memstore and store/filestore, and store/storetest to prove
//     another.
//   - [github.com/patchsource/patchsource/patch/appbundle] makes a definition from a
//     macOS application.
//   - [github.com/patchsource/patchsource/patch/envelope] opens and makes signed
//     definitions.
//   - [github.com/patchsource/patchsource/sync] keeps titles in step with sources
//     elsewhere: URLs, whole patch sources, folders;
//     sync/webhook tells others of changes.
//   - [github.com/patchsource/patchsource/patch/archive] reads and writes zips of
//     definitions.
//   - [github.com/patchsource/patchsource/patch/patchtest] helps tests to hold code
//     to its cost.
//   - [github.com/patchsource/patchsource/auth] is tokens, and who may do what;
//     auth/community lets others publish, and auth/mail sends them their tokens.
//   - [github.com/patchsource/patchsource/httpapi] serves all of it, as one
//     http.Handler; httpapi/client calls it, httpapi/webui is the page that people
//     see, httpapi/openapi documents it, and httpapi/metrics counts.
//
// # What strangers may cost
//
// Everyone may publish, so what a caller without a token, or an author, can cost is
// bounded. Every algorithm over a definition is linear in its size, and patch bounds
// its lists. An httpapi.Budget bounds how much of it is worked on at once, for each
// address and in all; rate limits come before the body. A catalog bounds the bytes
// of a mailbox or contributor, and of a title's history.
//
// # Formats
//
// The store has a mark with the newest format that is in use
// ([github.com/patchsource/patchsource/store.CheckFormat]): a program that does not
// know it does not open the store, and one that runs stops changing it. Values that
// a newer rule refuses stay served and editable where an edit does not touch them.
//
// # Where to start
//
// Run "go run ./examples/server" for a server, and read examples/embed for a
// program of one's own that holds one. examples/deploy has what to run a server
// with (proxies, a systemd unit, an image), and examples/publish what to publish to
// one with (a script, a pipeline, an AutoPkg processor). README.md has the rest: Jamf
// Pro's side, moving over from other systems, security, and what happens when things
// fail. This package itself has no code.
package patchsource
