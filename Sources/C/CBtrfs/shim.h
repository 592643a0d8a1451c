#ifndef BERTH_CBTRFS_H
#define BERTH_CBTRFS_H
#include <btrfsutil.h>
#include <errno.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>

/* 1 when the descriptor is on btrfs, 0 when it is not, -1 with errno (fstatfs(2)). */
static inline int berth_btrfs_is(int descriptor) {
    struct statfs status;
    if (fstatfs(descriptor, &status)) return -1;
    return status.f_type == BTRFS_SUPER_MAGIC;
}

/* The 16 bytes of the file system's UUID (BTRFS_IOC_FS_INFO); -1 with errno. */
static inline int berth_btrfs_uuid(int descriptor, unsigned char *uuid) {
    struct btrfs_ioctl_fs_info_args info;
    memset(&info, 0, sizeof info);
    if (ioctl(descriptor, BTRFS_IOC_FS_INFO, &info)) return -1;
    memcpy(uuid, info.fsid, 16);
    return 0;
}

/* mount(2) of a btrfs device with noatime; `device` is a path. */
static inline int berth_btrfs_mount(const char *device, const char *place) {
    return mount(device, place, "btrfs", MS_NOATIME, NULL);
}

/* umount2(2) without following a link at the end of the path. */
static inline int berth_btrfs_unmount(const char *place) {
    return umount2(place, 8 /* UMOUNT_NOFOLLOW */);
}
#endif
