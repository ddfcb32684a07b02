package feed_test

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os/exec"
	"strconv"
	"testing"

	"github.com/patchsource/patchsource/httpapi/feed"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// Curl, which reads only the first member of a gzip stream, reads the whole compressed list, before and after a change.
func TestCurlReadsCompressedList(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	c, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	add := func(id string) {
		t.Helper()
		d := composer()
		d.ID = id
		if _, err := c.Create(context.Background(), d, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		add("title" + strconv.Itoa(i))
	}
	server := httptest.NewServer(newFeed(t, c, &feed.Options{}))
	defer server.Close()
	for i := range 3 {
		url := server.URL + "/jamf/v1/software"
		out, err := exec.CommandContext(t.Context(), curl, "-sS", "--compressed", url).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := c.Software().Bytes(); !bytes.Equal(out, want) {
			t.Fatalf("curl reads %d bytes of the list, want %d", len(out), len(want))
		}
		add("other" + strconv.Itoa(i))
	}
}
