/* Stops a process, or fills its disk, at the n-th system call that changes something below a folder.

   A seccomp filter turns such calls into SIGSYS, whoever makes them: Python, the C library's own stdio (which
   no LD_PRELOAD sees), C++ streams, Rust. The handler makes the call itself, from the one address that the
   filter lets through. Writes into mapped memory are no calls and are not seen.

   Loaded before the C library (LD_PRELOAD) it also owns the wall clock, which then can jump at such a call.
   Linux on x86-64 only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum kind { COUNT, KILL, HALF, FULL, FAIL, JUMP };

static char folder[4096];
static size_t folder_length;
static int kind, trace_fd = -1;
static long number, jump_s;
static atomic_long n_calls;
static atomic_long shift_s;

long shim_syscall(long name, long a, long b, long c, long d, long e, long f);
extern char shim_after[];
__asm__(".text\n.globl shim_syscall\n.type shim_syscall,@function\nshim_syscall:\n"
        "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\n"
        "mov 8(%rsp),%r9\nsyscall\n.globl shim_after\nshim_after:\nret\n");

static int is_below(const char *path) {
    return !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

static int path_of_fd(long fd, char *path, size_t size) {
    char link[64];
    if (fd == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
    long n = shim_syscall(SYS_readlink, (long)link, (long)path, size - 1, 0, 0, 0);
    path[n < 0 ? 0 : n] = 0;
    return n > 0;
}

static int path_at(long fd, const char *name, char *path, size_t size) {
    if (!name) return 0;
    if (name[0] == '/') return snprintf(path, size, "%s", name) > 0;
    if (!path_of_fd(fd, path, size)) return 0;
    size_t n = strlen(path);
    return snprintf(path + n, size - n, "/%s", name) > 0;
}

/* What a call is about: the path, how it is told, and whether it takes room on a disk. */
struct call { const char *name; char path[4096]; int takes_room, writes; };

static int fd_call(struct call *call, const char *name, long fd, int takes_room, int writes) {
    call->name = name, call->takes_room = takes_room, call->writes = writes;
    return path_of_fd(fd, call->path, sizeof call->path) && is_below(call->path);
}

static int path_call(struct call *call, const char *name, long fd, long path, int takes_room) {
    call->name = name, call->takes_room = takes_room, call->writes = 0;
    return path_at(fd, (const char *)path, call->path, sizeof call->path) && is_below(call->path);
}

static int open_call(struct call *call, long fd, long path, long flags) {
    if (!(flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))) return 0;
    if (!path_call(call, "open", fd, path, 0)) return 0;
    call->takes_room = (flags & O_CREAT) && shim_syscall(SYS_access, (long)call->path, F_OK, 0, 0, 0, 0) < 0;
    return call->takes_room || (flags & O_TRUNC);
}

static int two_paths(struct call *call, const char *name, long fd, long from, long to_fd, long to, int room) {
    return path_call(call, name, to_fd, to, room) || path_call(call, name, fd, from, room);
}

static int is_about_folder(struct call *call, long name, const long *a) {
    switch (name) {
    case SYS_write: case SYS_pwrite64: return fd_call(call, "write", a[0], 1, 1);
    case SYS_writev: case SYS_pwritev: case SYS_pwritev2: return fd_call(call, "writev", a[0], 1, 0);
    case SYS_open: return open_call(call, AT_FDCWD, a[0], a[1]);
    case SYS_creat: return open_call(call, AT_FDCWD, a[0], O_CREAT | O_TRUNC | O_WRONLY);
    case SYS_openat: return open_call(call, a[0], a[1], a[2]);
    case SYS_rename: return two_paths(call, "rename", AT_FDCWD, a[0], AT_FDCWD, a[1], 0);
    case SYS_renameat: case SYS_renameat2: return two_paths(call, "rename", a[0], a[1], a[2], a[3], 0);
    case SYS_link: return two_paths(call, "link", AT_FDCWD, a[0], AT_FDCWD, a[1], 1);
    case SYS_linkat: return two_paths(call, "link", a[0], a[1], a[2], a[3], 1);
    case SYS_symlink: return path_call(call, "symlink", AT_FDCWD, a[1], 1);
    case SYS_symlinkat: return path_call(call, "symlink", a[1], a[2], 1);
    case SYS_unlink: return path_call(call, "unlink", AT_FDCWD, a[0], 0);
    case SYS_unlinkat: return path_call(call, "unlink", a[0], a[1], 0);
    case SYS_rmdir: return path_call(call, "rmdir", AT_FDCWD, a[0], 0);
    case SYS_mkdir: return path_call(call, "mkdir", AT_FDCWD, a[0], 1);
    case SYS_mkdirat: return path_call(call, "mkdir", a[0], a[1], 1);
    case SYS_fsync: case SYS_fdatasync: return fd_call(call, "fsync", a[0], 0, 0);
    case SYS_truncate: return path_call(call, "truncate", AT_FDCWD, a[0], 0);
    case SYS_ftruncate: return fd_call(call, "truncate", a[0], 0, 0);
    case SYS_fallocate: return fd_call(call, "fallocate", a[0], 1, 0);
    case SYS_copy_file_range: return fd_call(call, "copy_file_range", a[2], 1, 0);
    case SYS_sendfile: return fd_call(call, "sendfile", a[0], 1, 0);
    }
    return 0;
}

