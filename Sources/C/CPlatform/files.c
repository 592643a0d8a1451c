/* glibc declares syncfs only for GNU sources. */
#define _GNU_SOURCE

#include "cplatform.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

long berth_llistxattr(const char *path, char *list, unsigned long size) {
    return llistxattr(path, list, size);
}

long berth_flistxattr(int descriptor, char *list, unsigned long size) {
    return flistxattr(descriptor, list, size);
}

long berth_lgetxattr(const char *path, const char *name, void *value, unsigned long size) {
    return lgetxattr(path, name, value, size);
}

long berth_fgetxattr(int descriptor, const char *name, void *value, unsigned long size) {
    return fgetxattr(descriptor, name, value, size);
}

int berth_lsetxattr(const char *path, const char *name, const void *value, unsigned long size) {
    return lsetxattr(path, name, value, size, 0);
}

int berth_fsetxattr(int descriptor, const char *name, const void *value, unsigned long size) {
    return fsetxattr(descriptor, name, value, size, 0);
}

int berth_lremovexattr(const char *path, const char *name) { return lremovexattr(path, name); }

int berth_fremovexattr(int descriptor, const char *name) { return fremovexattr(descriptor, name); }

long berth_file_system_kind(int descriptor) {
    struct statfs statistics;
    return fstatfs(descriptor, &statistics) ? -1 : (long)statistics.f_type;
}

int berth_open_by_handle(int mount, int type, const void *bytes, unsigned int count, int flags) {
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } place;
    if (count > MAX_HANDLE_SZ) {
        errno = EINVAL;
        return -1;
    }
    place.handle.handle_bytes = count;
    place.handle.handle_type = type;
    memcpy(place.handle.f_handle, bytes, count);
    return open_by_handle_at(mount, &place.handle, flags);
}

int berth_set_direct(int descriptor, int on) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -1;
    if (!(flags & O_DIRECT) == !on) return 0;
    if (fcntl(descriptor, F_SETFL, flags ^ O_DIRECT)) return -1;
    return on ? 0 : 1;
}

void berth_keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
    mallopt(M_ARENA_MAX, 2);
}

void berth_return_memory(void) { malloc_trim(0); }

int berth_syncfs(int descriptor) { return syncfs(descriptor); }

int berth_link_open(int descriptor, int directory, const char *name) {
    return linkat(descriptor, "", directory, name, AT_EMPTY_PATH);
}

int berth_punch_hole(int descriptor, int64_t offset, int64_t length) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}
