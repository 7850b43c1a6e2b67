package logfile_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"phios/abi"
	"phios/internal/prng"
	"phios/kernel/journal"
	"phios/platform/host/logfile"
)

// The environment variables by which the test binary becomes a child.
const (
	childRole = "PHIOS_LOGFILE_CHILD"
	childPath = "PHIOS_LOGFILE_PATH"
)

func TestMain(m *testing.M) {
	switch role := os.Getenv(childRole); role {
	case "":
		os.Exit(m.Run())
	case "writer":
		exitWith(writeForEver(os.Getenv(childPath)))
	case "limited":
		exitWith(writeLimited(os.Getenv(childPath)))
	default:
		exitWith(fmt.Errorf("no role %q", role))
	}
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child returns a command that runs this test binary in the given role.
func child(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

type clock struct{ start time.Time }

func (c clock) Now() int64 { return int64(time.Since(c.start)) }

// openJournal opens the log at path, verifies the journal in it against the
// anchor, and goes on with it.
func openJournal(path string, anchor journal.Position) (*logfile.File, *journal.Journal, logfile.Recovery, error) {
	v := journal.NewVerifier(anchor)
	var r journal.Record
	log, recovery, err := logfile.Open(path, logfile.Options{Record: func(record []byte) error {
		if fault := v.Feed(record, &r); fault != journal.FaultNone {
			return errors.New(fault.String())
		}
		return nil
	}})
	if err != nil {
		return nil, nil, recovery, err
	}
	if fault := v.End(); fault != journal.FaultNone {
		return nil, nil, recovery, errors.Join(errors.New(fault.String()), log.Close())
	}
	j, status := journal.Resume(log, clock{time.Now()}, 1, journal.Options{}, v.Position())
	return log, j, recovery, status.Err()
}

// writeForEver appends records in bursts, and prints a position of the journal
// each time that the disk has confirmed it, until it is killed.
func writeForEver(path string) error {
	log, j, _, err := openJournal(path, journal.Position{})
	if err != nil {
		return err
	}
	random := prng.New(uint64(os.Getpid()))
	for burst := uint64(1); ; burst = 1 + random.Uint64()%4000 {
		for range burst {
			text := strings.Repeat("x", int(random.Uint64()%journal.TextBytesMax))
			if status := j.Append(journal.Record{Kind: journal.KindNote, Text: text}); status != abi.StatusOK {
				return status
			}
		}
		p := j.Position()
		if status := log.Sync(); status != abi.StatusOK {
			return status
		}
		// One write, so that the parent never sees a part of a line.
		if _, err := fmt.Printf("%d %x\n", p.Count, p.Head); err != nil {
			return err
		}
	}
}

// lastLine returns the position in the last line, and calls first when it has
// read one.
func lastLine(t *testing.T, from io.Reader, first func()) journal.Position {
	t.Helper()
	var p journal.Position
	for lines := bufio.NewScanner(from); lines.Scan(); {
		if p.Count == 0 {
			first()
		}
		var head string
		if _, err := fmt.Sscanf(lines.Text(), "%d %s", &p.Count, &head); err != nil {
			t.Fatal(err)
		}
		if n, err := hex.Decode(p.Head[:], []byte(head)); err != nil || n != len(p.Head) {
			t.Fatal(n, err)
		}
	}
	return p
}

// TestKilled kills a writer at random moments, several times on the same file:
// in every other round from its start on, so that some die while opening, in
// the rest after the first record was confirmed. Every time the chain must
// verify and pass through the last position that was confirmed.
func TestKilled(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 8
	}
	const roundsPerFile = 5
	random := prng.New(1)
	var path string
	var anchor journal.Position
	torn, confirmed := 0, 0
	for round := range rounds {
		if round%roundsPerFile == 0 {
			path, anchor = filepath.Join(t.TempDir(), "log"), journal.Position{}
		}
		if p := killed(t, path, time.Duration(random.Uint64()%40_000)*time.Microsecond, round%2 == 0); p.Count > 0 {
			anchor = p
			confirmed++
		}
		log, j, recovery, err := openJournal(path, anchor)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if recovery.TornBytes > 0 {
			torn++
		}
		status := log.Sync()
		anchor = j.Position()
		if err := log.Close(); err != nil || status != abi.StatusOK {
			t.Fatal(err, status)
		}
	}
	t.Logf("%d rounds, %d with confirmed records, %d torn ends", rounds, confirmed, torn)
	if confirmed < rounds/2 {
		t.Errorf("only %d of %d rounds got as far as a confirmed record", confirmed, rounds)
	}
}

// killed runs a writer, kills it, and returns the last position that it had
// confirmed. The delay counts from its start, or from the first confirmation.
func killed(t *testing.T, path string, delay time.Duration, fromStart bool) journal.Position {
	t.Helper()
	cmd := child(t, "writer", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	arm := func() { time.AfterFunc(delay, func() { _ = cmd.Process.Kill() }) }
	confirmed := func() {}
	if fromStart {
		arm()
	} else {
		confirmed = arm
	}
	p := lastLine(t, out, confirmed)
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return p
}

// writeLimited writes into a file that the system does not let grow, until it
// is refused; then it is let, and goes on.
func writeLimited(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	log, j, _, err := openJournal(path, journal.Position{})
	if err != nil {
		return err
	}
	var unlimited unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &unlimited); err != nil {
		return err
	}
	limited := unix.Rlimit{Cur: 100_001, Max: unlimited.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limited); err != nil {
		return err
	}
	note := journal.Record{Kind: journal.KindNote, Text: "hello"}
	var status abi.Status
	for range 10_000 {
		if status = j.Append(note); status == abi.StatusOK {
			status = log.Sync()
		}
		if status != abi.StatusOK {
			break
		}
	}
	if status != abi.StatusJournal || !errors.Is(log.Err(), unix.EFBIG) {
		return fmt.Errorf("full: got %w, %w", status, log.Err())
	}
	if got := j.Append(note); got != abi.StatusJournal {
		return fmt.Errorf("append while full: got %w", got)
	}
	recovery, err := logfile.Read(path, nil)
	if err != nil || recovery.TornBytes != 0 || recovery.Records == 0 {
		return fmt.Errorf("while full the file is %+v, %w", recovery, err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unlimited); err != nil {
		return err
	}
	if got := log.Sync(); got != abi.StatusOK {
		return fmt.Errorf("sync when there is room again: %w, %w", got, log.Err())
	}
	if got := j.Append(note); got != abi.StatusOK {
		return fmt.Errorf("append when there is room again: %w", got)
	}
	return log.Close()
}

// TestLimited fills a real file to a real limit, by a child that can be
// limited.
func TestLimited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if out, err := child(t, "limited", path).Output(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	log, j, recovery, err := openJournal(path, journal.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if recovery.TornBytes != 0 || recovery.Bytes <= 100_001 {
		t.Errorf("got %+v", recovery)
	}
	if j.Count() != recovery.Records+1 {
		t.Errorf("%d records in the journal, %d in the file", j.Count(), recovery.Records)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBusyElsewhere checks that a second process is refused, and let in when
// the first has been killed.
func TestBusyElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	cmd := child(t, "writer", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := openJournal(path, journal.Position{}); !errors.Is(err, logfile.ErrBusy) {
		t.Errorf("got %v", err)
	}
	if recovery, err := logfile.Read(path, nil); err != nil || recovery.Records == 0 {
		t.Errorf("reading while it is written: %+v, %v", recovery, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	log, _, _, err := openJournal(path, journal.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
