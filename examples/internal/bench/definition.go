package main

import (
	"fmt"
	"strings"
	"time"
)

// Titles are numbered from 0, and what belongs to them follows from their numbers.

const (
	contributorSpan = 10 // of so many titles in a row, every other one belongs to one contributor
	titlesOfOne     = contributorSpan / 2
)

// epoch is the time of the newest change in a fresh data set.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// contributorOf returns the contributor that owns a title, if any.
func contributorOf(n int) (string, bool) {
	return contributorName(n / contributorSpan), n%2 == 0
}

func contributorName(n int) string { return fmt.Sprintf("contributor%d", n) }

// authorOf returns the name and the owner's kind of a title: a contributor, an author with a mailbox, or none.
func authorOf(n int) string {
	if name, ok := contributorOf(n); ok {
		return name
	}
	if n%contributorSpan == 1 {
		return fmt.Sprintf("author%d", n)
	}
	return ""
}

// titleID returns the id of a title.
func titleID(n int) string {
	id := fmt.Sprintf("BenchApplication%06d", n)
	if author := authorOf(n); author != "" {
		id += "_" + author
	}
	return id
}

// definition returns a definition with this number of versions, as the server stores it.
func definition(n, versions int) string {
	id := titleID(n)
	name := fmt.Sprintf("Bench Application %06d", n)
	if author := authorOf(n); author != "" {
		name += " (" + author + ")"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":%q,"name":%q,"publisher":"Publisher %d","appName":"%s.app","bundleId":"com.example.%s",`+
		`"lastModified":%q,"currentVersion":%q,"requirements":[{"name":"Application Bundle ID","operator":"is",`+
		`"value":"com.example.%s","type":"recon","and":true}],"patches":[`, id, name, n/20, id, id,
		changed(n).Format(time.RFC3339), storedVersion(n, versions-1), id)
	for i := versions - 1; i >= 0; i-- {
		b.WriteString(newPatch(id, storedVersion(n, i)))
		if i > 0 {
			b.WriteByte(',')
		}
	}
	b.WriteString(`],"extensionAttributes":[]}`)
	return b.String()
}

// changed returns the time at which a title was last changed.
func changed(n int) time.Time { return epoch.Add(-time.Duration(n*7919%1_000_000) * time.Minute) }

// storedVersion returns the i-th version of a title in a fresh data set; addedVersion returns versions that are newer.
func storedVersion(n, i int) string    { return fmt.Sprintf("%d.%d.%d", n%90, i/10, i%10) }
func addedVersion(number int64) string { return fmt.Sprintf("100.%d", number) }

// newPatch returns a patch with about 620 bytes.
func newPatch(id, version string) string {
	return fmt.Sprintf(`{"version":%[2]q,"releaseDate":"2025-03-14T02:02:14Z","standalone":true,`+
		`"minimumOperatingSystem":"10.13","reboot":false,`+
		`"killApps":[{"bundleId":"com.example.%[1]s","appName":"%[1]s.app"}],`+
		`"components":[{"name":%[1]q,"version":%[2]q,"criteria":[`+
		`{"name":"Application Bundle ID","operator":"is","value":"com.example.%[1]s","type":"recon","and":true},`+
		`{"name":"Application Version","operator":"is","value":%[2]q,"type":"recon"}]}],`+
		`"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"10.13",`+
		`"type":"recon"}],"dependencies":[]}`, id, version)
}
