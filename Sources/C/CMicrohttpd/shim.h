#ifndef BERTH_CMICROHTTPD_H
#define BERTH_CMICROHTTPD_H
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/// What a daemon is started with; `MHD_start_daemon` itself is variadic.
struct berth_mhd_options {
    unsigned int threads;
    unsigned int connection_limit;
    unsigned int per_address_limit;
    unsigned int idle_timeout_seconds;
    size_t connection_memory_bytes;
    /// PEM texts, or NULL for plain HTTP.
    const char *certificate;
    const char *private_key;
    const char *tls_priorities;
    /// Passed to every callback but `access`'s per-request pointer.
    void *context;
    MHD_AccessHandlerCallback access;
    void *(*opened)(void *context, const char *target, struct MHD_Connection *connection);
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection;
    /// Receives one line per complaint of the daemon; it must not block.
    void (*complaint)(void *context, const char *message);
};

struct berth_mhd_logger {
    void *context;
    void (*complaint)(void *context, const char *message);
};

static inline void berth_mhd_log(void *logger, const char *format, va_list arguments) {
    struct berth_mhd_logger *target = (struct berth_mhd_logger *)logger;
    char line[512];
    vsnprintf(line, sizeof line, format, arguments);
    target->complaint(target->context, line);
}

/// Leaves the target as the client sent it; Swift decodes it strictly.
static inline size_t berth_mhd_keep_escapes(void *context, struct MHD_Connection *connection,
                                            char *text) {
    (void)context;
    (void)connection;
    size_t length = 0;
    while (text[length] != 0) length++;
    return length;
}

/// `logger` must live as long as the daemon.
static inline struct MHD_Daemon *berth_mhd_start(const struct berth_mhd_options *options,
                                                 struct berth_mhd_logger *logger) {
    unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                         MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->private_key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)options->tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem threads[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)options->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (options->certificate != NULL) flags |= MHD_USE_TLS;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, options->access, options->context,
        MHD_OPTION_EXTERNAL_LOGGER, berth_mhd_log, logger,
        MHD_OPTION_CONNECTION_LIMIT, options->connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->per_address_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory_bytes,
        MHD_OPTION_STRICT_FOR_CLIENT, (int)1,
        MHD_OPTION_UNESCAPE_CALLBACK, berth_mhd_keep_escapes, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, options->opened, options->context,
        MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->context,
        MHD_OPTION_NOTIFY_CONNECTION, options->connection, options->context,
        MHD_OPTION_ARRAY, options->threads > 1 ? threads : plain,
        MHD_OPTION_ARRAY, options->certificate != NULL ? tls : plain,
        MHD_OPTION_END);
}

extern int accept4(int, struct sockaddr *, socklen_t *, int);

/// Accepts one connection and gives it to the daemon.
///
/// Answers 1, or 0 when the daemon refused and closed it, or a negative error number of accept4(2).
static inline int berth_mhd_accept(struct MHD_Daemon *daemon, int listener) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int one = accept4(listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (one < 0) return -errno;
    return MHD_add_connection(daemon, one, (struct sockaddr *)&address, length) == MHD_YES;
}

/// Binds a TCP socket to a numeric address and listens, close-on-exec and without blocking.
///
/// Answers the socket and sets the port it really has; or answers a negative error number, or
/// `-EINVAL - 4096` for an address that is not numeric.
static inline int berth_listen(const char *address, const char *service, uint16_t *port) {
    struct addrinfo hints;
    struct addrinfo *info = NULL;
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(address, service, &hints, &info) != 0) return -EINVAL - 4096;
    int yes = 1;
    int no = 0;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    int number = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = number < 0;
    if (!failed) {
        setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        if (info->ai_family == AF_INET6)
            setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
        failed = bind(number, info->ai_addr, info->ai_addrlen) != 0 || listen(number, 4096) != 0 ||
                 getsockname(number, (struct sockaddr *)&bound, &length) != 0;
    }
    int reason = errno;
    freeaddrinfo(info);
    if (failed) {
        if (number >= 0) close(number);
        return -reason;
    }
    *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    return number;
}

/// Writes the peer's numeric address and port into `text`, empty when it is not known.
static inline void berth_mhd_peer(struct MHD_Connection *connection, char *text, size_t size) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    text[0] = 0;
    if (info == NULL || info->client_addr == NULL) return;
    int isLong = info->client_addr->sa_family == AF_INET6;
    socklen_t length = isLong ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (getnameinfo(info->client_addr, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(text, size, isLong ? "[%s]:%s" : "%s:%s", host, port);
}

/// The connection's socket, or -1.
static inline int berth_mhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}
#endif
