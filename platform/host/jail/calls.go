package jail

// callsBasic are the system calls of a Go program that opens nothing: memory,
// threads, time, signals, and what it has open.
func callsBasic() []string {
	return []string{
		"brk", "mmap", "munmap", "mprotect", "madvise", "mremap", "mincore", "membarrier",
		"futex", "sched_yield", "sched_getaffinity", "set_robust_list", "rseq", "restart_syscall",
		"exit", "exit_group", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "uname",
		"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday",
		"timer_create", "timer_settime", "timer_gettime", "timer_delete", "setitimer", "getitimer",
		"timerfd_create", "timerfd_settime", "timerfd_gettime",
		"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "tgkill",
		"read", "write", "readv", "writev", "pread64", "pwrite64", "close", "fcntl", "fstat", "lseek", "dup", "dup3",
		"recvmsg", "sendmsg", "recvfrom", "sendto", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername",
		"epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "pipe2", "ppoll",
		"getrandom", "getrusage",
	}
}

// callsCommand are those that interpreters and their libraries use besides.
func callsCommand() []string {
	return []string{
		"execve", "execveat", "wait4", "waitid", "kill", "tkill", "rt_sigqueueinfo", "rt_sigpending", "rt_sigsuspend",
		"openat", "openat2", "newfstatat", "statx", "faccessat", "faccessat2", "readlinkat", "getdents64",
		"statfs", "fstatfs", "getcwd", "chdir", "fchdir", "umask", "flock", "fsync", "fdatasync", "ftruncate",
		"truncate", "fallocate", "fadvise64", "sync_file_range", "copy_file_range", "sendfile", "splice", "tee",
		"mkdirat", "unlinkat", "renameat", "renameat2", "linkat", "symlinkat", "fchmod", "fchmodat", "utimensat",
		"preadv", "pwritev", "preadv2", "pwritev2", "readahead", "close_range", "inotify_init1", "inotify_add_watch",
		"inotify_rm_watch", "signalfd4", "memfd_create", "msync", "mlock", "mlock2", "munlock",
		"bind", "listen", "accept", "accept4", "connect", "sendmmsg", "recvmmsg",
		"pselect6", "epoll_pwait2", "getgroups", "getresuid", "getresgid", "getpgid", "getsid", "setsid", "setpgid",
		"sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max",
		"sched_get_priority_min", "getpriority", "getcpu", "get_robust_list", "set_tid_address", "prlimit64",
		"getrlimit", "sysinfo", "times", "capget", "timer_getoverrun", "pidfd_open", "pidfd_send_signal",
	}
}
