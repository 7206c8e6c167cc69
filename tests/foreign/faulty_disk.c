/* Loaded before libc: fails the calls that write files while the file named by FAULTY_DISK says so.
   It holds "write ERRNO" or "sync ERRNO". Sockets and pipes are left alone: SQLite writes files by pwrite64. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static int fault(const char *call) {
    const char *path = getenv("FAULTY_DISK");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    char name[16] = "";
    int number = 0;
    int found = fscanf(file, "%15s %d", name, &number);
    fclose(file);
    return found == 2 && strcmp(name, call) == 0 ? number : 0;
}

#define FAIL(call) \
    do { \
        int number = fault(call); \
        if (number) { \
            errno = number; \
            return -1; \
        } \
    } while (0)

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    FAIL("write");
    if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
    return next(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return pwrite64(file, bytes, count, offset);
}

int fdatasync(int file) {
    static int (*next)(int);
    FAIL("sync");
    if (!next) next = dlsym(RTLD_NEXT, "fdatasync");
    return next(file);
}

int fsync(int file) {
    static int (*next)(int);
    FAIL("sync");
    if (!next) next = dlsym(RTLD_NEXT, "fsync");
    return next(file);
}
