/* A preloaded library that counts what a process writes below some folders, and fails or kills at the n-th call.

   It is steered by environment variables, read at each call, so a fork of a warm interpreter obeys its own:
   SHIM_FOLDERS  folders, with ":" between them; without it, nothing is counted
   SHIM_COUNTS   a file that this library maps: totals by kind (int64, in the order of `enum kind`), the number
                 of faults, and at byte 256 the path of the last fault; processes share it, so they count together
   SHIM_KIND     write, sync, rename, mmap, size, open, folder or remove; without it, calls are only counted
   SHIM_AT       the call of that kind that fails, from 1
   SHIM_HOW      a number: errno. short: writes half of it. kill: SIGKILL before, in the midst of a write
                 (half of it is written) or of a rename; killed: SIGKILL after the call
   SHIM_ON       "on": all later calls of the kind fail as well                                                 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, RENAME, MMAP, SIZE, OPEN, FOLDER, REMOVE, N_KINDS };
static const char *const NAMES[] = {"write", "sync", "rename", "mmap", "size", "open", "folder", "remove"};
enum what { PASS, FAIL, SHORT, KILL, KILLED };

static int64_t own[64];

#define REAL(name) __extension__({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

static int64_t *find_counts(void) {
    static char mapped_name[PATH_MAX];
    static int64_t *mapped;
    const char *name = getenv("SHIM_COUNTS");
    if (!name) return own;
    if (mapped && !strcmp(name, mapped_name)) return mapped;
    int file = REAL(open)(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0 || REAL(ftruncate)(file, 4096)) return own;
    void *at = REAL(mmap)(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at == MAP_FAILED) return own;
    strncpy(mapped_name, name, sizeof mapped_name - 1);
    return mapped = at;
}

static int is_below(const char *path, const char *folders) {
    while (*folders) {
        size_t length = strcspn(folders, ":");
        if (!strncmp(path, folders, length) && (path[length] == '/' || !path[length])) return 1;
        folders += length + (folders[length] == ':');
    }
    return 0;
}

/* What is to become of a call of a kind on a path; counts it. */
static enum what judge(enum kind kind, const char *path) {
    const char *folders = getenv("SHIM_FOLDERS");
    if (!folders || !is_below(path, folders)) return PASS;
    int64_t *counts = find_counts();
    int64_t n = __atomic_add_fetch(&counts[kind], 1, __ATOMIC_SEQ_CST);
    const char *wanted = getenv("SHIM_KIND"), *at = getenv("SHIM_AT"), *how = getenv("SHIM_HOW");
    if (!wanted || !at || !how || strcmp(wanted, NAMES[kind])) return PASS;
    int64_t first = atoll(at);
    if (n < first || (n > first && !getenv("SHIM_ON"))) return PASS;
    if (counts != own) {
        __atomic_add_fetch(&counts[N_KINDS], 1, __ATOMIC_SEQ_CST);
        snprintf((char *)counts + 256, 1024, "%s", path);
    }
    if (!strcmp(how, "kill")) return KILL;
    if (!strcmp(how, "killed")) return KILLED;
    if (!strcmp(how, "short")) return SHORT;
    errno = atoi(how);
    return FAIL;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static enum what judge_file(enum kind kind, int file) {
    char link[64], path[PATH_MAX];
    int before = errno;
    if (!getenv("SHIM_FOLDERS")) return PASS;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof path - 1);
    errno = before;
    if (n <= 0) return PASS;
    path[n] = 0;
    return judge(kind, path);
}

static enum what judge_path(enum kind kind, int folder, const char *path) {
    char link[64], whole[2 * PATH_MAX];
    int before = errno;
    if (!getenv("SHIM_FOLDERS") || !path) return PASS;
    if (path[0] == '/') return judge(kind, path);
    ssize_t n = 0;
    if (folder == AT_FDCWD) {
        if (getcwd(whole, PATH_MAX)) n = strlen(whole);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        n = readlink(link, whole, PATH_MAX);
    }
    errno = before;
    if (n <= 0) return PASS;
    snprintf(whole + n, sizeof whole - n, "/%s", path);
    return judge(kind, whole);
}

