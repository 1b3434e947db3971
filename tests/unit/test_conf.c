/* Connection files: every key, every error, hostile files, and that a secret is its octets. */
#include "tests/vectors/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf.h"
#include "ppp/ppp.h"

struct fixture {
	struct conf *conf;
	struct conf_errors *errors;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->conf = conf_new("corp");
	f->errors = conf_errors_new();
	*state = f;
	return f->conf && f->errors ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	conf_free(f->conf);
	conf_errors_free(f->errors);
	free(f);
	return 0;
}

static void fresh(struct fixture *f)
{
	conf_free(f->conf);
	f->conf = conf_new("corp");
	f->errors->n = 0;
}

static bool reads(struct fixture *f, const char *text)
{
	fresh(f);
	return conf_read(f->conf, "corp.conf", slice_str(text), f->errors);
}

/* The only error, as a line. */
static void assert_error(struct fixture *f, const char *text, const char *want)
{
	char line[CONF_ERROR_LINE];

	assert_false(reads(f, text));
	assert_int_equal(f->errors->n, 1);
	assert_string_equal(conf_error_text(f->errors, 0, line), want);
}

static const char four_lines[] = "# office\n"
				 "gateway  = vpn.example.com\n"
				 "psk      = correct horse # battery staple  \n"
				 "user     = CORP\\alice\n"
				 "password = p=w;d\n";

static void four_lines_are_enough(void **state)
{
	struct fixture *f = *state;
	struct conf *c;

	assert_true(reads(f, four_lines));
	assert_true(conf_finish(f->conf, "corp.conf", f->errors));
	c = f->conf;
	assert_string_equal(c->name, "corp");
	assert_string_equal(c->gateway, "vpn.example.com");
	assert_slice(secret_slice(&c->psk), slice_str("correct horse # battery staple"));
	assert_string_equal(c->user, "CORP\\alice");
	assert_slice(secret_slice(&c->password), slice_str("p=w;d"));
	assert_true(conf_holds_secret(c));

	assert_int_equal(c->routes.kind, CONF_ROUTES_DEFAULT);
	assert_int_equal(c->dns.kind, CONF_DNS_AUTO);
	assert_int_equal(c->lan, CONF_LAN_BLOCK);
	assert_int_equal(c->mtu, 0);
	assert_int_equal(c->auth, PPP_AUTH_MSCHAPV2);
	assert_int_equal(c->ike_life_s, 28800);
	assert_int_equal(c->esp_life_s, 3600);
	assert_int_equal(c->dpd_s, 30);
	assert_true(c->rekey);
	assert_true(c->reconnect);
	assert_false(c->autoconnect);
	assert_int_equal(c->fwmark.value, 0x7670000);
	assert_int_equal(c->fwmark.mask, 0xfff0000);
	assert_null(c->interface);
	assert_true(c->proposals.n_ike > 0 && c->proposals.n_esp > 0);
}

