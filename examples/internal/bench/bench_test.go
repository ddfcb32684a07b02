package main

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	if role, ok := roleOf(os.Environ()); ok {
		exit(runRole(role, os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// TestQuick runs every part with little data, so that the program keeps working. It makes no statement about figures.
func TestQuick(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the benchmark needs Linux")
	}
	if testing.Short() {
		t.Skip("builds and starts servers")
	}
	var out, progress bytes.Buffer
	if err := run(t.Context(), []string{"all", "-quick", "-dir", t.TempDir()}, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, &progress)
	}
	for _, heading := range []string{
		"Reads", "Durable changes", "Costs of a version", "Growth", "Start", "Backup, restore and import", "Memory",
		"Footprint",
	} {
		if !strings.Contains(out.String(), "## "+heading+"\n\n") {
			t.Errorf("there is no table %q:\n%s", heading, &out)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, args := range [][]string{
		{"nothing"},
		{"reads", "-sizes", "0"},
		{"reads", "-sizes", "10,many"},
		{"-rounds", "0"},
		{"-server", "there/is/no/such/file"},
		{"-quick", "reads"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}); err == nil {
			t.Errorf("bench %v was accepted", args)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{nil, "–"},
		{[]float64{3, 1, 2}, "2.00"},
		{[]float64{400, 100, 300, 200}, "250"},
	} {
		if got := number(median(c.values)); got != c.want {
			t.Errorf("the median of %v is %s, want %s", c.values, got, c.want)
		}
	}
	if got := ratio([]float64{1, 8, 3}, []float64{2, 2, 2}); got != 1.5 {
		t.Errorf("the median of the ratios is %v, want 1.5", got)
	}
}

// TestCountCalls counts the calls in an output of strace.
func TestCountCalls(t *testing.T) {
	const output = `10 100.0 write(7</b/data/titles/a.tmp>, ""..., 999) = 999
10 101.1 write(7</b/data/titles/a.tmp>, ""..., 600) = 600
11 101.2 write(8</b/data/.journal/1>, ""..., 50 <unfinished ...>
10 101.3 fsync(7</b/data/titles/a.tmp>) = 0
11 101.4 <... write resumed>) = 50
10 101.5 renameat(6</b/data/titles>, "a.tmp", 6</b/data/titles>, "a") = 0
10 101.6 write(2</b/log>, ""..., 80) = 80
10 101.7 write(9<socket:[1]>, ""..., 80) = 80
10 103.0 write(7</b/data/titles/b.tmp>, ""..., 20) = 20
`
	file := t.TempDir() + "/strace"
	if err := os.WriteFile(file, []byte(output), 0o600); err != nil {
		t.Fatal(err)
	}
	before, after, err := countCalls(file, "/b", []float64{101}, []float64{102})
	if err != nil {
		t.Fatal(err)
	}
	if want := (traceCount{bytes: 650, syncs: 1, renames: 1}); before != want {
		t.Errorf("before the answer: %+v, want %+v", before, want)
	}
	if want := (traceCount{bytes: 20}); after != want {
		t.Errorf("after the answer: %+v, want %+v", after, want)
	}
}