static const int WATCHED[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_open, SYS_creat, SYS_openat, SYS_rename,
    SYS_renameat, SYS_renameat2, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_unlink, SYS_unlinkat,
    SYS_rmdir, SYS_mkdir, SYS_mkdirat, SYS_fsync, SYS_fdatasync, SYS_truncate, SYS_ftruncate, SYS_fallocate,
    SYS_copy_file_range, SYS_sendfile,
};
#define N_WATCHED (sizeof WATCHED / sizeof *WATCHED)

static long forward(long name, const long *a) {
    return shim_syscall(name, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void die(void) {
    shim_syscall(SYS_kill, shim_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0, 0);
    for (;;) shim_syscall(SYS_pause, 0, 0, 0, 0, 0, 0);
}

static void trace(long n, const struct call *call) {
    char line[4400];
    if (trace_fd < 0) return;
    int length = snprintf(line, sizeof line, "%ld %s %s\n", n, call->name, call->path + folder_length);
    shim_syscall(SYS_write, trace_fd, (long)line, length, 0, 0, 0);
}

static long half(long name, long *a) {
    a[2] = a[2] > 1 ? a[2] / 2 : a[2];
    return forward(name, a);
}

static long injected(long name, long *a) {
    struct call call;
    if (!is_about_folder(&call, name, a)) return forward(name, a);
    long n = atomic_fetch_add(&n_calls, 1) + 1;
    trace(n, &call);
    int is_it = n == number, is_big = call.writes && a[2] > 1;
    if (kind == KILL && is_it) die();
    if (kind == HALF && is_it) {
        if (is_big) half(name, a);
        die();
    }
    if (kind == JUMP && is_it) atomic_fetch_add(&shift_s, jump_s);
    if (kind == FAIL && is_it) return -EIO;
    if (kind == FULL && is_it && is_big) return half(name, a);
    if (kind == FULL && number && (n > number ? call.takes_room : is_it && strcmp(call.name, "unlink")))
        return -ENOSPC;
    return forward(name, a);
}

static void on_call(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
    long a[6] = {r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8], r[REG_R9]};
    r[REG_RAX] = injected(info->si_syscall, a);
}

static int install_filter(void) {
    struct sock_filter f[8 + N_WATCHED + 2];
    unsigned long after = (unsigned long)shim_after;
    size_t n = 0;
    f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer));
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)after, 0, 2);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4);
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(after >> 32), N_WATCHED + 1, 0);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < N_WATCHED; i++)
        f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, WATCHED[i], N_WATCHED - i, 0);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog program = {n, f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -errno;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program)) return -errno;
    return 0;
}

/* Watch this process from now on: there is no way back. `trace` is a descriptor, or -1. */
int shim_watch(const char *below, int what, long at, long jump, int trace) {
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
    snprintf(folder, sizeof folder, "%s", below);
    folder_length = strlen(folder);
    kind = what, number = at, jump_s = jump, trace_fd = trace;
    atomic_store(&n_calls, 0);
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSYS);
    if (sigaction(SIGSYS, &action, NULL)) return -errno;
    return install_filter();
}

long shim_count(void) { return atomic_load(&n_calls); }

/* The wall clock, where this library comes before the C library. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += atomic_load(&shift_s);
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec, now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}