/* One good and some bad values for every key. */
static const struct sample {
	const char *key, *good[4], *bad[8];
} samples[] = {
	{"gateway", {"192.0.2.1", "2001:db8::1", "vpn-1.example.com.", "srv"},
		{"", "1.2.3", "192.0.2.300", "a..b", "-a.b", "a b", "0.0.0.0", "x/y"}},
	{"psk", {"x", "\" x \"", "0x12", "0sAAA="}, {"", "\"\"", "\"x", "\"x\" y", "\"a\\b\""}},
	{"psk-file", {"/etc/vpnd/psk"}, {"psk", "", "./psk"}},
	{"psk-credential", {"psk"}, {"", "../psk", "a/b", "."}},
	{"psk-encoding", {"text", "hex", "base64"}, {"HEX", "", "hex,text", "he"}},
	{"local-id", {"group@corp", "192.0.2.1"}, {"", "\"\"", "a\tb", "\xff", "\xc0\x80"}},
	{"user", {"alice", "CORP\\alice", "alice@corp", "J\xc3\xb6rg"},
		{"", "\"\"", "\xc3", "\xed\xa0\x80", "\x1b[31m", "\xc2\x85", "\xf5\x80\x80\x80"}},
	{"password", {"x", "\"\"", "\" \\\" \\\\ \""}, {"", "\"", "\"\\\"", "\"a\"b"}},
	{"password-file", {"/run/pw"}, {"", "~/pw"}},
	{"password-credential", {"corp.pw"}, {"", "/x"}},
	{"auth", {"mschapv2", "pap,chap-md5", "pap , mschapv2"},
		{"", "eap", "pap,", ",", "MSCHAPV2", "pap mschapv2"}},
	{"l2tp-secret", {"x"}, {"", "\"\""}},
	{"routes", {"default", "none", "10.0.0.0/8", "10.0.0.0/8, 2001:db8::/32"},
		{"", "all", "10.0.0.1/8", "10.0.0.0/33", "default,10.0.0.0/8", "10.0.0.0/8,", ",",
			"10.0.0.0/08"}},
	{"dns", {"auto", "none", "10.0.0.53", "10.0.0.53, 2001:db8::53"},
		{"", "auto,none", "10.0.0.256", "0.0.0.0", "224.0.0.1", "1.1.1.1 8.8.8.8",
			"1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5"}},
	{"lan", {"block", "allow"}, {"", "yes", "deny"}},
	{"mtu", {"auto", "576", "1500"}, {"", "575", "1501", "0", "1400 ", "01400", "-1"}},
	{"interface", {"vpn0", "vpn-corp", "a.b_c"},
		{"", ".", "..", "lo", "all", "a b", "a/b", "sixteen-letters-"}},
	{"proposals", {"modern", "compatible", "legacy"}, {"", "best", "modern,legacy"}},
	{"ike", {"aes256-sha256-modp2048", "aes256-sha1-modp1024, 3des-sha1-modp1024!"},
		{"", "aes256", "aes256-sha256-modp2048,,", "rot13-sha1-modp1024"}},
	{"esp", {"aes256-sha1", "aes256gcm16, aes128-sha256"}, {"", "aes256-sha1,x", "null-sha1"}},
	{"encapsulation", {"auto", "force", "off"}, {"", "on"}},
	{"ike-life", {"10", "86400", "8h", "1d"}, {"", "9", "9s", "2d", "h", "1w", "-1", "8 h"}},
	{"esp-life", {"10s", "60m"}, {"", "0", "25h", "99999999999999999999"}},
	{"rekey", {"yes", "no"}, {"", "true", "YES"}},
	{"dpd", {"0", "30s", "1h"}, {"", "2h", "off"}},
	{"data-plane", {"auto", "kernel", "mixed", "user"}, {"", "fast"}},
	{"local-port", {"auto", "ephemeral"}, {"", "500"}},
	{"fwmark", {"0x1/0x1", "0x7670000/0xfff0000", "0xFFFFFFFF/0xffffffff"},
		{"", "0x0/0xff", "0x100/0xff", "1/1", "0x1", "0x1/0x1/0x1", "0x123456789/0x1",
			"0x/0x"}},
	{"autoconnect", {"yes", "no"}, {"", "1"}},
	{"reconnect", {"yes", "no"}, {"", "on"}},
};