/* A write of `n` bytes: `half` is the call for the first half of them, `call` that for all. */
#define AS_JUDGED(verdict, n, half, call)                                                                        \
    switch (verdict) {                                                                                           \
    case FAIL: return -1;                                                                                        \
    case SHORT: return (n) > 1 ? (half) : (call);                                                                \
    case KILL: if ((n) > 1 && (half) < 0) {} die(); break;                                                       \
    case KILLED: if ((call) < 0) {} die(); break;                                                                \
    case PASS: break;                                                                                            \
    }                                                                                                            \
    return (call)

#define AS_TOLD(verdict, call)                                                                                   \
    switch (verdict) {                                                                                           \
    case FAIL: return -1;                                                                                        \
    case KILL: die(); break;                                                                                     \
    case KILLED: if ((call) < 0) {} die(); break;                                                                \
    default: break;                                                                                              \
    }                                                                                                            \
    return (call)

ssize_t write(int file, const void *data, size_t n) {
    AS_JUDGED(judge_file(WRITE, file), n, REAL(write)(file, data, n / 2), REAL(write)(file, data, n));
}
ssize_t pwrite(int file, const void *data, size_t n, off_t at) {
    AS_JUDGED(judge_file(WRITE, file), n, REAL(pwrite)(file, data, n / 2, at), REAL(pwrite)(file, data, n, at));
}
ssize_t pwrite64(int file, const void *data, size_t n, off64_t at) {
    AS_JUDGED(judge_file(WRITE, file), n, REAL(pwrite64)(file, data, n / 2, at), REAL(pwrite64)(file, data, n, at));
}
ssize_t writev(int file, const struct iovec *parts, int n) {
    AS_JUDGED(judge_file(WRITE, file), n, REAL(writev)(file, parts, n / 2), REAL(writev)(file, parts, n));
}
ssize_t pwritev(int file, const struct iovec *parts, int n, off_t at) {
    AS_JUDGED(judge_file(WRITE, file), n, REAL(pwritev)(file, parts, n / 2, at), REAL(pwritev)(file, parts, n, at));
}
ssize_t sendfile(int to, int from, off_t *at, size_t n) {
    AS_JUDGED(judge_file(WRITE, to), n, REAL(sendfile)(to, from, at, n / 2), REAL(sendfile)(to, from, at, n));
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t n) {
    AS_JUDGED(judge_file(WRITE, to), n, REAL(sendfile64)(to, from, at, n / 2), REAL(sendfile64)(to, from, at, n));
}
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *at, size_t n, unsigned flags) {
    AS_JUDGED(judge_file(WRITE, to), n, REAL(copy_file_range)(from, from_at, to, at, n / 2, flags),
              REAL(copy_file_range)(from, from_at, to, at, n, flags));
}
/* TensorFlow writes its logs by these; what glibc does inside them passes no symbol. */
size_t fwrite(const void *data, size_t size, size_t n, FILE *stream) {
    switch (judge_file(WRITE, fileno(stream))) {
    case FAIL: return 0;
    case SHORT: return REAL(fwrite)(data, size, n / 2, stream);
    case KILL: REAL(fwrite)(data, size, n / 2, stream); fflush(stream); die(); break;
    case KILLED: REAL(fwrite)(data, size, n, stream); fflush(stream); die(); break;
    case PASS: break;
    }
    return REAL(fwrite)(data, size, n, stream);
}

int fsync(int file) { AS_TOLD(judge_file(SYNC, file), REAL(fsync)(file)); }
int fdatasync(int file) { AS_TOLD(judge_file(SYNC, file), REAL(fdatasync)(file)); }

int rename(const char *from, const char *to) {
    AS_TOLD(judge_path(RENAME, AT_FDCWD, to), REAL(rename)(from, to));
}
int renameat(int from_folder, const char *from, int folder, const char *to) {
    AS_TOLD(judge_path(RENAME, folder, to), REAL(renameat)(from_folder, from, folder, to));
}
int renameat2(int from_folder, const char *from, int folder, const char *to, unsigned flags) {
    AS_TOLD(judge_path(RENAME, folder, to), REAL(renameat2)(from_folder, from, folder, to, flags));
}
int link(const char *from, const char *to) { AS_TOLD(judge_path(RENAME, AT_FDCWD, to), REAL(link)(from, to)); }

