// Package filestore keeps records in a directory of files. It is the default of the reference server and enough for one
// machine.
//
// Each record is a JSON file <directory>/<kind>/<id>.json with a checksum. All access goes through os.Root, so no id
// reaches a file outside the directory. Names in the directory that begin with a dot are not records: .lock, .journal,
// .damaged, and files that the program keeps there for itself.
//
// File names are safe on disks that ignore case, and when the directory is copied to any other system: every byte other
// than a lower-case letter, digit, dot, dash or underscore is escaped as %xx, names that Windows reserves are escaped,
// and an id that is too long for a file name is replaced by its SHA-256.
//
// # The journal
//
// A Put or Delete does not write the file of its record. It appends an entry to the journal, which is the directory
// .journal, and returns when the entry is durable; all changes that wait at the same moment are written and synced
// together. Until the file has been written, the change exists only in the journal and in memory, where Get and List
// find it. Files are written about a second after the last change of any record, and at the latest ten seconds after
// the first. Several changes of a record in that time share one writing of its file.
// [Store.Flush] and [Store.Close] write all files. Records of kind "config", and with them the format marker of package
// store, are written to their files at once and are never in the journal. [Store.Load] writes the files of new records
// without the journal too.
//
// The journal is a few segment files. An entry has a number, the key of the record, the revisions before and after the
// change, and the new value, or how it differs from the one before if that is shorter; see entry.go and delta.go. To
// write files, the store
//
//  1. begins a new segment,
//  2. writes the changed records to temporary files and syncs these,
//  3. renames them to their names, removes the files of deleted records, and syncs the directories,
//  4. and only then removes the old segments, or keeps one to be used again.
//
// A file on the disk is thus always that of the old or that of the new value, whole, and the journal is kept until the
// new one is durable. While files cannot be written fast enough, changes wait, so that memory and journal stay
// bounded. While they cannot be written at all, changes are accepted until these bounds, and Ping returns the error
// from then on. If only a few files cannot be written, the states of their records are appended to the journal again,
// so that the other changes continue. Faults names the files that cannot be written although there is room.
//
// Do not delete .journal: after a crash it has changes that were acknowledged and are nowhere else. A copy of the
// directory is complete if it includes .journal and the store was closed before, or if the file system copies it in one
// instant.
//
// # After a crash
//
// Open reapplies the changes in the journal and writes their files. It compares the revision in each file with those
// in the journal, so it does not matter how many files had been written, nor whether an earlier Open was interrupted.
// If the journal, or the file of a record that it changes, cannot be read, Open fails and leaves both for the next
// attempt. A corrupt file is set aside, and the record is restored if the journal has its whole value.
//
// Incomplete entries at the end of the journal were not acknowledged and are ignored. Damage to the entries that were
// synced last cannot be told from that: their changes are lost without a fault. If an entry is missing or has a wrong
// checksum although entries that were synced later are intact, the journal is damaged. Open applies all other changes,
// except those of a record that need the missing one. Such a record keeps its earlier state, and the log names it. The
// same happens if the file of a record does not match the journal, because it was replaced after the crash or has a
// change whose entry is missing: the file wins, and the acknowledged changes of the record that are only in the
// journal are dropped. The damaged segment is kept in .damaged, or in .journal under a name that begins with
// "damaged-" if it cannot be moved, and Faults reports it until it is removed.
//
// # Faults
//
// A file with the name of a record is corrupt if its checksum is wrong, if something else wrote it, or if it is a
// directory or a link. It is logged and moved to <directory>/.damaged, and the store continues without it. If its name
// can be that of a record, Faults reports the moved file until the record is written or deleted or the file is removed.
// Faults reports .damaged itself if it cannot be read. A corrupt file that cannot be moved, a corrupt file of kind
// "config" and a file that cannot be read are logged and stay where they are: Get returns an error, List omits the
// record, Put and Delete fail, and Faults reports the file. Do not edit the files by hand.
//
// After a failed sync, the system does not tell which changes have reached the disk. The Put or Delete returns an
// error, and so do all later ones, and Ping, until the directory is opened again; reading continues. The same happens
// if the directory or its journal is deleted or replaced while it is open. It is never mistaken for an empty store. A
// full disk makes changes fail only as long as it is full.
//
// One process at a time can open the directory; <directory>/.lock names it. The package supports systems that can sync
// a directory: Unix, but not Windows.
package filestore