static void every_key_takes_the_good_and_refuses_the_bad(void **state)
{
	struct fixture *f = *state;
	char text[256];

	assert_int_equal(sizeof(samples) / sizeof(*samples), CONF_KEYS);
	for (size_t i = 0; i < CONF_KEYS; i++) {
		const struct sample *s = &samples[i];

		assert_string_equal(s->key, conf_keys[i].name);
		for (size_t k = 0; k < 4 && s->good[k]; k++) {
			snprintf(text, sizeof(text), "%s = %s", s->key, s->good[k]);
			if (!reads(f, text))
				fail_msg("refused: %s (%s)", text, f->errors->at[0].text);
			assert_true(f->conf->given[i]);
		}
		for (size_t k = 0; k < 8 && s->bad[k]; k++) {
			/* blanks at the end of a file's line are trimmed: ask inline */
			bool inline_too = s->bad[k][0] != '"' &&
					  (s->bad[k][0] || strcmp(s->key, "password") != 0);

			snprintf(text, sizeof(text), "%s = %s", s->key, s->bad[k]);
			if (!strchr(s->bad[k], ' ') && reads(f, text))
				fail_msg("accepted: %s", text);
			fresh(f);
			if (inline_too &&
				conf_set(f->conf, s->key, slice_str(s->bad[k]), true, f->errors))
				fail_msg("accepted inline: %s", text);
			assert_false(f->conf->given[i]);
		}
	}
}

static void values_reach_their_place(void **state)
{
	struct fixture *f = *state;
	struct conf *c;
	char text[IP_TEXT];

	assert_true(
		reads(f, "auth = pap, mschapv2\nroutes = 10.0.0.0/8,2001:db8::/32\n"
			 "dns = 10.0.0.53 , 10.0.0.54\nlan=allow\nmtu=1280\nike-life = 2h\n"
			 "esp-life=90s\nrekey=no\ndpd=0\nencapsulation=force\ndata-plane=user\n"
			 "local-port=ephemeral\nfwmark=0x10/0xf0\nautoconnect=yes\nreconnect=no\n"
			 "interface=vpn7\nike=aes128-sha1-modp1024\nesp=3des-sha1\n"));
	c = f->conf;
	assert_int_equal(c->auth, PPP_AUTH_PAP | PPP_AUTH_MSCHAPV2);
	assert_int_equal(c->routes.kind, CONF_ROUTES_LIST);
	assert_int_equal(c->routes.n, 2);
	assert_int_equal(c->routes.at[1].len, 32);
	assert_int_equal(c->dns.n, 2);
	assert_string_equal(ip_text(&c->dns.at[1], text), "10.0.0.54");
	assert_int_equal(c->lan, CONF_LAN_ALLOW);
	assert_int_equal(c->mtu, 1280);
	assert_int_equal(c->ike_life_s, 7200);
	assert_int_equal(c->esp_life_s, 90);
	assert_false(c->rekey);
	assert_int_equal(c->dpd_s, 0);
	assert_int_equal(c->encapsulation, CONF_ENCAP_FORCE);
	assert_int_equal(c->data_plane, CONF_PLANE_USER);
	assert_int_equal(c->local_port, CONF_PORT_EPHEMERAL);
	assert_int_equal(c->fwmark.value, 0x10);
	assert_true(c->autoconnect);
	assert_false(c->reconnect);
	assert_string_equal(c->interface, "vpn7");
	conf_finish(c, "corp.conf", f->errors);
	assert_int_equal(c->proposals.n_ike, 1);
	assert_int_equal(c->proposals.ike[0].group, DH_MODP1024);
	assert_int_equal(c->proposals.n_esp, 1);
}

static void errors_name_file_line_key_and_what_was_expected(void **state)
{
	struct fixture *f = *state;

	assert_error(f, "\n\nmtu = big\n",
		"corp.conf:3: mtu: \"big\": expected auto or a number from 576 to 1500");
	assert_error(f, "ike = aes256-sha1-modp2048, rot13\n",
		"corp.conf:1: ike: \"rot13\": expected suites like aes256-sha256-modp2048, "
		"separated by commas");
	assert_error(f, "lan = allow\nlan = allow\n",
		"corp.conf:2: lan: given twice; the first is on line 1");
	assert_error(f, "pasword = hunter2\n",
		"corp.conf:1: pasword: unknown key; did you mean password?");
	assert_error(f, "colour = blue\n",
		"corp.conf:1: colour: unknown key; vpnd.conf(5) lists the keys");
	assert_error(f, "User = alice\n", "corp.conf:1: User: unknown key; did you mean user?");
	assert_error(f, "psk = \"x\n", "corp.conf:1: psk: expected a closing \"");
	assert_error(f, "\x1b[2Jx = y\n",
		"corp.conf:1: \\x1b[2Jx: unknown key; vpnd.conf(5) lists the keys");
	assert_error(f, "hunter2\n",
		"corp.conf:1: expected KEY = VALUE, or a comment that begins with #");
}

