/* Names of interfaces. */
#include "tests/vectors/vectors.h"

#include <string.h>

#include "daemon/tun.h"

static void a_name_is_made_of_legal_octets_and_fits(void **state)
{
	(void)state;
	static const struct {
		const char *connection;
		unsigned number;
		const char *want;
	} row[] = {
		{"corp", 0, "vpn-corp"},
		{"corp", 1, "vpn-corp1"},
		{"head-office.example", 0, "vpn-head-office"},
		{"head-office.example", 2, "vpn-head-offic2"},
		{"head-office.example", 4294967295, "vpn-h4294967295"},
		{"B\xc3\xbcro 2/4: %d", 0, "vpn-Bro24d"},
		{"\xe6\x97\xa5", 0, "vpn-"},
		{"", 7, "vpn-7"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char name[TUN_NAME];

		assert_string_equal(tun_name(row[i].connection, row[i].number, name), row[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_made_of_legal_octets_and_fits),
	};

	return cmocka_run_group_tests_name("tun_name", tests, NULL, NULL);
}
