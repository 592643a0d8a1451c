#ifndef BERTH_CPLATFORM_H
#define BERTH_CPLATFORM_H

#include <linux/openat2.h>
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

uint64_t berth_makedev(unsigned int major_number, unsigned int minor_number);

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
