#ifndef BERTH_CPOSTGRES_H
#define BERTH_CPOSTGRES_H
#include <libpq-fe.h>
#include <string.h>
#include <sys/eventfd.h>

/* The PG_DIAG_ macros are character literals; as functions they have the type that libpq takes. */
static inline int berth_pg_diag_severity(void) { return PG_DIAG_SEVERITY_NONLOCALIZED; }
static inline int berth_pg_diag_sqlstate(void) { return PG_DIAG_SQLSTATE; }
static inline int berth_pg_diag_message(void) { return PG_DIAG_MESSAGE_PRIMARY; }
static inline int berth_pg_diag_detail(void) { return PG_DIAG_MESSAGE_DETAIL; }
static inline int berth_pg_diag_hint(void) { return PG_DIAG_MESSAGE_HINT; }
static inline int berth_pg_diag_context(void) { return PG_DIAG_CONTEXT; }
static inline int berth_pg_diag_position(void) { return PG_DIAG_STATEMENT_POSITION; }
static inline int berth_pg_diag_table(void) { return PG_DIAG_TABLE_NAME; }
static inline int berth_pg_diag_column(void) { return PG_DIAG_COLUMN_NAME; }
static inline int berth_pg_diag_constraint(void) { return PG_DIAG_CONSTRAINT_NAME; }

/* eventfd(2), close-on-exec and non-blocking. */
static inline int berth_pg_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/* Takes what the server says of itself. libpq would print it to standard error. Without a statement
   under way the server's farewell comes this way too: it sets *ended. */
static void berth_pg_receive_notice(void *ended, const PGresult *result) {
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && (!strcmp(severity, "FATAL") || !strcmp(severity, "PANIC"))) *(int *)ended = 1;
}
static inline void berth_pg_watch_notices(PGconn *connection, int *ended) {
    PQsetNoticeReceiver(connection, berth_pg_receive_notice, ended);
}
#endif
