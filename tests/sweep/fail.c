// SPDX-License-Identifier: MIT
// Loaded into a program by LD_PRELOAD: lets calls fail that hardly ever do. By the environment:
//
//   SWEEP_MODE=alloc   the SWEEP_AT-th allocation fails
//   SWEEP_MODE=call    the SWEEP_AT-th system call fails, in the SWEEP_TURN-th way that it can
//   SWEEP_MODE=eintr   every third system call that a signal can interrupt is interrupted
//   SWEEP_MODE=short   nothing reads or writes more than a few bytes at a time
//   SWEEP_FROM=1       not only the SWEEP_AT-th but all from there on
//   SWEEP_LOG=FILE     gets "failed NAME ERRNO" with the addresses of the callers, and at the end "total COUNT"
//
// SWEEP_AT=0 only counts. Only the program itself is meant: what it starts is not. What the C library does inside
// (stdio) is not seen.

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum mode { OFF, ALLOC, CALL, INTERRUPTED, SHORT };

static enum mode mode;
static long at;
static unsigned turn;
static bool from;
static int log_fd = -1;
static atomic_long count;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static void tell(const char *what, const char *name, long number)
{
    char line[160];
    int n = snprintf(line, sizeof(line), "%s %s %ld\n", what, name, number);
    if (log_fd >= 0)
        syscall(SYS_write, log_fd, line, (size_t)n);
}

static void tell_failure(const char *name, int number)
{
    void *frames[24];
    tell("failed", name, number);
    if (log_fd >= 0)
        backtrace_symbols_fd(frames, backtrace(frames, 24), log_fd);
}

// Whether the call that is counted now is the one.
static bool is_due(void)
{
    long n = atomic_fetch_add(&count, 1) + 1;
    return at > 0 && (from ? n >= at : n == at);
}

// Backtraces load a library when first asked for one, which is done before anything counts.
__attribute__((constructor)) static void begin(void)
{
    static const char *const names[] = {"", "alloc", "call", "eintr", "short"};
    const char *wanted = getenv("SWEEP_MODE");
    const char *log = getenv("SWEEP_LOG");
    void *frame[1];
    backtrace(frame, 1);
    at = getenv("SWEEP_AT") ? strtol(getenv("SWEEP_AT"), NULL, 10) : 0;
    turn = getenv("SWEEP_TURN") ? (unsigned)strtoul(getenv("SWEEP_TURN"), NULL, 10) : 0;
    from = getenv("SWEEP_FROM") != NULL;
    if (log)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log,
                              O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd >= 0 && log_fd < 100) { // out of the program's way
        int high = (int)syscall(SYS_fcntl, log_fd, F_DUPFD_CLOEXEC, 100);
        syscall(SYS_close, log_fd);
        log_fd = high;
    }
    unsetenv("LD_PRELOAD");
    for (int i = ALLOC; wanted && i <= SHORT; i++)
        if (strcmp(wanted, names[i]) == 0)
            mode = (enum mode)i;
    atomic_store(&count, 0);
}

__attribute__((destructor)) static void end(void)
{
    tell("total", "calls", atomic_load(&count));
    log_fd = -1;
}

void _exit(int code)
{
    end();
    syscall(SYS_exit_group, code);
    __builtin_unreachable();
}

// ---- allocations -----------------------------------------------------------------------------

