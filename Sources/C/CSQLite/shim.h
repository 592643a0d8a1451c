#ifndef BERTH_CSQLITE_H
#define BERTH_CSQLITE_H
#include <sqlite3.h>

/* SQLITE_TRANSIENT is a macro of a cast, which Swift cannot import. */
static inline int berth_sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text,
                                         sqlite3_uint64 bytes) {
    return sqlite3_bind_text64(statement, index, text, bytes, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static inline int berth_sqlite_bind_blob(sqlite3_stmt *statement, int index, const void *blob,
                                         sqlite3_uint64 bytes) {
    return sqlite3_bind_blob64(statement, index, blob, bytes, SQLITE_TRANSIENT);
}
#endif
