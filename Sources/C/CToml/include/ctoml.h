#ifndef BERTH_CTOML_H
#define BERTH_CTOML_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Parses `length` bytes of TOML 1.0 (toml++). On success returns 1 and stores a JSON document, on
   a syntax error returns 0 and stores its description; in both cases *text is malloc'd and the
   caller frees it. Values become {"line":…,"column":…,"value":…}, tables and arrays alike, so that
   every complaint about the configuration can name its place; line and column count from 1. */
int berth_toml_parse(const char *source, size_t length, char **text, int *line, int *column);

#ifdef __cplusplus
}
#endif
#endif