static bool no_memory(const char *name)
{
    if (mode != ALLOC || !is_due())
        return false;
    mode = from ? ALLOC : OFF; // telling may allocate
    tell_failure(name, ENOMEM);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return no_memory("malloc") ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return no_memory("calloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return no_memory("realloc") ? NULL : __libc_realloc(p, n);
}

// ---- system calls ----------------------------------------------------------------------------

static bool fails(const char *name, bool interruptible, const int *ways, size_t n_ways)
{
    static __thread unsigned dice = 1;
    int why = 0;
    if (mode == CALL && is_due()) {
        why = ways[turn % n_ways];
    } else if (mode == INTERRUPTED && interruptible) {
        // Never in a rhythm: who alternates between two calls would wait for ever.
        dice = dice * 1103515245U + 12345U;
        why = (dice >> 16) % 3 == 0 ? EINTR : 0;
    }
    if (why == 0)
        return false;
    if (mode == CALL)
        tell_failure(name, why);
    errno = why;
    return true;
}

#define WAYS(...) ((const int[]){__VA_ARGS__}), sizeof((const int[]){__VA_ARGS__}) / sizeof(int)
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// A call that fails with a value and errno, or does what it always does.
#define WRAP(result, name, params, args, failed, interruptible, ...)                               \
    result name params                                                                             \
    {                                                                                              \
        return fails(#name, interruptible, WAYS(__VA_ARGS__)) ? (failed) : REAL(name) args;        \
    }

// Where a part is as good as all of it: files, pipes and streams, not the eight bytes of an eventfd.
static size_t some(int fd, size_t n)
{
    struct stat st;
    if (mode != SHORT || n < 2 || syscall(SYS_fstat, fd, &st) != 0 ||
        !(S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return n;
    size_t few = 1 + (size_t)(atomic_fetch_add(&count, 1) % 7) * 311;
    return n < few ? n : few;
}

ssize_t read(int fd, void *buf, size_t n)
{
    return fails("read", true, WAYS(EIO, EINTR)) ? -1 : syscall(SYS_read, fd, buf, some(fd, n));
}

ssize_t pread(int fd, void *buf, size_t n, off_t where)
{
    return fails("pread", true, WAYS(EIO)) ? -1 : syscall(SYS_pread64, fd, buf, some(fd, n), where);
}

ssize_t write(int fd, const void *buf, size_t n)
{
    return fails("write", true, WAYS(ENOSPC, EIO, EINTR))
               ? -1
               : syscall(SYS_write, fd, buf, some(fd, n));
}

// Only a call that waits can be interrupted.
static bool waits(int fd, int flags)
{
    return !(flags & MSG_DONTWAIT) && !(syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK);
}

ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    if (fails("recv", waits(fd, flags), WAYS(ECONNRESET, ETIMEDOUT, EINTR)))
        return -1;
    return syscall(SYS_recvfrom, fd, buf, some(fd, n), flags, NULL, NULL);
}

ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    if (fails("send", waits(fd, flags), WAYS(EPIPE, ECONNRESET, EINTR)))
        return -1;
    return syscall(SYS_sendto, fd, buf, some(fd, n), flags, NULL, 0);
}

// The mode is the fourth argument only where a file can be made. ENOENT is none of the ways: a file that is not there
// is no failure.
static int open_really(int folder, const char *path, int flags, mode_t bits)
{
    return (int)syscall(SYS_openat, folder, path, flags, bits);
}

#define BITS(after)                                                                                \
    mode_t bits = 0;                                                                               \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                         \
        va_list ap;                                                                                \
        va_start(ap, after);                                                                       \
        bits = va_arg(ap, mode_t);                                                                 \
        va_end(ap);                                                                                \
    }

int open(const char *path, int flags, ...)
{
    BITS(flags)
    if (fails("open", false, WAYS(EMFILE, EIO, EACCES)))
        return -1;
    return open_really(AT_FDCWD, path, flags, bits);
}

int openat(int folder, const char *path, int flags, ...)
{
    BITS(flags)
    if (fails("openat", false, WAYS(EMFILE, EIO, EACCES)))
        return -1;
    return open_really(folder, path, flags, bits);
}

int __open_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return open(path, flags, 0);
}

int __openat_2(int folder, const char *path, int flags)
{
    return openat(folder, path, flags, 0);
}

// The descriptor is closed all the same, as the kernel does it.
int close(int fd)
{
    int rc = (int)syscall(SYS_close, fd);
    return fails("close", false, WAYS(EIO)) ? -1 : rc;
}

WRAP(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), -1, true, ENOMEM, EINTR)
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1, false, EMFILE,
     ENOBUFS)
WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds), -1, false, EMFILE)
WRAP(int, connect, (int fd, const struct sockaddr *addr, socklen_t n), (fd, addr, n), -1, false,
     ECONNREFUSED, ETIMEDOUT, EAGAIN)
WRAP(int, bind, (int fd, const struct sockaddr *addr, socklen_t n), (fd, addr, n), -1, false,
     EADDRINUSE, EACCES)
WRAP(int, listen, (int fd, int n), (fd, n), -1, false, EADDRINUSE)
WRAP(int, accept4, (int fd, struct sockaddr *addr, socklen_t *n, int flags), (fd, addr, n, flags),
     -1, true, EMFILE, ECONNABORTED, EINTR)
