#ifndef BERTH_COPENSSL_H
#define BERTH_COPENSSL_H
#include <openssl/asn1.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/// A fresh EC P-256 key, or NULL (EVP_EC_gen is a macro over a variadic function).
static inline EVP_PKEY *berth_openssl_make_key(void) { return EVP_EC_gen("P-256"); }

/// The library's last error as a text, or an empty one; forgets all errors of this thread.
static inline void berth_openssl_reason(char *text, size_t size) {
    unsigned long code = ERR_peek_last_error();
    text[0] = 0;
    if (code != 0) ERR_error_string_n(code, text, size);
    ERR_clear_error();
}
#endif
