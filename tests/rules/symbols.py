#!/usr/bin/env python3
"""What the pure libraries import and keep: `symbols.py BUILD_DIRECTORY`.

They may import each other, the crypto door, and a short list of the C library: so there is no clock,
socket, file, environment, thread or randomness in them. They may keep no state outside the structs
that their callers hold: writable data is a finding, too.
"""
import pathlib
import re
import subprocess
import sys

import rule

PURE = ["base", "ike", "esp", "l2tp", "ppp", "mppe", "core"]
EXPORTS = [*PURE, "crypto"]

# The C library as a protocol may know it: memory, text, arithmetic, and the way to stop.
ALLOWED = re.compile(
    r"mem(cpy|move|set|cmp|chr|mem)|explicit_bzero"
    r"|str(n?len|n?cmp|n?casecmp|r?chr|c?spn|str|pbrk|tok_r|toul|toull|tol|toll|n?dup|error|error_r)"
    r"|malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|malloc_usable_size"
    r"|v?snprintf|qsort|bsearch|abs|inet_(ntop|pton)"
    r"|ctype_b_loc|ctype_tolower_loc|ctype_toupper_loc|tolower|toupper|is[a-z]*"
    r"|assert_fail|abort|errno_location|stack_chk_fail"
    r"|_?GLOBAL_OFFSET_TABLE_|(asan|ubsan|sanitizer|sancov|lsan)_.*"
)
UNDEFINED = re.compile(r"^(?:.*:)?([^:\s]+\.o):\s+[Uw] (\S+)$")
WRITABLE = re.compile(r"\s(\.data|\.bss|\.tdata|\.tbss)(?!\.rel\.ro)(\S*)\s+\S+\s+\S+\s+\S+\s+([0-9a-f]+)\s")
NOT_THE_PROGRAM = re.compile(r"\.(rel\.ro|asan|__sancov)")


def plain(symbol):
    """read for __read_chk, strtoul for __isoc23_strtoul, open for open64."""
    symbol = re.sub(r"^_+(isoc\d+_)?", "", symbol.split("@")[0])
    return re.sub(r"_chk$|64$", "", symbol)


def check(source):
    """source.text: `nm` and `readelf` output of one library, source.path: its name."""
    for number, line in enumerate(source.text.splitlines(), 1):
        symbol = UNDEFINED.match(line)
        if symbol and not ALLOWED.fullmatch(plain(symbol[2])) and symbol[2] not in own_symbols:
            yield number, f"{symbol[1]} imports {symbol[2]}"
        section = WRITABLE.search(line)
        if section and int(section[3], 16) and not NOT_THE_PROGRAM.match(section[2]):
            yield number, f"writable data in {section[1]}{section[2]}"


own_symbols = set()  # what the pure libraries and the crypto door define


def tool(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def libraries(build):
    for name in EXPORTS:
        path = pathlib.Path(build) / f"libvpnd_{name}.a"
        if path.exists():
            yield name, path


def pure_libraries(build):
    for _, path in libraries(build):
        own_symbols.update(line.split()[-1] for line in tool("nm", "-g", "--defined-only", path).splitlines()
                           if len(line.split()) == 3)
    for name, path in libraries(build):
        if name in PURE:
            yield rule.Source(path.name, tool("nm", "-u", "-A", path) + tool("readelf", "-SW", path))


def imports(symbol):
    return rule.Source("libvpnd_ike.a", f"build/libvpnd_ike.a:ike.c.o:                 U {symbol}\n")


def keeps(section, size):
    return rule.Source("libvpnd_ike.a",
                       f"  [ 3] {section:17} PROGBITS        0000000000000000 000040 {size:06x} 00  WA  0   0  4\n")


BAD = [imports(symbol) for symbol in """
    time clock_gettime gettimeofday nanosleep localtime_r
    socket bind connect send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg getsockname
    read __read_chk write open openat open64 __open_2 close fopen fopen64 ioctl fcntl poll epoll_wait
    rand rand_r random srandom getrandom arc4random
    getenv secure_getenv printf __printf_chk fprintf __fprintf_chk vfprintf puts putchar perror stderr
    syslog __syslog_chk pthread_create pthread_mutex_lock exit getpid usleep event_new nl_connect
    EVP_DigestInit_ex json_loads strtok strcpy __strcat_chk sprintf __sprintf_chk
    """.split()] + [
    keeps(".data", 4), keeps(".bss", 8), keeps(".bss.counter", 8), keeps(".tbss", 1),
]
GOOD = [imports(symbol) for symbol in """
    memcpy __memcpy_chk memset snprintf __snprintf_chk calloc free qsort inet_ntop __ctype_b_loc
    __stack_chk_fail __assert_fail strtoull __isoc23_strtoul __asan_report_load1 __ubsan_handle_shift
    """.split()] + [keeps(".data", 0), keeps(".bss", 0), keeps(".data.rel.ro.local", 64), keeps(".rodata", 64)]

if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        rule.self_test(check, BAD, GOOD)
    rule.apply(check, pure_libraries(sys.argv[1]))
