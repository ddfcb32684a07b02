package catalog

// Shared reports whether other servers may use the store of the catalog: it is a store.Watcher. The times of lists,
// such as [Document.Changed], are then those of this server, and must not be compared with those of others.
func (c *Catalog) Shared() bool { return c.titles.shared }
