package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/patchsource/patchsource/store"
)

// The rules of raceCases, which hold for one store and for two over the same storage.
const (
	oneCreatesRule = "Of many that put one key with IfAbsent at once, exactly one succeeds. The others get " +
		"ErrConflict, and the record is that of the winner."
	oneChangesRule = "Of many that put one record with one revision at once, exactly one succeeds. The others get " +
		"ErrConflict, and the record is that of the winner."
	oneDeletesRule = "Of many that delete one revision of a record at once, exactly one succeeds. The others get " +
		"ErrNotFound, because the record does not exist any more."
	oneChangesOrDeletesRule = "Of many that put or delete one revision of a record at once, exactly one succeeds. " +
		"The others get ErrConflict, or ErrNotFound if they delete a record that does not exist any more."
	noLostUpdateRule = "If many read a record, change it and write it on condition of the revision they read, " +
		"no change is lost."
)

// raceCases are about concurrent calls.
var raceCases = []testCase{
	{"one creates", oneCreatesRule, oneStore(oneCreates)},
	{"one of two servers creates", oneCreatesRule, twoStores(oneCreates)},
	{"one changes", oneChangesRule, oneStore(oneChanges)},
	{"one of two servers changes", oneChangesRule, twoStores(oneChanges)},
	{"one deletes", oneDeletesRule, oneStore(oneDeletes)},
	{"one of two servers deletes", oneDeletesRule, twoStores(oneDeletes)},
	{"one changes or deletes", oneChangesOrDeletesRule, oneStore(oneChangesOrDeletes)},
	{"one of two servers changes or deletes", oneChangesOrDeletesRule, twoStores(oneChangesOrDeletes)},
	{"no lost update", noLostUpdateRule, oneStore(noLostUpdate)},
	{"no lost update of two servers", noLostUpdateRule, twoStores(noLostUpdate)},
	{
		"list during writes",
		"While others write, List yields each record as it was at some moment, never a part of it, and yields each " +
			"record that stays exactly once.",
		listDuringWrites,
	},
}

// A raceCheck checks a rule with one or several stores over one storage.
type raceCheck func(ctx context.Context, stores []store.Store) error

// oneStore returns a check with the store of the case.
func oneStore(check raceCheck) func(context.Context, *env) error {
	return func(ctx context.Context, e *env) error { return check(ctx, []store.Store{e.store}) }
}

// twoStores returns a check with the store of the case and a second one.
func twoStores(check raceCheck) func(context.Context, *env) error {
	return func(ctx context.Context, e *env) error {
		if e.second == nil {
			return noSecond
		}
		return check(ctx, []store.Store{e.store, e.second(e.store)})
	}
}

const racers = 32

// race calls f from many goroutines at once, with the stores in turn, and returns their errors.
func race(stores []store.Store, f func(racer int, s store.Store) error) []error {
	errs := make([]error, racers)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range racers {
		all.Go(func() {
			<-start
			errs[i] = f(i, stores[i%len(stores)])
		})
	}
	close(start)
	all.Wait()
	return errs
}

// winner returns the racer that succeeded. It returns an error unless there is exactly one and each of the others got
// one of the errors lost.
func winner(errs []error, lost ...error) (int, error) {
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won >= 0:
			return 0, fmt.Errorf("racers %d and %d both succeeded", won, i)
		case err == nil:
			won = i
		case !slices.ContainsFunc(lost, func(l error) bool { return errors.Is(err, l) }):
			return 0, fmt.Errorf("a racer that did not succeed got %w, want one of %q", err, lost)
		}
	}
	if won < 0 {
		return 0, errors.New("no racer succeeded")
	}
	return won, nil
}

func oneCreates(ctx context.Context, stores []store.Store) error {
	for round := range 5 {
		id := strconv.Itoa(round)
		won, err := winner(race(stores, func(i int, s store.Store) error {
			_, err := s.Put(ctx, key(id), []byte(strconv.Itoa(i)), store.IfAbsent())
			return err
		}), store.ErrConflict)
		if err != nil {
			return err
		}
		if err := allHold(ctx, stores, id, strconv.Itoa(won)); err != nil {
			return err
		}
	}
	return nil
}

func oneChanges(ctx context.Context, stores []store.Store) error {
	rev, err := put(ctx, stores[0], "a", "start")
	if err != nil {
		return err
	}
	for range 5 {
		revs := make([]store.Revision, racers)
		won, err := winner(race(stores, func(i int, s store.Store) error {
			r, err := s.Put(ctx, key("a"), []byte(strconv.Itoa(i)), store.IfRevision(rev))
			revs[i] = r
			return err
		}), store.ErrConflict)
		if err != nil {
			return err
		}
		if err := allHold(ctx, stores, "a", strconv.Itoa(won)); err != nil {
			return err
		}
		rev = revs[won]
	}
	return nil
}

