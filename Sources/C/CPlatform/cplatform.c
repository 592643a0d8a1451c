/* glibc declares renameat2, pipe2 and friends only for GNU sources. */
#define _GNU_SOURCE

#include "cplatform.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
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

uint64_t berth_makedev(unsigned int major_number, unsigned int minor_number) {
    return makedev(major_number, minor_number);
}

int berth_exited(int status) { return WIFEXITED(status); }
int berth_exit_status(int status) { return WEXITSTATUS(status); }
int berth_signaled(int status) { return WIFSIGNALED(status); }
int berth_term_signal(int status) { return WTERMSIG(status); }

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
static void become(const struct berth_spawn *what, int report) {
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
    if (what->change_identity) {
        if (setgroups(0, NULL) || setgid(what->group) || setuid(what->user)) goto failed;
    }
    if (what->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL)) goto failed;
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
    pid_t pid = fork();
    if (pid == 0) {
        /* Keep the report descriptor above 2, where `place` does not touch it. */
        int report = ends[1] > 2 ? ends[1] : fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
        become(what, report);
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