static void all_errors_are_collected(void **state)
{
	struct fixture *f = *state;
	char many[200 * 8 + 1] = "";

	assert_false(reads(f, "mtu = 1\nx = 2\nlan = 3\nuser = alice\nrekey = 4\n"));
	assert_int_equal(f->errors->n, 4);
	assert_int_equal(f->errors->at[3].line, 5);
	assert_string_equal(f->conf->user, "alice");
	for (int i = 0; i < 200; i++)
		memcpy(many + 8 * i, "mtu = 1\n", 9);
	assert_false(reads(f, many));
	assert_int_equal(f->errors->n, 200);
	assert_int_equal(f->errors->at[CONF_ERRORS_MAX - 1].line, CONF_ERRORS_MAX);
}

static void no_error_repeats_a_secret(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {"psk = \"hunter2\n", "password = \"hunter2\" hunter2\n",
		"psk = \"hunter2\\n\"\n", "hunter2\n", "= hunter2\n", "passwort = hunter2\n",
		"l2tp-secret=\"hunter2\\\"\n", "psk = x\npsk = hunter2\n", "psk = hunter2\r\n"};
	char line[CONF_ERROR_LINE];

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_false(reads(f, texts[i]));
		for (size_t k = 0; k < f->errors->n; k++)
			assert_null(strstr(conf_error_text(f->errors, k, line), "hunter2"));
	}
}

static void hostile_files_are_refused(void **state)
{
	struct fixture *f = *state;
	char *big = malloc(CONF_FILE_MAX + 2);
	char line[CONF_LINE_MAX + 64];

	assert_false(reads(f, "\xef\xbb\xbfuser = alice\n"));
	assert_false(reads(f, "user = alice\r\n"));
	assert_false(reads(f, "user = al\rice\n"));
	fresh(f);
	assert_false(conf_read(f->conf, "c", slice("user = a\0b\n", 11), f->errors));

	memset(line, 'x', sizeof(line));
	memcpy(line, "psk = ", 6);
	line[CONF_LINE_MAX] = 0;
	assert_false(reads(f, line)); /* longer than a key may be, but a line */
	assert_string_equal(f->errors->at[0].key, "psk");
	line[CONF_LINE_MAX] = 'x';
	line[CONF_LINE_MAX + 1] = 0;
	assert_false(reads(f, line));
	assert_non_null(strstr(f->errors->at[0].text, "too long"));

	memset(big, '\n', CONF_FILE_MAX + 1);
	big[CONF_FILE_MAX] = 0;
	assert_true(reads(f, big));
	big[CONF_FILE_MAX] = '\n';
	big[CONF_FILE_MAX + 1] = 0;
	assert_false(reads(f, big));
	free(big);
	assert_true(reads(f, ""));
	assert_true(reads(f, "\n \t\n#\n ; x\n"));
}