WRAP(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *n), (fd, addr, n), -1, false,
     ENOBUFS)
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *n),
     (fd, level, name, value, n), -1, false, ENOBUFS)
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t n),
     (fd, level, name, value, n), -1, false, ENOBUFS)
WRAP(int, pipe2, (int fds[2], int flags), (fds, flags), -1, false, EMFILE, ENFILE)
WRAP(int, dup, (int fd), (fd), -1, false, EMFILE)
WRAP(int, eventfd, (unsigned start, int flags), (start, flags), -1, false, EMFILE)
WRAP(int, eventfd_write, (int fd, eventfd_t value), (fd, value), -1, true, EAGAIN)
WRAP(ssize_t, getrandom, (void *buf, size_t n, unsigned flags), (buf, n, flags), -1, true, ENOSYS,
     EINTR)
WRAP(int, fstat, (int fd, struct stat *st), (fd, st), -1, false, EIO)
WRAP(int, stat, (const char *path, struct stat *st), (path, st), -1, false, EIO, EACCES)
WRAP(int, lstat, (const char *path, struct stat *st), (path, st), -1, false, EIO, EACCES)
WRAP(int, fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags),
     -1, false, EIO, EACCES)
WRAP(int, access, (const char *path, int how), (path, how), -1, false, EACCES)
WRAP(int, fchmod, (int fd, mode_t bits), (fd, bits), -1, false, EIO)
WRAP(int, fsync, (int fd), (fd), -1, true, EIO)
WRAP(int, mkdir, (const char *path, mode_t bits), (path, bits), -1, false, ENOSPC, EACCES)
WRAP(int, mkdirat, (int fd, const char *path, mode_t bits), (fd, path, bits), -1, false, ENOSPC)
WRAP(int, rename, (const char *a, const char *b), (a, b), -1, false, EIO, ENOSPC)
WRAP(int, renameat, (int x, const char *a, int y, const char *b), (x, a, y, b), -1, false, EIO)
WRAP(int, linkat, (int x, const char *a, int y, const char *b, int flags), (x, a, y, b, flags), -1,
     false, EIO)
WRAP(int, symlinkat, (const char *to, int fd, const char *path), (to, fd, path), -1, false, EIO)
WRAP(int, futimens, (int fd, const struct timespec when[2]), (fd, when), -1, false, EIO)
WRAP(int, utimensat, (int fd, const char *path, const struct timespec when[2], int flags),
     (fd, path, when, flags), -1, false, EIO)
WRAP(off_t, lseek, (int fd, off_t to, int whence), (fd, to, whence), -1, false, EIO)
WRAP(int, mkostemp, (char *path, int flags), (path, flags), -1, false, ENOSPC, EACCES)
WRAP(char *, mkdtemp, (char *path), (path), NULL, false, ENOSPC, EACCES)
WRAP(char *, realpath, (const char *path, char *out), (path, out), NULL, false, EACCES, EIO)
WRAP(ssize_t, readlink, (const char *path, char *buf, size_t n), (path, buf, n), -1, false, EIO)
WRAP(ssize_t, readlinkat, (int fd, const char *path, char *buf, size_t n), (fd, path, buf, n), -1,
     false, EIO)
WRAP(DIR *, opendir, (const char *path), (path), NULL, false, EMFILE, EACCES)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL, false, EMFILE)
WRAP(struct dirent *, readdir, (DIR * dir), (dir), NULL, false, EIO)
WRAP(int, gethostname, (char *name, size_t n), (name, n), -1, false, EIO)
WRAP(pid_t, waitpid, (pid_t pid, int *status, int flags), (pid, status, flags), -1, true, EINTR)

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
    if (fails("posix_spawnp", false, WAYS(EAGAIN, ENOMEM, ENOENT)))
        return errno;
    return REAL(posix_spawnp)(pid, file, actions, attr, argv, env);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    if (fails("pthread_create", false, WAYS(EAGAIN)))
        return errno;
    return REAL(pthread_create)(thread, attr, run, arg);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    if (fails("getaddrinfo", false, WAYS(ENOMEM)))
        return EAI_MEMORY;
    return REAL(getaddrinfo)(node, service, hints, out);
}
