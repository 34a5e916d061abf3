#pragma once
// OpenSSL, with what it has as macros as functions and constants, which is all that Swift can call.
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <time.h>

static const uint64_t SK_TLS_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t SK_TLS_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t SK_TLS_PRIORITIZE_CHACHA = SSL_OP_PRIORITIZE_CHACHA;
static const uint64_t SK_TLS_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;

static inline void sk_tls_set_minimum(SSL_CTX *context, int version) { SSL_CTX_set_min_proto_version(context, version); }
static inline void sk_tls_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline void sk_tls_read_ahead(SSL_CTX *context) { SSL_CTX_set_read_ahead(context, 1); }
static inline void sk_tls_no_session_cache(SSL_CTX *context) { SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); }
static inline int sk_tls_set_groups(SSL_CTX *context, const char *groups) { return (int)SSL_CTX_set1_groups_list(context, groups); }
/// Takes the certificate over when it returns 1.
static inline int sk_tls_add_chain(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add0_chain_cert(context, certificate);
}
static inline int sk_tls_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }
static inline int sk_tls_error_library(unsigned long error) { return ERR_GET_LIB(error); }
static inline int sk_tls_error_reason(unsigned long error) { return ERR_GET_REASON(error); }

/// Makes a ticket's code HMAC with SHA-256 and that key.
static inline int sk_tls_set_code_key(EVP_MAC_CTX *code, const unsigned char *key, size_t count) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key, count),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(code, parameters);
}

/// Seconds since 1970 of a time in a certificate; 0 when it cannot be read.
static inline int64_t sk_tls_seconds(const ASN1_TIME *time) {
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

/// Calls `each` for every DNS name a certificate is for.
static inline void sk_tls_names(
    X509 *certificate, void *context, void (*each)(void *context, const unsigned char *name, int count)) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) each(context, ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
}
