package main

import (
	"crypto/sha256"
	"encoding/binary"
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

func contributorName(n int) string { return strings.ToLower(word("contributor", n)) + fmt.Sprint(n) }

// authorOf returns the name of the contributor that owns a title, or of its author, which only some titles have.
func authorOf(n int) string {
	if name, ok := contributorOf(n); ok {
		return name
	}
	if n%contributorSpan == 1 {
		return word("first name", n) + fmt.Sprint(n)
	}
	return ""
}

// titleID returns the id of a title.
func titleID(n int) string {
	id := word("vendor", n/20) + word("product", n) + fmt.Sprint(n)
	if author := authorOf(n); author != "" {
		id += "_" + author
	}
	return id
}

// titleName returns the name of a title.
func titleName(n int) string {
	name := fmt.Sprintf("%s %s %d", word("vendor", n/20), word("product", n), n)
	if author := authorOf(n); author != "" {
		name += " (" + author + ")"
	}
	return name
}

var syllables = strings.Fields(
	"ab bro ca da er fi gul hex in jo ka lum mi nor op pix qua ri sto tur ul vex wa xi yo ze",
)

// word returns a word that looks random, so that the titles can be compressed about as well as real ones.
func word(purpose string, n int) string {
	sum := sha256.Sum256(fmt.Append(nil, purpose, n))
	var b strings.Builder
	for _, c := range sum[:2+sum[31]%3] {
		b.WriteString(syllables[int(c)%len(syllables)])
	}
	return strings.ToUpper(b.String()[:1]) + b.String()[1:]
}

// definition returns a definition with this number of versions, as the server stores it.
func definition(n, versions int) string {
	id := titleID(n)
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":%[1]q,"name":%q,"publisher":%q,"appName":"%[1]s.app","bundleId":"com.example.%[1]s",`+
		`"lastModified":%[4]q,"currentVersion":%q,"requirements":[{"name":"Application Bundle ID","operator":"is",`+
		`"value":"com.example.%[1]s","type":"recon","and":true}],"patches":[`,
		id, titleName(n), word("vendor", n/20), changed(n).Format(time.RFC3339), storedVersion(n, versions-1))
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
func changed(n int) time.Time { return epoch.Add(-time.Duration(n*7919%1_000_003) * 37 * time.Second) }

// storedVersion returns the i-th version of a title in a fresh data set.
func storedVersion(n, i int) string { return fmt.Sprintf("%d.%d.%d", n%23, i/10, i%10*(1+n%7)) }

// addedVersion returns versions that are newer.
func addedVersion(number int64) string { return fmt.Sprintf("100.%d", number) }

// releaseDate returns the date of a version.
func releaseDate(id, version string) string {
	sum := sha256.Sum256([]byte(id + version))
	return epoch.Add(-time.Duration(binary.BigEndian.Uint32(sum[:])/20) * time.Second).Format(time.RFC3339)
}

// newPatch returns a patch with about 620 bytes.
func newPatch(id, version string) string {
	return fmt.Sprintf(`{"version":%[2]q,"releaseDate":%[3]q,"standalone":true,`+
		`"minimumOperatingSystem":"10.13","reboot":false,`+
		`"killApps":[{"bundleId":"com.example.%[1]s","appName":"%[1]s.app"}],`+
		`"components":[{"name":%[1]q,"version":%[2]q,"criteria":[`+
		`{"name":"Application Bundle ID","operator":"is","value":"com.example.%[1]s","type":"recon","and":true},`+
		`{"name":"Application Version","operator":"is","value":%[2]q,"type":"recon"}]}],`+
		`"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"10.13",`+
		`"type":"recon"}],"dependencies":[]}`, id, version, releaseDate(id, version))
}
