/**
 * The system calls of a client and a server with TUN interfaces, routes, a burner, SCHED_FIFO and privileges given up, from start to
 * end, on Node 20 and x86-64: `strace -f -qq -o calls i405 ...`. Left out: pkey_alloc, whose refusal V8 takes for a processor without keys.
 */
export const SYSTEM_CALLS = (
  "access arch_prctl bind brk capget capset clock_nanosleep clone clone3 close connect dup2 " +
  "epoll_create1 epoll_ctl epoll_pwait eventfd2 execve exit exit_group fcntl fstat futex getcwd " +
  "getdents64 getegid geteuid getgid getpid getrandom getrusage getsockname getsockopt gettid getuid " +
  "ioctl lseek madvise mlock mmap mprotect munmap newfstatat openat pipe2 ppoll prctl pread64 prlimit64 " +
  "read readlink recvmsg rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity " +
  "sched_getscheduler sched_setaffinity sched_setscheduler sched_yield sendmsg sendto set_robust_list " +
  "set_tid_address setsockopt socket socketpair statx sysinfo tgkill uname wait4 write"
).split(" ");
