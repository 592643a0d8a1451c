#ifndef BERTH_CBTRFS_H
#define BERTH_CBTRFS_H
/* No header of libc that defines what Swift's Glibc module also has, such as struct stat: which of
   the two then owns it would depend on the order of the build. */
#include <btrfsutil.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <string.h>
#include <sys/ioctl.h>

/* The 16 bytes of the file system's UUID (BTRFS_IOC_FS_INFO); -1 with errno. */
static inline int berth_btrfs_uuid(int descriptor, unsigned char *uuid) {
    struct btrfs_ioctl_fs_info_args info;
    memset(&info, 0, sizeof info);
    if (ioctl(descriptor, BTRFS_IOC_FS_INFO, &info)) return -1;
    memcpy(uuid, info.fsid, 16);
    return 0;
}

/* Runs BTRFS_IOC_TREE_SEARCH_V2 in the subvolume that `descriptor` is in. `memory` is a struct
   btrfs_ioctl_search_args_v2 with `bytes` behind it for the answer. -1 with errno. */
static inline int berth_btrfs_search(
    int descriptor, const struct btrfs_ioctl_search_key *key, void *memory, size_t bytes,
    unsigned int *count) {
    struct btrfs_ioctl_search_args_v2 *arguments = memory;
    arguments->key = *key;
    arguments->buf_size = bytes;
    if (ioctl(descriptor, BTRFS_IOC_TREE_SEARCH_V2, arguments)) return -1;
    *count = arguments->key.nr_items;
    return 0;
}
#endif
