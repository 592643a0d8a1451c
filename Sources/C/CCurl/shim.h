#ifndef BERTH_CCURL_H
#define BERTH_CCURL_H
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

// `curl_easy_setopt`, `curl_easy_getinfo` and `curl_multi_setopt` are variadic: one shim per type.

static inline CURLcode berth_curl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode berth_curl_set_size(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode berth_curl_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode berth_curl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode berth_curl_set_list(CURL *easy, CURLoption option,
                                           struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}

/// libcurl copies the bytes.
static inline CURLcode berth_curl_set_blob(CURL *easy, CURLoption option, const void *bytes,
                                           size_t count) {
    struct curl_blob blob = {(void *)bytes, count, CURL_BLOB_COPY};
    return curl_easy_setopt(easy, option, &blob);
}

typedef size_t (*berth_curl_transfer)(char *buffer, size_t size, size_t count, void *context);
typedef int (*berth_curl_seek)(void *context, curl_off_t offset, int origin);

static inline CURLcode berth_curl_set_transfer(CURL *easy, CURLoption option,
                                               berth_curl_transfer function) {
    return curl_easy_setopt(easy, option, function);
}

static inline CURLcode berth_curl_set_seek(CURL *easy, berth_curl_seek function) {
    return curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, function);
}

/// Whether nothing of ours ever talks to an address: link-local ones, among them the metadata
/// services of clouds, the metadata services elsewhere, "this host" and multicast (RFC 6890).
static inline int berth_curl_is_refused_v4(const unsigned char *a) {
    if (a[0] == 169 && a[1] == 254) return 1;                               // link-local
    if (a[0] == 0 || a[0] >= 224) return 1;                                 // this host, multicast
    if (a[0] == 100 && a[1] == 100 && a[2] == 100 && a[3] == 200) return 1;  // Alibaba
    if (a[0] == 168 && a[1] == 63 && a[2] == 129 && a[3] == 16) return 1;   // Azure
    return a[0] == 192 && a[1] == 0 && a[2] == 0 && a[3] == 192;            // Oracle
}

static inline int berth_curl_is_refused(const struct sockaddr *address) {
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
    static const unsigned char unspecified[16] = {0};
    static const unsigned char amazon[16] = {0xfd, 0, 0x0e, 0xc2, 0, 0, 0, 0,
                                             0,    0, 0,    0,    0, 0, 2, 0x54};
    static const unsigned char google[16] = {0xfd, 0x20, 0, 0xce, 0, 0, 0, 0,
                                             0,    0,    0, 0,    0, 0, 2, 0x54};
    static const unsigned char scaleway[16] = {0xfd, 0, 0, 0x42, 0, 0, 0, 0,
                                               0,    0, 0, 0,    0, 0, 0, 0x42};
    static const unsigned char local_nat64[6] = {0, 0x64, 0xff, 0x9b, 0, 1};  // RFC 8215
    if (address->sa_family == AF_INET)
        return berth_curl_is_refused_v4(
            (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr);
    if (address->sa_family != AF_INET6) return 1;
    const unsigned char *a =
        (const unsigned char *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return berth_curl_is_refused_v4(a + 12);
    if (memcmp(a, local_nat64, 6) == 0) return berth_curl_is_refused_v4(a + 12);
    if (a[0] == 0x20 && a[1] == 0x02) return berth_curl_is_refused_v4(a + 2);  // 6to4 (RFC 3056)
    if (a[0] == 0xff || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)) return 1;
    return memcmp(a, unspecified, 16) == 0 || memcmp(a, amazon, 16) == 0
           || memcmp(a, google, 16) == 0 || memcmp(a, scaleway, 16) == 0;
}

/// Opens a socket unless the address, which is what the name resolved to, is refused; then
/// `context`, an int, becomes 1.
static curl_socket_t berth_curl_open_guarded(void *context, curlsocktype purpose,
                                             struct curl_sockaddr *address) {
    (void)purpose;
    if (berth_curl_is_refused(&address->addr)) {
        *(int *)context = 1;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/// Has `easy` connect to no refused address; `refused` lives as long as `easy`.
static inline CURLcode berth_curl_guard_addresses(CURL *easy, int *refused) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, refused);
    if (code != CURLE_OK) return code;
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, berth_curl_open_guarded);
}

static inline long berth_curl_get_long(CURL *easy, CURLINFO info) {
    long value = 0;
    return curl_easy_getinfo(easy, info, &value) == CURLE_OK ? value : 0;
}

static inline void *berth_curl_get_private(CURL *easy) {
    char *value = NULL;
    return curl_easy_getinfo(easy, CURLINFO_PRIVATE, &value) == CURLE_OK ? value : NULL;
}

static inline CURLMcode berth_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

/// The easy handle of the next finished transfer and its result, or NULL.
static inline CURL *berth_curl_multi_finished(CURLM *multi, CURLcode *result) {
    int left = 0;
    struct CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        *result = message->data.result;
        return message->easy_handle;
    }
    return NULL;
}
#endif
