#ifndef BERTH_CMICROHTTPD_H
#define BERTH_CMICROHTTPD_H
#include <microhttpd.h>
#endif