static uint32_t step(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Whatever the octets of a key, quoted they come back as they are. */
static void any_octets_in_quotes_are_themselves(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 7;

	for (int round = 0; round < 3000; round++) {
		uint8_t psk[128], text[300] = "psk = \"";
		size_t n = 1 + step(&seed) % sizeof(psk), at = 7;

		for (size_t i = 0; i < n; i++) {
			static const char often[] = "\"\\ #;=\t0xs";

			do
				psk[i] = step(&seed) % 2 ? (uint8_t)often[step(&seed) % 10]
							 : (uint8_t)step(&seed);
			while (psk[i] == 0 || psk[i] == '\r' || psk[i] == '\n');
			if (psk[i] == '"' || psk[i] == '\\')
				text[at++] = '\\';
			text[at++] = psk[i];
		}
		text[at++] = '"';
		fresh(f);
		assert_true(conf_read(f->conf, "c", slice(text, at), f->errors));
		assert_slice(secret_slice(&f->conf->psk), slice(psk, n));
	}
}

/* Unquoted, all octets but the blanks at both ends are the value. */
static void plain_octets_are_themselves(void **state)
{
	struct fixture *f = *state;
	static const char *const plain[] = {"0x1234", "0sAAAA", "a\"b", "a\\b", "x # y", "; x",
		"a = b", "it's", "\xe2\x80\x9cq\xe2\x80\x9d", "\xff\xfe", "tab\there"};

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		char text[64];

		snprintf(text, sizeof(text), " psk\t= \t%s \t\n", plain[i]);
		assert_true(reads(f, text));
		assert_true(conf_decode_psk(f->conf, "c", f->errors));
		assert_slice(secret_slice(&f->conf->psk), slice_str(plain[i]));
	}
}

static void the_reader_survives_any_octets(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 11;

	for (int round = 0; round < 3000; round++) {
		uint8_t *text = malloc(200);
		size_t n = step(&seed) % 200;

		for (size_t i = 0; i < n; i++)
			text[i] = step(&seed) % 3
					  ? (uint8_t) "psk=\"\\\n mtu#user,/0x1"[step(&seed) % 20]
					  : (uint8_t)step(&seed);
		text = realloc(text, n ? n : 1);
		fresh(f);
		conf_read(f->conf, "c", slice(text, n), f->errors);
		conf_finish(f->conf, "c", f->errors);
		free(text);
	}
}

static void psk_encoding_says_what_the_text_means(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *encoding, *psk, *octets;
		size_t n;
	} good[] = {
		{"text", "0x00ff", "0x00ff", 6},
		{"hex", "00fF", "\x00\xff", 2},
		{"base64", "AP8=", "\x00\xff", 2},
		{"base64", "AA==", "\x00", 1},
		{"base64", "+/+/", "\xfb\xff\xbf", 3},
	};
	static const char *const bad[][2] = {{"hex", "0"}, {"hex", "0x00"}, {"hex", "gg"},
		{"base64", "A"}, {"base64", "AP8"}, {"base64", "AP9="}, {"base64", "A==="},
		{"base64", "AP8=AP8="}, {"base64", "===="}, {"base64", "AP 8"}};
	char text[128], line[CONF_ERROR_LINE];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(text, sizeof(text), "psk-encoding = %s\npsk = %s\n", good[i].encoding,
			good[i].psk);
		assert_true(reads(f, text));
		assert_true(conf_decode_psk(f->conf, "c", f->errors));
		assert_slice(secret_slice(&f->conf->psk), slice(good[i].octets, good[i].n));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(text, sizeof(text), "psk-encoding = %s\npsk = %s\n", bad[i][0], bad[i][1]);
		assert_true(reads(f, text));
		assert_false(conf_decode_psk(f->conf, "c", f->errors));
		assert_null(strstr(conf_error_text(f->errors, 0, line), bad[i][1]));
	}
}

static void what_is_missing_or_contradicts_is_said(void **state)
{
	struct fixture *f = *state;
	char line[CONF_ERROR_LINE];

	assert_true(reads(f, ""));
	assert_false(conf_finish(f->conf, "corp.conf", f->errors));
	assert_int_equal(f->errors->n, 3);
	assert_string_equal(conf_error_text(f->errors, 0, line),
		"corp.conf: gateway: missing; expected the server's name or address");

	assert_true(reads(f, "gateway = a\nuser = b\npsk = c\npsk-file = /d\n"));
	assert_false(conf_finish(f->conf, "corp.conf", f->errors));
	assert_int_equal(f->errors->n, 1);
	assert_string_equal(conf_error_text(f->errors, 0, line),
		"corp.conf:4: psk-file: contradicts psk; expected one of the two");
}

