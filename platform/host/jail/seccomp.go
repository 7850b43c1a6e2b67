package jail

import (
	"errors"
	"fmt"

	filter "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// noSuchCall is the answer for calls whose users then try an older one that
// the filter can look into: clone3 keeps its flags in memory.
const noSuchCall = filter.Action(uint32(filter.ActionErrno) | uint32(unix.ENOSYS))

// The flags of clone that make a namespace, and those that make a thread.
const (
	cloneNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	cloneThread = unix.CLONE_THREAD | unix.CLONE_VM
)

// Requests of ioctl that set how a descriptor behaves, the same on all
// processors that Go has.
const (
	fionbio  = 0x5421
	fionclex = 0x5450
	fioclex  = 0x5451
)

// seccomp forbids all system calls but those that the process needs, on all
// threads. What is forbidden fails with EPERM: a program finds out, and can
// say so, instead of vanishing.
func (b *builder) seccomp() error {
	policy := workerPolicy()
	if len(b.Command) > 0 {
		policy = commandPolicy()
	}
	err := filter.LoadFilter(filter.Filter{Flag: filter.FilterFlagTSync, Policy: policy})
	if err != nil {
		return err //nolint:wrapcheck // it names itself
	}
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("prctl PR_GET_SECCOMP: %w", err)
	}
	if mode != unix.SECCOMP_MODE_FILTER {
		return errors.New("the kernel does not enforce it")
	}
	return nil
}

// workerPolicy is for a Go program that computes and speaks through the
// descriptors that it has: no new files, sockets, processes or programs.
func workerPolicy() filter.Policy {
	return filter.Policy{
		DefaultAction: filter.ActionErrno,
		Syscalls: []filter.SyscallGroup{
			{Action: filter.ActionAllow, Names: callsBasic(), NamesWithCondtions: []filter.NameWithConditions{
				{Name: "clone", Conditions: filter.ArgumentConditions{{Argument: 0, Operation: filter.BitsSet, Value: cloneThread}}},
				prctlOnly(unix.PR_SET_NAME), prctlOnly(unix.PR_SET_VMA), prctlOnly(unix.PR_GET_SECCOMP),
			}},
			{Action: noSuchCall, Names: []string{"clone3"}},
		},
	}
}

// commandPolicy is for interpreters: files that the root shows, processes of
// their own, sockets of the Unix kind. The rest of the machine is not for
// them: no tracing, mounting, keys, modules, BPF, performance counters, no
// faults in user space, no io_uring, which goes around the filter.
func commandPolicy() filter.Policy {
	conditions := []filter.NameWithConditions{
		{Name: "clone", Conditions: filter.ArgumentConditions{{Argument: 0, Operation: filter.BitsNotSet, Value: cloneNamespaces}}},
		{Name: "socket", Conditions: filter.ArgumentConditions{{Argument: 0, Operation: filter.Equal, Value: unix.AF_UNIX}}},
		{Name: "socketpair", Conditions: filter.ArgumentConditions{{Argument: 0, Operation: filter.Equal, Value: unix.AF_UNIX}}},
	}
	// PR_SET_PDEATHSIG is not among them: it would let the program outlive
	// the one that started it.
	for _, option := range []uint64{
		unix.PR_SET_NAME, unix.PR_GET_NAME, unix.PR_SET_VMA, unix.PR_GET_DUMPABLE, unix.PR_CAPBSET_READ,
		unix.PR_GET_SECCOMP, unix.PR_SET_TIMERSLACK, unix.PR_GET_TIMERSLACK, unix.PR_SET_THP_DISABLE,
		unix.PR_GET_NO_NEW_PRIVS, unix.PR_SET_NO_NEW_PRIVS,
	} {
		conditions = append(conditions, prctlOnly(option))
	}
	for _, request := range []uint64{
		unix.TCGETS, unix.TCGETS2, unix.TIOCGWINSZ, unix.TIOCINQ, fionbio, fioclex, fionclex,
	} {
		conditions = append(conditions, filter.NameWithConditions{
			Name: "ioctl", Conditions: filter.ArgumentConditions{{Argument: 1, Operation: filter.Equal, Value: request}},
		})
	}
	return filter.Policy{
		DefaultAction: filter.ActionErrno,
		Syscalls: []filter.SyscallGroup{
			{Action: filter.ActionAllow, Names: append(append(callsBasic(), callsCommand()...), callsOld()...), NamesWithCondtions: conditions},
			{Action: noSuchCall, Names: []string{"clone3"}},
		},
	}
}

// prctlOnly allows one option of prctl.
func prctlOnly(option uint64) filter.NameWithConditions {
	return filter.NameWithConditions{
		Name: "prctl", Conditions: filter.ArgumentConditions{{Argument: 0, Operation: filter.Equal, Value: option}},
	}
}
