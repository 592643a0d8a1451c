#ifndef BERTH_CPLATFORM_H
#define BERTH_CPLATFORM_H

#include <linux/openat2.h>
#include <stddef.h>
#include <stdint.h>

/* Variadic, macro or GNU-only interfaces that Swift cannot import. Each returns what the call
   returns and leaves errno as the call left it. Only plain integer types appear here: system
   headers with feature macros would clash with Swift's own Glibc module. */

/* openat2(2): opens `path` below `directory`; `resolve` is a mask of RESOLVE_… */
int berth_openat2(int directory, const char *path, uint64_t flags, uint64_t mode,
                  uint64_t resolve);

/* open(2) and openat(2) with a mode. */
int berth_open(const char *path, int flags, unsigned int mode);
int berth_openat(int directory, const char *path, int flags, unsigned int mode);

/* renameat2(2); `flags` is 0, BERTH_RENAME_NOREPLACE or BERTH_RENAME_EXCHANGE. */
#define BERTH_RENAME_NOREPLACE 1
#define BERTH_RENAME_EXCHANGE 2
int berth_renameat2(int from_directory, const char *from, int to_directory, const char *to,
                    unsigned int flags);

int berth_ioctl_pointer(int descriptor, unsigned long request, void *argument);
int berth_ioctl_int(int descriptor, unsigned long request, int argument);

/* fcntl(2) F_GETFL, F_SETFL, F_SETFD. */
int berth_fcntl_get_flags(int descriptor);
int berth_fcntl_set_flags(int descriptor, int flags);
int berth_fcntl_set_descriptor_flags(int descriptor, int flags);

/* fcntl(2) F_DUPFD_CLOEXEC, to a number above 2. */
int berth_duplicate(int descriptor);

/* 1 when the descriptor is on btrfs, 0 when it is not, -1 with errno (fstatfs(2)). */
int berth_btrfs_is(int descriptor);

/* mount(2) of a btrfs device with noatime; `device` is a path. */
int berth_btrfs_mount(const char *device, const char *place);

/* umount2(2) without following a link at the end of the path. */
int berth_btrfs_unmount(const char *place);

uint64_t berth_makedev(unsigned int major_number, unsigned int minor_number);

/* pipe2(2) and eventfd(2), close-on-exec; the event descriptor is non-blocking. */
int berth_pipe(int ends[2]);
int berth_eventfd(void);

/* flock(2), exclusive, without waiting: EWOULDBLOCK when another has it. */
int berth_flock_exclusive(int descriptor);

/* flock(2), LOCK_UN: for all that share the open file. */
int berth_flock_unlock(int descriptor);

/* getrandom(2) from the initialised pool; may answer with less than asked above 256 bytes. */
long berth_getrandom(void *buffer, size_t length);

/* write(2) that fails with EPIPE without raising SIGPIPE. */
long berth_write(int descriptor, const void *bytes, size_t length);

/* pidfd_open(2) (close-on-exec by definition) and pidfd_send_signal(2). */
int berth_pidfd_open(int pid);
int berth_pidfd_send_signal(int descriptor, int number);

/* From here on the first SIGTERM and the first SIGINT write to the event descriptor `event`; a
   second one of the same kind has its default effect, which ends the process. */
int berth_catch_termination(int event);

/* sigaction(2) with SIG_IGN. */
int berth_ignore_signal(int number);

/* One datagram to the socket of sd_notify(3): an absolute path, or `@name` for an abstract one. */
int berth_notify(const char *path, const char *message);

/* Extended attributes (xattr(7)) of a path whose last component is not followed, or of an open
   file; each like the call of its name. */
long berth_llistxattr(const char *path, char *list, unsigned long size);
long berth_flistxattr(int descriptor, char *list, unsigned long size);
long berth_lgetxattr(const char *path, const char *name, void *value, unsigned long size);
long berth_fgetxattr(int descriptor, const char *name, void *value, unsigned long size);
int berth_lsetxattr(const char *path, const char *name, const void *value, unsigned long size);
int berth_fsetxattr(int descriptor, const char *name, const void *value, unsigned long size);
int berth_lremovexattr(const char *path, const char *name);
int berth_fremovexattr(int descriptor, const char *name);

/* f_type of fstatfs(2), or -1. */
long berth_file_system_kind(int descriptor);

/* open_by_handle_at(2): opens what a handle of `count` bytes and this type names on the file system
   that `mount` is on. -1 with errno. */
int berth_open_by_handle(int mount, int type, const void *bytes, unsigned int count, int flags);

/* O_DIRECT of fcntl(2) F_SETFL on or off: 0 when it was so before or was set, 1 when it was switched
   off, -1 with errno. */
int berth_set_direct(int descriptor, int on);

/* mallopt(3): large blocks are kept and used again rather than asked of the kernel and given back
   each time. malloc_trim(3): gives back what is kept. */
void berth_keep_memory(void);
void berth_return_memory(void);

/* syncfs(2). */
int berth_syncfs(int descriptor);

/* fallocate(2) with FALLOC_FL_PUNCH_HOLE: a hole, within the file's length. */
int berth_punch_hole(int descriptor, int64_t offset, int64_t length);

/* linkat(2) with AT_EMPTY_PATH: one more name of an open file; needs CAP_DAC_READ_SEARCH. */
int berth_link_open(int descriptor, int directory, const char *name);

/* What a child process is made of. Strings end with NUL, lists end with NULL. */
struct berth_spawn {
    const char *program;       /* absolute path */
    char *const *arguments;    /* argv, the program's name first */
    char *const *environment;  /* envp */
    const char *directory;     /* working directory, or NULL to keep it */
    int standard_input;        /* descriptor, or -1 for /dev/null */
    int standard_output;       /* likewise */
    int standard_error;        /* likewise */
    int new_session;           /* 1: setsid(), so a process group of its own, without a terminal */
    int change_identity;       /* 1: setgroups({}), setgid(group), setuid(user) */
    uint32_t user;
    uint32_t group;
    int group_processes;       /* descriptor of a control group's cgroup.procs; 0 or less: none */
    int die_with_parent;       /* 1: SIGKILL when the spawning thread ends (PR_SET_PDEATHSIG) */
};

/* Forks and executes; every descriptor above 2 is closed in the child. Returns the pid, or -1 with
   errno of the step that failed, exec included. */
int berth_spawn(const struct berth_spawn *what);

/* waitpid(2) macros. */
int berth_exited(int status);
int berth_exit_status(int status);
int berth_signaled(int status);
int berth_term_signal(int status);

#endif
