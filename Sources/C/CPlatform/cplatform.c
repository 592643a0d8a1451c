/* glibc declares renameat2, pipe2 and friends only for GNU sources. */
#define _GNU_SOURCE

#include "cplatform.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int berth_open(const char *path, int flags, unsigned int mode) { return open(path, flags, mode); }

int berth_openat(int directory, const char *path, int flags, unsigned int mode) {
    return openat(directory, path, flags, mode);
}

int berth_renameat2(int from_directory, const char *from, int to_directory, const char *to,
                    unsigned int flags) {
    return renameat2(from_directory, from, to_directory, to, flags);
}

int berth_ioctl_pointer(int descriptor, unsigned long request, void *argument) {
    return ioctl(descriptor, request, argument);
}

int berth_ioctl_int(int descriptor, unsigned long request, int argument) {
    return ioctl(descriptor, request, argument);
}

int berth_fcntl_get_flags(int descriptor) { return fcntl(descriptor, F_GETFL); }

int berth_fcntl_set_flags(int descriptor, int flags) { return fcntl(descriptor, F_SETFL, flags); }

int berth_fcntl_set_descriptor_flags(int descriptor, int flags) {
    return fcntl(descriptor, F_SETFD, flags);
}

int berth_duplicate(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 3); }

int berth_btrfs_is(int descriptor) {
    struct statfs status;
    if (fstatfs(descriptor, &status)) return -1;
    return status.f_type == BTRFS_SUPER_MAGIC;
}

int berth_btrfs_mount(const char *device, const char *place) {
    return mount(device, place, "btrfs", MS_NOATIME, NULL);
}

int berth_btrfs_unmount(const char *place) { return umount2(place, UMOUNT_NOFOLLOW); }

uint64_t berth_makedev(unsigned int major_number, unsigned int minor_number) {
    return makedev(major_number, minor_number);
}

int berth_exited(int status) { return WIFEXITED(status); }
int berth_exit_status(int status) { return WEXITSTATUS(status); }
int berth_signaled(int status) { return WIFSIGNALED(status); }
int berth_term_signal(int status) { return WTERMSIG(status); }

int berth_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

int berth_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int berth_flock_exclusive(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }

int berth_flock_unlock(int descriptor) { return flock(descriptor, LOCK_UN); }

long berth_getrandom(void *buffer, size_t length) { return getrandom(buffer, length, 0); }

long berth_write(int descriptor, const void *bytes, size_t length) {
    sigset_t pipe_signal, before, pending;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    long written = write(descriptor, bytes, length);
    int reason = errno;
    if (written < 0 && reason == EPIPE && !sigismember(&pending, SIGPIPE)) {
        const struct timespec now = {0, 0};
        while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return written;
}

int berth_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int berth_pidfd_send_signal(int descriptor, int number) {
    return (int)syscall(SYS_pidfd_send_signal, descriptor, number, NULL, 0);
}

static int termination_event = -1;

static void terminated(int number) {
    int reason = errno;
    uint64_t one = (uint64_t)number;
    ssize_t written = write(termination_event, &one, sizeof one);
    (void)written;
    errno = reason;
}

int berth_catch_termination(int event) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = terminated;
    action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
    termination_event = event;
    return sigaction(SIGTERM, &action, NULL) || sigaction(SIGINT, &action, NULL) ? -1 : 0;
}

int berth_ignore_signal(int number) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    return sigaction(number, &action, NULL);
}

int berth_notify(const char *path, const char *message) {
    struct sockaddr_un address;
    size_t length = strlen(path);
    if (length < 2 || length > sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
        errno = EINVAL;
        return -1;
    }
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = 0;
    int channel = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (channel < 0) return -1;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    ssize_t sent = sendto(channel, message, strlen(message), MSG_NOSIGNAL,
                          (struct sockaddr *)&address, size);
    int reason = errno;
    close(channel);
    errno = reason;
    return sent < 0 ? -1 : 0;
}

int berth_openat2(int directory, const char *path, uint64_t flags, uint64_t mode,
                  uint64_t resolve) {
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = flags;
    how.mode = mode;
    how.resolve = resolve;
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

/* Puts `from` (or /dev/null) at `to`, where `to` is 0, 1 or 2 and `from` is above 2 or -1. */
static int place(int from, int to) {
    if (from < 0) {
        int null = open("/dev/null", O_RDWR);
        if (null < 0) return -1;
        if (null != to) {
            if (dup2(null, to) < 0) return -1;
            close(null);
        }
        return 0;
    }
    return dup2(from, to) < 0 ? -1 : 0;
}

/* Only calls that are async-signal-safe: it runs between fork and exec of a threaded process. */
static void become(const struct berth_spawn *what, int report, pid_t parent) {
    sigset_t none;
    struct sigaction plain;
    sigemptyset(&none);
    memset(&plain, 0, sizeof plain);
    plain.sa_handler = SIG_DFL;
    for (int number = 1; number < 65; number++) sigaction(number, &plain, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);

    int input = what->standard_input, output = what->standard_output,
        error = what->standard_error;
    /* Sources that sit at 0..2 are moved away first, so that no placement overwrites another. */
    if (input >= 0 && input < 3) input = fcntl(input, F_DUPFD_CLOEXEC, 3);
    if (output >= 0 && output < 3) output = fcntl(output, F_DUPFD_CLOEXEC, 3);
    if (error >= 0 && error < 3) error = fcntl(error, F_DUPFD_CLOEXEC, 3);
    if (place(input, 0) || place(output, 1) || place(error, 2)) goto failed;
    if (what->new_session && setsid() < 0) goto failed;
    /* Before the identity changes: only root moves processes between groups. */
    if (what->group_processes > 0 && write(what->group_processes, "0", 1) != 1) goto failed;
    if (what->change_identity) {
        if (setgroups(0, NULL) || setgid(what->group) || setuid(what->user)) goto failed;
    }
    if (what->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL)) goto failed;
    /* The parent may have ended before the line above: then nobody would send the signal. */
    if (what->die_with_parent && getppid() != parent) _exit(127);
    if (what->directory && chdir(what->directory)) goto failed;
    /* `report` is close-on-exec; everything else above it or between is closed here. */
    if (report > 3) syscall(SYS_close_range, 3U, (unsigned)report - 1, 0U);
    syscall(SYS_close_range, (unsigned)report + 1, ~0U, 0U);
    execve(what->program, what->arguments, what->environment);
failed : {
    int reason = errno;
    ssize_t written = write(report, &reason, sizeof reason);
    (void)written;
    _exit(127);
}
}

int berth_spawn(const struct berth_spawn *what) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        /* Keep the report descriptor above 2, where `place` does not touch it. */
        int report = ends[1] > 2 ? ends[1] : fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
        become(what, report, parent);
    }
    int reason = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = reason;
        return -1;
    }
    int failure = 0;
    ssize_t got;
    do {
        got = read(ends[0], &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    close(ends[0]);
    if (got == (ssize_t)sizeof failure) {
        int status;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        errno = failure;
        return -1;
    }
    return pid;
}
