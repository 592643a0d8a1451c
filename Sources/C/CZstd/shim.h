#ifndef BERTH_CZSTD_H
#define BERTH_CZSTD_H
#include <zstd.h>
#include <zstd_errors.h>

/* Macros that Swift cannot import. */
static inline unsigned long long berth_zstd_size_unknown(void) { return ZSTD_CONTENTSIZE_UNKNOWN; }
static inline unsigned long long berth_zstd_size_error(void) { return ZSTD_CONTENTSIZE_ERROR; }
#endif
