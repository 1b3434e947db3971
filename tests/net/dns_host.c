#include "tests/net/dns_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/net/netns.h"

void put_file(const char *path, const char *text, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

size_t get_file(const char *path, char *to, size_t room)
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	size_t n = fread(to, 1, room - 1, f);
	to[n] = 0;
	fclose(f);
	return n;
}

void set_original(struct resolv *h, const char *text, size_t n)
{
	struct stat st, own;
	char path[96];

	snprintf(path, sizeof(path), "%s/own", h->dir);
	assert_int_equal(stat("/etc/resolv.conf", &st), 0);
	if (h->inode == 0) {
		assert_int_equal(stat(path, &own), 0);
		h->inode = own.st_ino;
	}
	assert_int_equal(st.st_ino, h->inode);
	put_file("/etc/resolv.conf", text, n);
}

void assert_original(const struct resolv *h, const char *text, size_t n)
{
	char *now = malloc(1 << 17);
	struct stat st;

	assert_int_equal(get_file("/etc/resolv.conf", now, 1 << 17), n);
	assert_memory_equal(now, text, n);
	free(now);
	assert_int_equal(stat("/etc/resolv.conf", &st), 0);
	assert_int_equal(st.st_ino, h->inode);
	assert_int_equal(st.st_mode & 07777, 0640);
}

void assert_says(const char *what, bool yes)
{
	char now[16384];

	get_file("/etc/resolv.conf", now, sizeof(now));
	if (!!strstr(now, what) != yes)
		fail_msg("'%s' should %sbe in\n%s", what, yes ? "" : "not ", now);
}

int resolv_setup(void **state)
{
	struct resolv *h = calloc(1, sizeof(*h));

	snprintf(h->dir, sizeof(h->dir), "/tmp/vpnd-dns.XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	sh("touch %s/own && chmod 640 %s/own && mount --bind %s/own /etc/resolv.conf", h->dir,
		h->dir, h->dir);
	*state = h;
	return 0;
}

int resolv_teardown(void **state)
{
	struct resolv *h = *state;

	sh("umount /etc/resolv.conf && rm -rf %s", h->dir);
	free(h);
	return 0;
}

void resolv_open(struct resolv *h)
{
	assert_int_equal(journal_open(&h->journal, h->dir), 0);
	assert_int_equal(dns_new(&h->dns, h->journal, h->dir, NULL), 0);
}

void resolv_close(struct resolv *h)
{
	dns_free(h->dns);
	h->dns = NULL;
	assert_int_equal(journal_pending(h->journal), 0);
	journal_close(h->journal);
}

struct dns_link dns_link_of(uint32_t ifindex, uint8_t last)
{
	return (struct dns_link){
		.ifindex = ifindex,
		.connection = "corp",
		.scope = DNS_ALL,
		.servers = {{FAMILY_IPV4, {10, 99, 0, last}}},
		.n = 1,
		.domains = {"corp.example"},
		.n_domains = 1,
	};
}
