#ifndef BERTH_CPOSTGRES_H
#define BERTH_CPOSTGRES_H
#include <libpq-fe.h>
#endif
