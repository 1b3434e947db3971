/* esp/: no octet of a dropped pair's keys stays anywhere in the process. */
#include "tests/unit/esp_ends.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/secret.h"

enum { CHUNK = 1 << 20, NEEDLES = 4, NEEDLE = 16 };

/* Keys to look for, veiled, or the search would find itself. */
struct needles {
	uint8_t veiled[NEEDLES][NEEDLE];
};

static void veil(uint8_t *to, const uint8_t *key)
{
	for (size_t i = 0; i < NEEDLE; i++)
		to[i] = key[i] ^ 0xa5;
}

static size_t count_in(const uint8_t *hay, size_t n, const uint8_t *veiled)
{
	size_t found = 0;
	uint8_t first = veiled[0] ^ 0xa5;

	for (const uint8_t *at = hay; n >= NEEDLE; at++) {
		const uint8_t *next = memchr(at, first, (size_t)(hay + n - at) - NEEDLE + 1);
		size_t i = 1;

		if (!next)
			break;
		at = next;
		while (i < NEEDLE && (at[i] ^ 0xa5) == veiled[i])
			i++;
		found += i == NEEDLE;
		if (at == hay + n - NEEDLE)
			break;
	}
	return found;
}

/* Through the back door: freed memory too, which a sanitizer would not let us read. */
static size_t count_between(
	int mem, uintptr_t from, uintptr_t to, uint8_t *window, const struct needles *needles)
{
	size_t found = 0;

	for (; from < to; from += CHUNK) {
		size_t n = to - from < CHUNK ? to - from : CHUNK;

		/* the window itself is no place to look */
		if (from < (uintptr_t)window + CHUNK && (uintptr_t)window < from + n)
			continue;
		if (pread(mem, window, n, (off_t)from) != (ssize_t)n)
			continue;
		for (size_t i = 0; i < NEEDLES; i++)
			found += count_in(window, n, needles->veiled[i]);
	}
	return found;
}

/* How often the keys occur in writable memory. Reservations of a sanitizer (gigabytes) are left
 * out: nothing of ours is in them. */
static size_t count_in_process(const struct needles *needles)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY);
	uint8_t *window =
		mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char line[512];
	size_t found = 0;

	assert_non_null(maps);
	assert_true(mem >= 0);
	assert_true(window != MAP_FAILED);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char mode[8];

		assert_int_equal(sscanf(line, "%lx-%lx %7s", &from, &to, mode), 3);
		if (mode[1] == 'w' && to - from < 1ul << 30)
			found += count_between(mem, from, to, window, needles);
	}
	wipe(window, CHUNK);
	munmap(window, CHUNK);
	close(mem);
	fclose(maps);
	return found;
}

/* Installed, used both ways and dropped. The keys come and go in memory that is wiped. */
static void keys_are_gone_after_a_drop(void **state)
{
	struct ends *e = *state;

	for (size_t i = 0; i < SUITES; i++) {
		struct sa_pair *pair = malloc(sizeof(*pair));
		struct needles needles;
		struct pktq q = {0};
		struct io out;

		assert_non_null(pair);
		*pair = (struct sa_pair){
			.suite = suites[i],
			.in.spi = 0x1001,
			.out.spi = 0x1001,
			.local_port = L2TP_PORT,
			.remote_port = L2TP_PORT,
		};
		env_random(e->env, pair->in.key, sizeof(pair->in.key));
		env_random(e->env, pair->in.auth, sizeof(pair->in.auth));
		pair->out = pair->in; /* it opens what it seals */
		veil(needles.veiled[0], pair->in.key);
		veil(needles.veiled[1], pair->in.auth);
		for (size_t k = 0; k < NEEDLE; k++) {
			needles.veiled[2][k] = pair->in.auth[k] ^ 0xa5 ^ 0x36; /* as HMAC uses it */
			needles.veiled[3][k] = pair->in.auth[k] ^ 0xa5 ^ 0x5c;
		}
		install_and_use(e->us, pair);
		assert_true(count_in_process(&needles) > 0); /* the search works */
		wipe(pair, sizeof(*pair));
		free(pair);

		for (size_t n = 1; n <= PKT_BATCH; n += n == 1 ? 9 : 27) {
			for (size_t k = 0; k < n; k++)
				put_numbered(e, &q, 0, 100);
			out = send_from(e->us, &q);
			out = recv_at(e->us, &out.down);
			assert_int_equal(out.up.count, n);
			pktq_free(&out.up);
		}
		esp_drop(e->us, 0x1001);
		if (count_in_process(&needles) != 0)
			fail_msg("suite %zu: keys remain", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			keys_are_gone_after_a_drop, ends_setup, ends_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
