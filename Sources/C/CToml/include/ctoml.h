#ifndef BERTH_CTOML_H
#define BERTH_CTOML_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Told of every value of a document in its order, tables and arrays before what is in them.
   `path` is the keys from the root, each ended by byte 0x1F, the elements of an array numbered
   from 0; `kind` is one of t (table), a (array), s (string), i (integer), f (float), b (boolean),
   d (date or time); `text` is the value's text, empty for t and a; line and column count from 1. */
typedef void (*berth_toml_visitor)(void *context, const char *path, char kind, const char *text,
                                   int line, int column);

/* Parses `length` bytes of TOML 1.0 (toml++) and visits every value. Returns 1, or 0 on a syntax
   error; then *message is a malloc'd description that the caller frees, with its place. */
int berth_toml_parse(const char *source, size_t length, berth_toml_visitor visitor, void *context,
                     char **message, int *line, int *column);

#ifdef __cplusplus
}
#endif
#endif