func oneDeletes(ctx context.Context, stores []store.Store) error {
	for range 5 {
		rev, err := put(ctx, stores[0], "a", "1")
		if err != nil {
			return err
		}
		errs := race(stores, func(_ int, s store.Store) error { return s.Delete(ctx, key("a"), store.IfRevision(rev)) })
		if _, err := winner(errs, store.ErrNotFound); err != nil {
			return err
		}
	}
	return nil
}

func oneChangesOrDeletes(ctx context.Context, stores []store.Store) error {
	for round := range 10 {
		rev, err := put(ctx, stores[0], "a", "start")
		if err != nil {
			return err
		}
		deletes := func(i int) bool { return (i/2+round)%2 == 0 } // in both stores
		won, err := winner(race(stores, func(i int, s store.Store) error {
			if deletes(i) {
				return s.Delete(ctx, key("a"), store.IfRevision(rev))
			}
			_, err := s.Put(ctx, key("a"), []byte(strconv.Itoa(i)), store.IfRevision(rev))
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("put: %v, want ErrConflict", err)
			}
			return err
		}), store.ErrConflict, store.ErrNotFound)
		if err != nil {
			return err
		}
		for _, s := range stores {
			if !deletes(won) {
				err = holds(ctx, s, "a", strconv.Itoa(won))
			} else if _, getErr := s.Get(ctx, key("a")); !errors.Is(getErr, store.ErrNotFound) {
				err = fmt.Errorf("get after the record was deleted: %w, want ErrNotFound", getErr)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func noLostUpdate(ctx context.Context, stores []store.Store) error {
	if _, err := put(ctx, stores[0], "counter", "0"); err != nil {
		return err
	}
	const each = 5
	errs := race(stores, func(_ int, s store.Store) error {
		for done := 0; done < each; {
			err := increment(ctx, s, "counter")
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
	return allHold(ctx, stores, "counter", strconv.Itoa(racers*each))
}

// increment increments the number in a record once, or returns ErrConflict.
func increment(ctx context.Context, s store.Store, id string) error {
	r, err := s.Get(ctx, key(id))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(r.Value))
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, r.Key, []byte(strconv.Itoa(n+1)), store.IfRevision(r.Revision))
	return err
}

// allHold returns an error unless a record has a value in all stores.
func allHold(ctx context.Context, stores []store.Store, id, value string) error {
	for _, s := range stores {
		if err := holds(ctx, s, id, value); err != nil {
			return err
		}
	}
	return nil
}

// stayCount is the number of records that are not deleted during listDuringWrites.
const stayCount = 20

func listDuringWrites(ctx context.Context, e *env) error {
	for i := range stayCount {
		if _, err := e.store.Put(ctx, key(stayID(i)), repeated(i), store.Condition{}); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	var writes atomic.Int64
	for writer := range 4 {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := writeDuringList(ctx, e.store, writer, i); err != nil && ctx.Err() == nil {
					cancel(err)
				}
				writes.Add(1)
			}
		})
	}
	defer func() { cancel(nil); all.Wait() }()
	// A fast store might be listed 20 times before the writers have begun.
	for lists := 0; lists < 20 || writes.Load() < 100 && ctx.Err() == nil; lists++ {
		if err := checkList(ctx, e.store); err != nil {
			return err
		}
	}
	return nil
}

// stayID returns the id of a record that stays.
func stayID(i int) string { return "stay" + strconv.Itoa(i%stayCount) }

// writeDuringList changes a record that stays, or creates or deletes one of the writer's own.
func writeDuringList(ctx context.Context, s store.Store, writer, i int) error {
	id := stayID(i*7 + writer)
	if i%3 == 0 {
		id = "come and go " + strconv.Itoa(writer)
	}
	_, err := s.Put(ctx, key(id), repeated(i), store.Condition{})
	if err == nil && i%6 == 0 {
		err = s.Delete(ctx, key(id), store.Condition{})
	}
	return err
}

// checkList lists the records once and checks them.
func checkList(ctx context.Context, s store.Store) error {
	seen := map[string]int{}
	for r, err := range s.List(ctx, "things") {
		if err != nil {
			return fmt.Errorf("list: %w (%v)", err, context.Cause(ctx))
		}
		if !isRepeated(r.Value) {
			return fmt.Errorf("list yields a part of the value of %q, %d bytes", r.Key.ID, len(r.Value))
		}
		seen[r.Key.ID]++
	}
	for i := range stayCount {
		if n := seen[stayID(i)]; n != 1 {
			return fmt.Errorf("list yields %q %d times", stayID(i), n)
		}
	}
	return nil
}

// repeated returns a value of which a part can be recognized.
func repeated(i int) []byte {
	return bytes.Repeat([]byte{'a' + byte(i%26)}, 1000*(1+i%26))
}

// isRepeated reports whether a value is a whole one that repeated has returned.
func isRepeated(value []byte) bool {
	return len(value) > 0 && slices.Equal(value, repeated(int(value[0]-'a')))
}