int ftruncate(int file, off_t n) { AS_TOLD(judge_file(SIZE, file), REAL(ftruncate)(file, n)); }
int ftruncate64(int file, off64_t n) { AS_TOLD(judge_file(SIZE, file), REAL(ftruncate64)(file, n)); }
int fallocate(int file, int mode, off_t at, off_t n) {
    AS_TOLD(judge_file(SIZE, file), REAL(fallocate)(file, mode, at, n));
}
int fallocate64(int file, int mode, off64_t at, off64_t n) {
    AS_TOLD(judge_file(SIZE, file), REAL(fallocate64)(file, mode, at, n));
}
/* These give the number of the error back. */
#define AS_NUMBER(verdict, call)                                                                                 \
    switch (verdict) {                                                                                           \
    case FAIL: return errno;                                                                                     \
    case KILL: die(); break;                                                                                     \
    case KILLED: if ((call) != 0) {} die(); break;                                                               \
    default: break;                                                                                              \
    }                                                                                                            \
    return (call)
int posix_fallocate(int file, off_t at, off_t n) {
    AS_NUMBER(judge_file(SIZE, file), REAL(posix_fallocate)(file, at, n));
}
int posix_fallocate64(int file, off64_t at, off64_t n) {
    AS_NUMBER(judge_file(SIZE, file), REAL(posix_fallocate64)(file, at, n));
}

static enum what judge_map(int flags, int file) {
    return flags & MAP_ANONYMOUS || file < 0 ? PASS : judge_file(MMAP, file);
}
void *mmap(void *near, size_t n, int protection, int flags, int file, off_t at) {
    enum what what = judge_map(flags, file);
    if (what == FAIL) return MAP_FAILED;
    if (what == KILL || what == KILLED) die();
    return REAL(mmap)(near, n, protection, flags, file, at);
}
void *mmap64(void *near, size_t n, int protection, int flags, int file, off64_t at) {
    enum what what = judge_map(flags, file);
    if (what == FAIL) return MAP_FAILED;
    if (what == KILL || what == KILLED) die();
    return REAL(mmap64)(near, n, protection, flags, file, at);
}

/* Opening for writing or making; the mode is read whether it was given or not, which does no harm here. */
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define MODE(last) __extension__({ va_list more; va_start(more, last); mode_t m = va_arg(more, mode_t); va_end(more); m; })
int open(const char *path, int flags, ...) {
    mode_t mode = MODE(flags);
    AS_TOLD(WRITES(flags) ? judge_path(OPEN, AT_FDCWD, path) : PASS, REAL(open)(path, flags, mode));
}
int open64(const char *path, int flags, ...) {
    mode_t mode = MODE(flags);
    AS_TOLD(WRITES(flags) ? judge_path(OPEN, AT_FDCWD, path) : PASS, REAL(open64)(path, flags, mode));
}
int openat(int folder, const char *path, int flags, ...) {
    mode_t mode = MODE(flags);
    AS_TOLD(WRITES(flags) ? judge_path(OPEN, folder, path) : PASS, REAL(openat)(folder, path, flags, mode));
}
int openat64(int folder, const char *path, int flags, ...) {
    mode_t mode = MODE(flags);
    AS_TOLD(WRITES(flags) ? judge_path(OPEN, folder, path) : PASS, REAL(openat64)(folder, path, flags, mode));
}
static enum what judge_stream(const char *path, const char *mode) {
    return strpbrk(mode, "wa+") ? judge_path(OPEN, AT_FDCWD, path) : PASS;
}
FILE *fopen(const char *path, const char *mode) {
    enum what what = judge_stream(path, mode);
    if (what == FAIL) return NULL;
    if (what == KILL || what == KILLED) die();
    return REAL(fopen)(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
    enum what what = judge_stream(path, mode);
    if (what == FAIL) return NULL;
    if (what == KILL || what == KILLED) die();
    return REAL(fopen64)(path, mode);
}

int mkdir(const char *path, mode_t mode) { AS_TOLD(judge_path(FOLDER, AT_FDCWD, path), REAL(mkdir)(path, mode)); }
int mkdirat(int folder, const char *path, mode_t mode) {
    AS_TOLD(judge_path(FOLDER, folder, path), REAL(mkdirat)(folder, path, mode));
}
int unlink(const char *path) { AS_TOLD(judge_path(REMOVE, AT_FDCWD, path), REAL(unlink)(path)); }
int unlinkat(int folder, const char *path, int flags) {
    AS_TOLD(judge_path(REMOVE, folder, path), REAL(unlinkat)(folder, path, flags));
}
