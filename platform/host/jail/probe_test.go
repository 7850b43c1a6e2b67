package jail

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probe is what jailed processes of the tests do.
func probe(args []string) int {
	if len(args) == 0 {
		return 2
	}
	switch args[0] {
	case "everything":
		for name, try := range attempts(args[1:]) {
			result := "worked"
			if err := try(); err != nil {
				result = err.Error()
			}
			fmt.Printf("%s\t%s\n", name, result)
		}
		return 0
	case "memory":
		var kept [][]byte
		for range 64 {
			block := make([]byte, 16<<20)
			for i := 0; i < len(block); i += 4096 {
				block[i] = 1
			}
			kept = append(kept, block)
		}
		fmt.Println("filled", len(kept))
		return 0
	case "forks":
		n := 0
		for ; n < 1000; n++ {
			files := []*os.File{os.Stdin, os.Stdin, os.Stdin}
			if _, err := os.StartProcess("/bin/probe", []string{"probe", "probe", "sleep"}, &os.ProcAttr{Files: files}); err != nil {
				break
			}
		}
		fmt.Println(n)
		return 0
	case "hello":
		out := os.NewFile(3, "out")
		_, _ = fmt.Fprintf(out, "%s %s uid %d pid %d", args[1], os.Getenv("COLOUR"), os.Getuid(), os.Getpid())
		return 3
	case "sleep":
		time.Sleep(time.Minute)
	case "spin":
		for n := 0; ; n++ {
			if n < 0 {
				return 1
			}
		}
	}
	return 0
}

// attempts are what nobody in a jail may do. The arguments are a file of the
// node's, addresses to dial, and the number of the process that started it.
func attempts(args []string) map[string]func() error {
	data, network, abstract, control := args[0], args[1], args[2], args[3]
	starter, _ := strconv.Atoi(args[4])
	list := map[string]func() error{
		"read the password file":    func() error { return read("/etc/passwd") },
		"read the node's data":      func() error { return read(data) },
		"read its own memory":       func() error { return read("/proc/self/mem") },
		"list /proc":                func() error { _, err := os.ReadDir("/proc"); return err },
		"list the root":             func() error { _, err := os.ReadDir("/"); return err },
		"write into the root":       func() error { return os.WriteFile("/x", []byte("x"), 0o600) },
		"write into /tmp":           func() error { return os.WriteFile("/tmp/x", []byte("x"), 0o600) },
		"make a folder":             func() error { return os.Mkdir("/x", 0o700) },
		"make a device":             func() error { return unix.Mknod("/null", unix.S_IFCHR|0o666, 0x103) },
		"dial TCP":                  func() error { return dial("tcp", network) },
		"dial an abstract socket":   func() error { return dial("unix", abstract) },
		"dial the control socket":   func() error { return dial("unix", control) },
		"open a packet socket":      func() error { return socket(unix.AF_PACKET, unix.SOCK_RAW) },
		"open a netlink socket":     func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW) },
		"open a UDP socket":         func() error { return socket(unix.AF_INET, unix.SOCK_DGRAM) },
		"open a VM socket":          func() error { return socket(unix.AF_VSOCK, unix.SOCK_STREAM) },
		"trace":                     func() error { return call(unix.SYS_PTRACE, unix.PTRACE_TRACEME) },
		"mount":                     func() error { return unix.Mount("x", "/bin", "tmpfs", 0, "") },
		"unmount":                   func() error { return unix.Unmount("/", unix.MNT_DETACH) },
		"make the root writable":    func() error { return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
		"make a user namespace":     func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"change the root":           func() error { return unix.Chroot("/") },
		"signal its starter":        func() error { return unix.Kill(starter, 0) },
		"signal everybody":          func() error { return unix.Kill(-1, 0) },
		"become root":               func() error { return become32(unix.SYS_SETRESUID, 0) },
		"become a daemon":           func() error { return become32(unix.SYS_SETRESUID, 1) },
		"change its group":          func() error { return become32(unix.SYS_SETRESGID, 0) },
		"outlive its starter":       func() error { return unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0) },
		"set the time":              func() error { return call(unix.SYS_SETTIMEOFDAY) },
		"set the name":              func() error { return unix.Sethostname([]byte("x")) },
		"raise its open files":      func() error { return raise(unix.RLIMIT_NOFILE) },
		"raise its core":            func() error { return raise(unix.RLIMIT_CORE) },
		"fork into a namespace":     fork,
		"start a shell":             func() error { return exec.Command("/bin/sh", "-c", "true").Run() },
		"make another filter":       func() error { return call(unix.SYS_SECCOMP, 1, 1) },
		"open by handle":            func() error { return call(unix.SYS_OPEN_BY_HANDLE_AT) },
		"read another's memory":     func() error { return call(unix.SYS_PROCESS_VM_READV, 1) },
		"take a descriptor":         func() error { return call(unix.SYS_PIDFD_GETFD) },
		"list keys":                 func() error { return call(unix.SYS_KEYCTL) },
		"add a key":                 func() error { return call(unix.SYS_ADD_KEY) },
		"load BPF":                  func() error { return call(unix.SYS_BPF) },
		"set up io_uring":           func() error { return call(unix.SYS_IO_URING_SETUP) },
		"handle faults":             func() error { return call(unix.SYS_USERFAULTFD) },
		"count events":              func() error { return call(unix.SYS_PERF_EVENT_OPEN) },
		"load a kernel":             func() error { return call(unix.SYS_KEXEC_LOAD) },
		"load a module":             func() error { return call(unix.SYS_INIT_MODULE) },
		"load a module from a file": func() error { return call(unix.SYS_FINIT_MODULE) },
		"enter a namespace":         func() error { return call(unix.SYS_SETNS) },
		"restart the machine":       func() error { return call(unix.SYS_REBOOT) },
		"swap":                      func() error { return call(unix.SYS_SWAPON) },
		"log":                       func() error { return call(unix.SYS_SYSLOG, 3) },
	}
	// In a worker's filter, these answer that they are not allowed before
	// they look at their nonsense; in the kernel they would say EFAULT or
	// EINVAL. So the test can tell.
	for _, name := range []string{"set the time", "list keys", "add a key", "load BPF", "set up io_uring", "handle faults", "count events", "load a kernel", "load a module", "load a module from a file", "enter a namespace", "restart the machine", "swap", "make another filter", "open by handle", "read another's memory", "take a descriptor"} {
		try := list[name]
		list[name] = func() error {
			if err := try(); errors.Is(err, unix.EPERM) {
				return err
			}
			return nil // it got past the filter
		}
	}
	return list
}

func read(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = io.ReadAll(file)
	return err
}

func dial(network, address string) error {
	conn, err := net.DialTimeout(network, address, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

func socket(family, kind int) error {
	fd, err := unix.Socket(family, kind, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func call(trap uintptr, args ...uintptr) error {
	var a [3]uintptr
	copy(a[:], args)
	if _, _, errno := syscall.RawSyscall(trap, a[0], a[1], a[2]); errno != 0 {
		return errno
	}
	return nil
}

func become32(trap, id uintptr) error { return call(trap, id, id, id) }

func raise(resource int) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &limit); err != nil {
		return err
	}
	limit.Max++
	return unix.Prlimit(0, resource, &limit, nil)
}

// fork clones with a new user namespace; the child, if there were one, ends.
func fork() error {
	pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, unix.CLONE_NEWUSER|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.Exit(0)
	}
	return nil
}
