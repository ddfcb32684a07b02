package store

// A Condition must hold for a Put or Delete to succeed. The zero Condition always holds.
type Condition struct {
	absent   bool
	revision Revision
}

// IfAbsent returns a condition that holds if there is no record under the key. On Delete it never holds.
func IfAbsent() Condition { return Condition{absent: true} }

// IfRevision returns a condition that holds if the record under the key has the revision r. It never holds if r is
// empty.
func IfRevision(r Revision) Condition {
	if r == "" {
		r = "\x00 no record has this revision"
	}
	return Condition{revision: r}
}

// IfUnchanged returns a condition that holds if the record under the key is still as it was read: [IfRevision] of r, or
// [IfAbsent] if r is empty because there was none.
func IfUnchanged(r Revision) Condition {
	if r == "" {
		return IfAbsent()
	}
	return IfRevision(r)
}

// Absent reports whether c is [IfAbsent].
func (c Condition) Absent() bool { return c.absent }

// Revision returns the revision of an [IfRevision] condition, and false for any other condition.
func (c Condition) Revision() (r Revision, ok bool) { return c.revision, c.revision != "" }

// Check returns nil if c holds for a record with the revision current, which is empty if there is no record. Otherwise
// it returns ErrConflict.
func (c Condition) Check(current Revision) error {
	if c.absent && current != "" || c.revision != "" && c.revision != current {
		return ErrConflict
	}
	return nil
}