static void a_given_secret_takes_the_place_of_the_files(void **state)
{
	struct fixture *f = *state;

	assert_true(reads(f, "gateway = a\nuser = b\npsk = c\npassword-file = /d\n"));
	assert_true(conf_give(f->conf, "password", slice_str("typed"), f->errors));
	assert_null(f->conf->password_file);
	assert_true(conf_finish(f->conf, "c", f->errors));
	assert_slice(secret_slice(&f->conf->password), slice_str("typed"));
	assert_false(conf_give(f->conf, "gateway", slice_str("evil"), f->errors));
	assert_false(conf_give(f->conf, "nonsense", slice_str("x"), f->errors));
	assert_string_equal(f->conf->gateway, "a");
}

static void only_root_names_files_inline(void **state)
{
	struct fixture *f = *state;
	static const char *const keys[] = {
		"psk-file", "psk-credential", "password-file", "password-credential"};

	for (size_t i = 0; i < 4; i++) {
		struct slice value = slice_str(strstr(keys[i], "file") ? "/etc/shadow" : "psk");

		assert_false(conf_set(f->conf, keys[i], value, false, f->errors));
		assert_false(f->conf->given[conf_key_find(keys[i])]);
		assert_true(conf_set(f->conf, keys[i], value, true, f->errors));
	}
	assert_true(conf_set(f->conf, "gateway", slice_str("a"), false, f->errors));
	assert_false(conf_set(f->conf, "gateway", slice("a\0b", 3), false, f->errors));
	assert_false(conf_set(f->conf, "psk", slice_str("a\nb"), false, f->errors));
	assert_false(conf_set(f->conf, "", slice_str("a"), false, f->errors));
}

static void showing_hides_secrets_and_knows_defaults(void **state)
{
	struct fixture *f = *state;

	assert_true(reads(f, four_lines));
	assert_string_equal(conf_text(f->conf, (size_t)conf_key_find("psk")), "<hidden>");
	assert_string_equal(conf_text(f->conf, (size_t)conf_key_find("l2tp-secret")), "");
	assert_string_equal(conf_text(f->conf, (size_t)conf_key_find("user")), "CORP\\alice");
	assert_string_equal(conf_text(f->conf, (size_t)conf_key_find("ike-life")), "8h");
	assert_string_equal(conf_text(f->conf, (size_t)conf_key_find("interface")), "");
}

static void names_are_plain(void **state)
{
	(void)state;
	char longest[CONF_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	longest[CONF_NAME_MAX + 1] = 0;
	assert_false(conf_name_ok(longest));
	longest[CONF_NAME_MAX] = 0;
	assert_true(conf_name_ok(longest));
	assert_true(conf_name_ok("Corp-1.b_2"));
	assert_false(conf_name_ok(""));
	assert_false(conf_name_ok("."));
	assert_false(conf_name_ok(".."));
	assert_false(conf_name_ok("a/b"));
	assert_false(conf_name_ok("a b"));
	assert_false(conf_name_ok("J\xc3\xb6rg"));
	assert_null(conf_new("../x"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(four_lines_are_enough),
		TEST(every_key_takes_the_good_and_refuses_the_bad),
		TEST(values_reach_their_place),
		TEST(errors_name_file_line_key_and_what_was_expected),
		TEST(all_errors_are_collected),
		TEST(no_error_repeats_a_secret),
		TEST(hostile_files_are_refused),
		TEST(any_octets_in_quotes_are_themselves),
		TEST(plain_octets_are_themselves),
		TEST(the_reader_survives_any_octets),
		TEST(psk_encoding_says_what_the_text_means),
		TEST(what_is_missing_or_contradicts_is_said),
		TEST(a_given_secret_takes_the_place_of_the_files),
		TEST(only_root_names_files_inline),
		TEST(showing_hides_secrets_and_knows_defaults),
		cmocka_unit_test(names_are_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
