/* A disk that fails on demand, for one process: preloaded, it stands before the C library's calls.
 *
 * FAULT_DISK_BELOW  the folder whose files fail
 * FAULT_DISK_FULL   while this file exists, nothing can be written there: ENOSPC
 * FAULT_DISK_SYNC   while this file exists, nothing can be synced there: EIO
 *                   Either file may hold the end of a name: then only such files fail.
 * FAULT_DISK_HITS   gets a line for each failure
 * FAULT_DISK_SLOW   how many microseconds each write there takes longer
 *
 * A full disk takes what still fits: every other write is cut in half before the next one fails.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_uint writes;

/* Whether the flag file exists and its text, if it has any, is the end of the path. */
static int is_wanted(const char *flag, const char *path) {
    int file = flag ? (int)syscall(SYS_openat, AT_FDCWD, flag, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (file < 0) return 0;
    char end[256];
    long length = syscall(SYS_read, file, end, sizeof end);
    syscall(SYS_close, file);
    long path_length = (long)strlen(path);
    return length <= 0 || (length <= path_length && memcmp(path + path_length - length, end, (size_t)length) == 0);
}

static void note(const char *what, const char *path) {
    const char *hits = getenv("FAULT_DISK_HITS");
    int file = hits ? (int)syscall(SYS_openat, AT_FDCWD, hits, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file < 0) return;
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %s\n", what, path);
    syscall(SYS_write, file, line, (size_t)length);
    syscall(SYS_close, file);
}

/* Whether the descriptor's file is one of those that fail; its path, too. */
static int is_below(int descriptor, char path[PATH_MAX]) {
    const char *below = getenv("FAULT_DISK_BELOW");
    if (!below) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, below, strlen(below)) == 0;
}

/* Whether a call on this descriptor is to fail. */
static int fails(const char *flag, const char *what, int descriptor) {
    int before = errno;
    char path[PATH_MAX];
    int is_hit = is_below(descriptor, path) && is_wanted(getenv(flag), path);
    if (is_hit) note(what, path);
    errno = before;
    return is_hit;
}

static void be_slow(int descriptor) {
    int before = errno;
    const char *slow = getenv("FAULT_DISK_SLOW");
    char path[PATH_MAX];
    if (slow && is_below(descriptor, path)) usleep((useconds_t)atoi(slow));
    errno = before;
}

/* How much of a write on a full disk still fits; 0 where nothing does. */
static size_t fits(size_t size) {
    return atomic_fetch_add(&writes, 1) % 2 ? 0 : size / 2;
}

static int fail(int error) {
    errno = error;
    return -1;
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FULL(descriptor, what) fails("FAULT_DISK_FULL", what, descriptor)

ssize_t write(int descriptor, const void *bytes, size_t size) {
    NEXT(write);
    if (FULL(descriptor, "write") && (size = fits(size)) == 0) return fail(ENOSPC);
    return next(descriptor, bytes, size);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t at) {
    NEXT(pwrite64);
    be_slow(descriptor);
    if (FULL(descriptor, "write") && (size = fits(size)) == 0) return fail(ENOSPC);
    return next(descriptor, bytes, size, at);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t at) {
    return pwrite64(descriptor, bytes, size, at);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    NEXT(writev);
    if (FULL(descriptor, "write")) return fail(ENOSPC);
    return next(descriptor, parts, count);
}

int ftruncate64(int descriptor, off64_t size) {
    NEXT(ftruncate64);
    if (FULL(descriptor, "truncate")) return fail(ENOSPC);
    return next(descriptor, size);
}

int ftruncate(int descriptor, off_t size) {
    return ftruncate64(descriptor, size);
}

int fallocate64(int descriptor, int mode, off64_t from, off64_t size) {
    NEXT(fallocate64);
    if (FULL(descriptor, "allocate")) return fail(ENOSPC);
    return next(descriptor, mode, from, size);
}

int fallocate(int descriptor, int mode, off_t from, off_t size) {
    return fallocate64(descriptor, mode, from, size);
}

int posix_fallocate64(int descriptor, off64_t from, off64_t size) {
    NEXT(posix_fallocate64);
    if (FULL(descriptor, "allocate")) return ENOSPC;
    return next(descriptor, from, size);
}

int posix_fallocate(int descriptor, off_t from, off_t size) {
    return posix_fallocate64(descriptor, from, size);
}

int fsync(int descriptor) {
    NEXT(fsync);
    if (fails("FAULT_DISK_SYNC", "sync", descriptor)) return fail(EIO);
    return next(descriptor);
}

int fdatasync(int descriptor) {
    NEXT(fdatasync);
    if (fails("FAULT_DISK_SYNC", "sync", descriptor)) return fail(EIO);
    return next(descriptor);
}
