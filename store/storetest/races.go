package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/patchsource/patchsource/store"
)

var raceCases = []testCase{
	{
		"one creates",
		"Of many that put one key with IfAbsent at once, exactly one succeeds, the others get ErrConflict, and the record is the winner's.",
		oneCreates,
	},
	{
		"one changes",
		"Of many that put one revision at once, exactly one succeeds, the others get ErrConflict, and the record is the winner's.",
		oneChanges,
	},
	{"one deletes", "Of many that delete one revision at once, exactly one succeeds, " +
		"and the others get ErrNotFound: the record is not there any more.", oneDeletes},
	{"no lost update", "Many that read, change and write under the revision read lose no change.", noLostUpdate},
	{
		"list during writes",
		"While others write, List yields each record as it was at some moment, never a part, and each that stays exactly once.",
		listDuringWrites,
	},
}

const racers = 32

// race runs f from many goroutines at once and returns their errors.
func race(f func(i int) error) []error {
	errs := make([]error, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// winner checks that one of the racers won and the others lost decently.
func winner(errs []error, decent ...error) (int, error) {
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won >= 0:
			return 0, fmt.Errorf("%d and %d both succeeded", won, i)
		case err == nil:
			won = i
		default:
			ok := false
			for _, d := range decent {
				ok = ok || errors.Is(err, d)
			}
			if !ok {
				return 0, fmt.Errorf("a loser got %w, want one of %v", err, decent)
			}
		}
	}
	if won < 0 {
		return 0, errors.New("nobody succeeded")
	}
	return won, nil
}

func oneCreates(ctx context.Context, e *env) error {
	for round := range 5 {
		id := strconv.Itoa(round)
		won, err := winner(race(func(i int) error {
			_, err := e.s.Put(ctx, key(id), []byte(strconv.Itoa(i)), store.IfAbsent())
			return err
		}), store.ErrConflict)
		if err != nil {
			return err
		}
		if err := holds(ctx, e.s, id, strconv.Itoa(won)); err != nil {
			return err
		}
	}
	return nil
}

func oneChanges(ctx context.Context, e *env) error {
	rev, err := put(ctx, e.s, "a", "start")
	if err != nil {
		return err
	}
	for range 5 {
		revs := make([]store.Revision, racers)
		won, err := winner(race(func(i int) error {
			r, err := e.s.Put(ctx, key("a"), []byte(strconv.Itoa(i)), store.IfRevision(rev))
			revs[i] = r
			return err
		}), store.ErrConflict)
		if err != nil {
			return err
		}
		if err := holds(ctx, e.s, "a", strconv.Itoa(won)); err != nil {
			return err
		}
		rev = revs[won]
	}
	return nil
}

func oneDeletes(ctx context.Context, e *env) error {
	for range 5 {
		rev, err := put(ctx, e.s, "a", "1")
		if err != nil {
			return err
		}
		errs := race(func(int) error { return e.s.Delete(ctx, key("a"), store.IfRevision(rev)) })
		if _, err := winner(errs, store.ErrNotFound); err != nil {
			return err
		}
	}
	return nil
}

func noLostUpdate(ctx context.Context, e *env) error {
	if _, err := put(ctx, e.s, "counter", "0"); err != nil {
		return err
	}
	const each = 5
	errs := race(func(int) error {
		for done := 0; done < each; {
			r, err := e.s.Get(ctx, key("counter"))
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(string(r.Value))
			if err != nil {
				return err
			}
			_, err = e.s.Put(ctx, r.Key, []byte(strconv.Itoa(n+1)), store.IfRevision(r.Revision))
			if err == nil {
				done++
			} else if !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return holds(ctx, e.s, "counter", strconv.Itoa(racers*each))
}

func listDuringWrites(ctx context.Context, e *env) error {
	const stay = 20
	for i := range stay {
		if _, err := e.s.Put(ctx, key("stay"+strconv.Itoa(i)), repeated(i), store.Condition{}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	var writes atomic.Int64
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := "stay" + strconv.Itoa((i*7+w)%stay)
				if i%3 == 0 {
					id = "come and go " + strconv.Itoa(w)
				}
				_, err := e.s.Put(ctx, key(id), repeated(i), store.Condition{})
				if err == nil && i%6 == 0 && i%3 == 0 {
					err = e.s.Delete(ctx, key(id), store.Condition{})
				}
				if err != nil && ctx.Err() == nil {
					cancel(err)
				}
				writes.Add(1)
			}
		})
	}
	defer func() { cancel(nil); wg.Wait() }()
	// Lists, and writes between them: a quick store would be listed before the
	// writers have begun.
	for lists := 0; lists < 20 || writes.Load() < 100 && ctx.Err() == nil; lists++ {
		seen := map[string]int{}
		for r, err := range e.s.List(ctx, "things") {
			if err != nil {
				return fmt.Errorf("in List: %w (%v)", err, context.Cause(ctx))
			}
			if !whole(r.Value) {
				return fmt.Errorf("%q: a part of a value, %d bytes", r.Key.ID, len(r.Value))
			}
			seen[r.Key.ID]++
		}
		for i := range stay {
			if id := "stay" + strconv.Itoa(i); seen[id] != 1 {
				return fmt.Errorf("%q was listed %d times", id, seen[id])
			}
		}
	}
	return nil
}
