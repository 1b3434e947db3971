/* Every function that base/crypto*.c imports and that can fail: NULLS give NULL then, CODES 0 or -1,
 * ERRNOS something else than 0. CMakeLists.txt reads the names from here for the linker's --wrap, and
 * tests/rules/injected.py compares them with what is imported. No guard: included for each use. */
/* clang-format off */
NULLS(EVP_MD *, EVP_MD_fetch, (OSSL_LIB_CTX *lib, const char *name, const char *props), (lib, name, props))
NULLS(EVP_CIPHER *, EVP_CIPHER_fetch, (OSSL_LIB_CTX *lib, const char *name, const char *props), (lib, name, props))
NULLS(EVP_MAC *, EVP_MAC_fetch, (OSSL_LIB_CTX *lib, const char *name, const char *props), (lib, name, props))
NULLS(OSSL_LIB_CTX *, OSSL_LIB_CTX_new, (void), ())
NULLS(OSSL_PROVIDER *, OSSL_PROVIDER_load, (OSSL_LIB_CTX *lib, const char *name), (lib, name))
CODES(OPENSSL_init_crypto, (uint64_t opts, const OPENSSL_INIT_SETTINGS *settings), (opts, settings))

NULLS(EVP_MD_CTX *, EVP_MD_CTX_new, (void), ())
CODES(EVP_DigestInit_ex2, (EVP_MD_CTX *ctx, const EVP_MD *md, const OSSL_PARAM *params), (ctx, md, params))
CODES(EVP_DigestUpdate, (EVP_MD_CTX *ctx, const void *d, size_t n), (ctx, d, n))
CODES(EVP_DigestFinal_ex, (EVP_MD_CTX *ctx, unsigned char *md, unsigned *n), (ctx, md, n))

NULLS(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC *mac), (mac))
CODES(EVP_MAC_init, (EVP_MAC_CTX *ctx, const unsigned char *key, size_t n, const OSSL_PARAM *params), (ctx, key, n, params))
CODES(EVP_MAC_update, (EVP_MAC_CTX *ctx, const unsigned char *d, size_t n), (ctx, d, n))
CODES(EVP_MAC_final, (EVP_MAC_CTX *ctx, unsigned char *to, size_t *n, size_t size), (ctx, to, n, size))

NULLS(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), ())
CODES(EVP_CipherInit_ex2, (EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv, int enc, const OSSL_PARAM *params), (ctx, cipher, key, iv, enc, params))
CODES(EVP_CIPHER_CTX_set_padding, (EVP_CIPHER_CTX *ctx, int pad), (ctx, pad))
CODES(EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX *ctx, int type, int arg, void *p), (ctx, type, arg, p))
CODES(EVP_CipherUpdate, (EVP_CIPHER_CTX *ctx, unsigned char *to, int *len, const unsigned char *from, int n), (ctx, to, len, from, n))
CODES(EVP_CipherFinal_ex, (EVP_CIPHER_CTX *ctx, unsigned char *to, int *len), (ctx, to, len))

NULLS(EVP_PKEY *, EVP_PKEY_new_raw_private_key_ex, (OSSL_LIB_CTX *lib, const char *type, const char *props, const unsigned char *key, size_t n), (lib, type, props, key, n))
NULLS(EVP_PKEY *, EVP_PKEY_new_raw_public_key_ex, (OSSL_LIB_CTX *lib, const char *type, const char *props, const unsigned char *key, size_t n), (lib, type, props, key, n))
NULLS(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_pkey, (OSSL_LIB_CTX *lib, EVP_PKEY *key, const char *props), (lib, key, props))
CODES(EVP_PKEY_get_raw_public_key, (const EVP_PKEY *key, unsigned char *to, size_t *n), (key, to, n))
CODES(EVP_PKEY_derive_init, (EVP_PKEY_CTX *ctx), (ctx))
CODES(EVP_PKEY_derive_set_peer_ex, (EVP_PKEY_CTX *ctx, EVP_PKEY *peer, int validate), (ctx, peer, validate))
CODES(EVP_PKEY_derive, (EVP_PKEY_CTX *ctx, unsigned char *to, size_t *n), (ctx, to, n))

NULLS(BN_CTX *, BN_CTX_secure_new, (void), ())
NULLS(BIGNUM *, BN_new, (void), ())
NULLS(BIGNUM *, BN_secure_new, (void), ())
NULLS(BIGNUM *, BN_dup, (const BIGNUM *a), (a))
NULLS(BIGNUM *, BN_bin2bn, (const unsigned char *from, int n, BIGNUM *to), (from, n, to))
CODES(BN_bn2binpad, (const BIGNUM *a, unsigned char *to, int n), (a, to, n))
CODES(BN_set_word, (BIGNUM *a, BN_ULONG w), (a, w))
CODES(BN_sub_word, (BIGNUM *a, BN_ULONG w), (a, w))
CODES(BN_nnmod, (BIGNUM *r, const BIGNUM *a, const BIGNUM *m, BN_CTX *ctx), (r, a, m, ctx))
CODES(BN_mod_exp_mont_consttime, (BIGNUM *r, const BIGNUM *a, const BIGNUM *p, const BIGNUM *m, BN_CTX *ctx, BN_MONT_CTX *mont), (r, a, p, m, ctx, mont))
NULLS(BIGNUM *, BN_get_rfc2409_prime_1024, (BIGNUM *to), (to))
NULLS(BIGNUM *, BN_get_rfc3526_prime_1536, (BIGNUM *to), (to))
NULLS(BIGNUM *, BN_get_rfc3526_prime_2048, (BIGNUM *to), (to))
NULLS(BIGNUM *, BN_get_rfc3526_prime_3072, (BIGNUM *to), (to))
NULLS(BIGNUM *, BN_get_rfc3526_prime_4096, (BIGNUM *to), (to))

NULLS(EC_GROUP *, EC_GROUP_new_by_curve_name_ex, (OSSL_LIB_CTX *lib, const char *props, int nid), (lib, props, nid))
NULLS(EC_POINT *, EC_POINT_new, (const EC_GROUP *g), (g))
CODES(EC_POINT_mul, (const EC_GROUP *g, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, BN_CTX *ctx), (g, r, n, q, m, ctx))
CODES(EC_POINT_set_affine_coordinates, (const EC_GROUP *g, EC_POINT *p, const BIGNUM *x, const BIGNUM *y, BN_CTX *ctx), (g, p, x, y, ctx))
CODES(EC_POINT_get_affine_coordinates, (const EC_GROUP *g, const EC_POINT *p, BIGNUM *x, BIGNUM *y, BN_CTX *ctx), (g, p, x, y, ctx))

#ifdef HAVE_IPSEC_MB
NULLS(void *, dlopen, (const char *file, int mode), (file, mode))
NULLS(IMB_MGR *, alloc_mb_mgr, (uint64_t flags), (flags))
ERRNOS(imb_get_errno, (IMB_MGR *mgr), (mgr))
#endif
