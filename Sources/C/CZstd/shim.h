#ifndef BERTH_CZSTD_H
#define BERTH_CZSTD_H
#include <zstd.h>
#include <zstd_errors.h>
#endif
