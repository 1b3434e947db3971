/* A resolv.conf for tests: a file of the test's own, mounted over the host's. */
#pragma once

#include "tests/vectors/vectors.h"

#include <sys/types.h>

#include "daemon/dns.h"

struct resolv {
	char dir[64];
	struct journal *journal;
	struct dns *dns;
	ino_t inode;
};

/* cmocka's setup and teardown. */
int resolv_setup(void **state);
int resolv_teardown(void **state);

/* Journal and dns; closing checks that nothing is pending in the journal. */
void resolv_open(struct resolv *h);
void resolv_close(struct resolv *h);

/* The file before us. Never that of the host: it has to be the one that setup made. */
void set_original(struct resolv *h, const char *text, size_t n);

/* Octets, inode and mode are those of the original; or what it says now. */
void assert_original(const struct resolv *h, const char *text, size_t n);
void assert_says(const char *what, bool yes);

/* A connection "corp" with the server 10.99.0.LAST. */
struct dns_link dns_link_of(uint32_t ifindex, uint8_t last);

void put_file(const char *path, const char *text, size_t n);
size_t get_file(const char *path, char *to, size_t room);
