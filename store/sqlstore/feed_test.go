package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// A scriptedDriver answers each query with the next rows of a script.
type scriptedDriver struct{ script [][][]driver.Value }

func (d *scriptedDriver) Connect(context.Context) (driver.Conn, error) { return d, nil }
func (d *scriptedDriver) Driver() driver.Driver                        { return nil }
func (d *scriptedDriver) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (d *scriptedDriver) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (d *scriptedDriver) Close() error                                 { return nil }

func (d *scriptedDriver) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	rows := scriptedRows(d.script[0])
	d.script = d.script[1:]
	return &rows, nil
}

type scriptedRows [][]driver.Value

func (r *scriptedRows) Columns() []string { return make([]string, 9) }
func (r *scriptedRows) Close() error      { return nil }

func (r *scriptedRows) Next(row []driver.Value) error {
	if len(*r) == 0 {
		return io.EOF
	}
	copy(row, (*r)[0])
	*r = (*r)[1:]
	return nil
}

// header returns the first five columns of a row of selectChanges, and the columns of a change.
func header(server string, standby, gap bool, change ...driver.Value) []driver.Value {
	if change == nil {
		change = []driver.Value{nil, nil, nil, nil}
	}
	return append([]driver.Value{int64(schemaVersion), standby, server, "10:10:", gap}, change...)
}

func TestPoll(t *testing.T) {
	put := []driver.Value{int64(36), "things", "a", int64(-1)}
	deletion := []driver.Value{int64(37), "things", "a", nil}
	for _, c := range []struct {
		name string
		rows [][]driver.Value
		want reading
		err  string
	}{
		{
			name: "no changes",
			rows: [][]driver.Value{header("1", false, false)},
			want: reading{server: "1", snapshot: "10:10:"},
		},
		{
			name: "changes",
			rows: [][]driver.Value{header("1", false, false, put...), header("1", false, false, deletion...)},
			want: reading{server: "1", snapshot: "10:10:", changes: []store.Change{
				{Key: store.Key{Kind: "things", ID: "a"}, Revision: "10-ffffffff"},
				{Key: store.Key{Kind: "things", ID: "a"}},
			}},
		},
		{
			name: "a gap",
			rows: [][]driver.Value{header("1", false, true)},
			want: reading{server: "1", snapshot: "10:10:", gap: true},
		},
		{name: "another server", rows: [][]driver.Value{header("2", false, false)}, err: "another server"},
		{name: "a standby", rows: [][]driver.Value{header("1", true, false)}, err: "primary server"},
		{name: "an empty table", err: "the table meta is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := sql.OpenDB(&scriptedDriver{[][][]driver.Value{c.rows}})
			defer func() { _ = db.Close() }()
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			s := &Store{qualify: strings.NewReplacer()}
			got, err := s.poll(t.Context(), conn, reading{server: "1", snapshot: "9:9:"})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Fatalf("the error is %v, want %q", err, c.err)
			}
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(reading{})); diff != "" {
				t.Errorf("the reading (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRevision(t *testing.T) {
	for _, r := range []revision{{1, 0}, {1, -1}, {1 << 62, 1 << 30}, {35, -1 << 31}} {
		if got, ok := parseRevision(r.text()); !ok || got != r {
			t.Errorf("%v has the text %q, which is parsed as %v, %v", r, r.text(), got, ok)
		}
	}
	for _, text := range []store.Revision{
		"", "-", "1", "1-", "1-1", "1-0000000g", "01-00000001", "1-00000001x", "1-00000001-", "A-00000001",
	} {
		if r, ok := parseRevision(text); ok {
			t.Errorf("%q is parsed as %v", text, r)
		}
	}
}
