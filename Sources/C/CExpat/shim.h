#ifndef BERTH_CEXPAT_H
#define BERTH_CEXPAT_H
#include <expat.h>

/// The parser's last error as a text of its own; never NULL.
static inline const char *berth_expat_reason(XML_Parser parser) {
    const char *text = XML_ErrorString(XML_GetErrorCode(parser));
    return text ? text : "unknown error";
}
#endif
