#!/usr/bin/env python3
"""What can fail is made to fail: `injected.py BUILD_DIRECTORY`.

Every function of another library that the crypto door imports stands in tests/sim/inject_calls.h, or
below as one that cannot fail; every function with which the pure libraries take memory is wrapped by
tests/sim/inject.c. Then test_sim_inject lets each of them fail.
"""
import pathlib
import re
import subprocess
import sys

import rule

SIM = pathlib.Path(__file__).resolve().parent.parent / "sim"
PURE = ["base", "crypto", "ike", "esp", "l2tp", "ppp", "core"]

FOREIGN = re.compile(r"(EVP|BN|EC|OSSL|OPENSSL|CRYPTO|RAND|ERR|X509|PKCS\d+|HMAC|MD\d|SHA\d*|AES|DES)_\w+|dlopen|dlsym|\w*imb_\w+|\w*_mb_mgr\w*")
LOADED = re.compile(r"dlopen|dlsym|\w*imb_\w+|\w*_mb_mgr")  # the multi-buffer library: optional, and by dlsym()
MEMORY = re.compile(r"(?!__)\w*alloc|reallocarray|posix_memalign|str\w*dup|v?asprintf|open_memstream|getline|free")
NEVER_FAIL = re.compile(
    r"\w+_free"  # also BN_clear_free and EC_POINT_clear_free
    r"|OSSL_PROVIDER_unload|EVP_CIPHER_CTX_reset"
    r"|OSSL_PARAM_construct_(end|utf8_string)"
    r"|BN_(cmp|is_zero|set_flags|value_one)|EC_GROUP_get0_(field|order)"
)
ROW = re.compile(r"^(?:NULLS|WRAPPED)\([^,]*, *(\w+),|^(?:CODES|ERRNOS)\((\w+),", re.MULTILINE)
STALE = "nothing imports"
UNDEFINED = re.compile(r"\s[Uw] (\w+)")


def wrapped():
    text = (SIM / "inject_calls.h").read_text() + (SIM / "inject.c").read_text()
    return {first or second for first, second in ROW.findall(text)}


def check(source):
    """source.text: `nm -u` of one library, source.path: its name."""
    known = wrapped()
    for number, line in enumerate(source.text.splitlines(), 1):
        if line.startswith(STALE):
            yield number, line
        symbol = UNDEFINED.search(line)
        if not symbol or symbol[1] in known:
            continue
        if MEMORY.fullmatch(symbol[1]):
            yield number, f"{symbol[1]} is not made to fail"
        elif "crypto" in source.path and FOREIGN.fullmatch(symbol[1]) and not NEVER_FAIL.fullmatch(symbol[1]):
            yield number, f"{symbol[1]} is not made to fail"


def libraries(build):
    imported = set()
    for name in PURE:
        path = pathlib.Path(build) / f"libvpnd_{name}.a"
        text = subprocess.run(["nm", "-u", path], check=True, capture_output=True, text=True).stdout
        imported.update(UNDEFINED.findall(text))
        yield rule.Source(path.name, text)
    for name in sorted(wrapped() - imported):
        if FOREIGN.fullmatch(name) and not LOADED.fullmatch(name):
            yield rule.Source("inject_calls.h", f"{STALE} {name}")


def imports(name, symbol):
    return rule.Source(f"libvpnd_{name}.a", f"                 U {symbol}\n")


BAD = [imports("crypto", symbol) for symbol in ["EVP_PKEY_sign", "BN_mod_exp", "RAND_bytes", "imb_new_thing", "strdup"]] + [
    imports("ike", symbol) for symbol in ["strdup", "reallocarray", "posix_memalign", "asprintf"]] + [
    rule.Source("inject_calls.h", f"{STALE} EVP_EncryptInit")]
GOOD = [imports("crypto", symbol) for symbol in ["EVP_MD_fetch", "BN_cmp", "EC_POINT_clear_free", "alloc_mb_mgr", "malloc"]] + [
    imports("ike", symbol) for symbol in ["calloc", "free", "memcpy", "dh_new"]]

if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        rule.self_test(check, BAD, GOOD)
    rule.apply(check, libraries(sys.argv[1]))
