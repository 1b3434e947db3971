/* vpnctl showing: status, lists, logs, help, completion. */
#define _GNU_SOURCE /* memfd_create */
#include "tests/unit/vpnctl_world.h"

#define COUNTERS(packets, octets, bad)                                                             \
	"{\"packets\":" packets ",\"octets\":" octets ",\"icv_bad\":" bad                          \
	",\"replayed\":0,\"malformed\":0}"
#define CONNECTION                                                                                 \
	"{\"name\":\"corp\",\"state\":\"up\",\"for_ms\":7380000,\"gateway\":\"vpn.example.com\","  \
	"\"data_plane\":\"user\",\"data_plane_note\":\"no IPsec\",\"encapsulation\":\"UDP "        \
	"4500\",\"ports_note\":\"UDP 500 is held\",\"network\":{\"interface\":"                    \
	"\"vpn-corp\",\"addresses\":[\"10.99.0.2\"],\"peer\":\"10.99.0.1\",\"dns\":[],\"routes\":" \
	"[\"0.0.0.0/0\"],\"mtu\":1400,\"gateway\":\"203.0.113.10\"},\"received\":" COUNTERS(       \
		"900", "1288490188", "2") ",\"sent\":" COUNTERS("5", "999",                        \
		"0") ",\"ike\":{\"suite\":\"aes256-sha1-modp2048\",\"cookies\":\"aa "              \
		     "bb\",\"peer_id\":"                                                           \
		     "\"10.0.0.5\",\"peer_kind\":\"SoftEther\",\"nat_here\":true,\"nat_there\":"   \
		     "false,"                                                                      \
		     "\"age_ms\":60000,\"rekey_in_ms\":3600000,\"main_modes\":1,\"quick_modes\":"  \
		     "1,"                                                                          \
		     "\"rtt_ms\":12},\"l2tp\":{\"tunnel\":1,\"peer_tunnel\":2,\"session\":3,"      \
		     "\"peer_session\":4,"                                                         \
		     "\"peer_name\":\"lns\",\"peer_vendor\":\"\",\"retransmits\":0},\"ppp\":{"     \
		     "\"auth\":"                                                                   \
		     "\"mschapv2\",\"mtu\":1400,\"message\":\"\",\"echoes_lost\":0},\"sas\":[{"    \
		     "\"suite\":"                                                                  \
		     "\"aes256-sha1\",\"spi_in\":\"c1000001\",\"spi_out\":\"c2000002\",\"in_"      \
		     "use\":true,"                                                                 \
		     "\"age_ms\":60000,\"in\":" COUNTERS(                                          \
			     "900", "1288490188", "2") ",\"out\":" COUNTERS("5", "999", "0") "}]}"

static void status_is_a_table_or_every_layer(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {
		{"io.vpnd.Status", {"{\"parameters\":{\"connections\":[" CONNECTION "]}}"}, NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "status"), 0);
	assert_string_equal(f->out,
		"NAME  STATE  FOR        INTERFACE  ADDRESS    PLANE  RECEIVED  SENT\n"
		"corp  up     2 h 3 min  vpn-corp   10.99.0.2  user   1.1 GiB   999 B\n");
	assert_int_equal(run(f, "status", "corp"), 0);
	assert_string_equal(f->out,
		"corp: up for 2 h 3 min\n"
		"  server      vpn.example.com (203.0.113.10)\n"
		"  network     vpn-corp, 10.99.0.2, peer 10.99.0.1, MTU 1400\n"
		"  dns         the host's own\n"
		"  routes      all traffic goes inside\n"
		"  data plane  user, over UDP 4500\n"
		"              no IPsec\n"
		"  ports       UDP 500 is held\n"
		"  IKE         aes256-sha1-modp2048, 1 min old, renewed in 1 h\n"
		"              server says it is 10.0.0.5 (SoftEther); NAT on our side\n"
		"  ESP         aes256-sha1, 1 min old\n"
		"              in  c1000001  1.1 GiB in 900 packets, 2 not authentic\n"
		"              out c2000002  999 B in 5 packets\n"
		"  L2TP        tunnel 1/2, session 3/4, server lns\n"
		"  PPP         mschapv2, MTU 1400\n"
		"  traffic     received 1.1 GiB in 900 packets, 2 not authentic; sent 999 B in 5 "
		"packets\n");
	assert_int_equal(run(f, "--json", "status", "corp"), 0);
	assert_string_equal(f->out, "{\"connections\":[" CONNECTION "],\"schema\":1}\n");
}

static void what_was_never_up_has_no_duration(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Status",
		{"{\"parameters\":{\"connections\":[{\"name\":\"corp\",\"state\":\"down\",\"for_"
		 "ms\":0}]}}"},
		NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "status", "corp"), EXIT_NOT_CONNECTED);
	assert_string_equal(f->out, "corp: down\n");
}

static void dns_that_the_host_does_not_use_is_explained(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Status",
		{"{\"parameters\":{\"connections\":[{\"name\":\"corp\",\"state\":\"up\",\"for_"
		 "ms\":5000,\"network\":{\"interface\":\"vpn-corp\",\"addresses\":[\"10.99.0.2\"],"
		 "\"dns\":[\"10.99.0.53\"],\"dns_note\":\"off: not ours\",\"routes\":[],\"mtu\":"
		 "1400}}]}}"},
		NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "status", "corp"), 0);
	assert_non_null(strstr(f->out, "  dns         10.99.0.53\n              off: not ours\n"));
}

static void status_of_what_is_down_is_code_7(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Status",
		{"{\"parameters\":{\"connections\":[{\"name\":\"corp\",\"state\":\"down\",\"for_"
		 "ms\":5000,"
		 "\"failure\":" REFUSED "}]}}"},
		NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "status", "corp"), EXIT_NOT_CONNECTED);
	assert_string_equal(f->out, "corp: down for 5 s\n"
				    "  failure     PPP-AUTH-REFUSED: the server refused the user "
				    "name or password (E=691)\n");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.Connect",
		{STAGE("a\\u001b[2J", "b\\u0007\xc2\x9b", "1"), LAST("up", "")}, NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "connect", "corp"), 0);
	assert_non_null(strstr(f->out, "a?[2J"));
	assert_non_null(strstr(f->out, "b???"));
}

static void lists_settings_and_logs_are_printed(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {
		{"io.vpnd.List",
			{"{\"parameters\":{\"connections\":[{\"name\":\"corp\",\"state\":\"down\","
			 "\"gateway\":\"vpn.example.com\",\"user\":\"alice\",\"autoconnect\":true},"
			 "{\"name\":\"x\",\"state\":\"down\",\"autoconnect\":false,\"problem\":"
			 "\"x.conf:2: bad\"}]}}"},
			NULL},
		{"io.vpnd.Show",
			{"{\"parameters\":{\"settings\":[{\"key\":\"psk\",\"value\":\"<hidden>\","
			 "\"given\":true},{\"key\":\"mtu\",\"value\":\"auto\",\"given\":false},"
			 "{\"key\":\"ike\",\"value\":\"\",\"given\":false}]}}"},
			NULL},
		{"io.vpnd.Log",
			{"{\"continues\":true,\"parameters\":{\"line\":{\"time\":0.25,\"level\":"
			 "\"info\","
			 "\"layer\":\"ike\",\"text\":\"hello\"}}}",
				"{\"parameters\":{}}"},
			NULL},
		{"io.vpnd.Reload", {"{\"parameters\":{\"problems\":[\"x.conf:1: bad\"]}}"}, NULL},
		{"io.vpnd.Monitor",
			{"{\"continues\":true,\"parameters\":{\"name\":\"corp\",\"connection\":{"
			 "\"name\":\"corp\",\"state\":\"down\",\"for_ms\":1}}}",
				"{\"continues\":true,\"parameters\":{\"name\":\"corp\",\"event\":{"
				"\"kind\":\"up\"}}}",
				"!"},
			NULL},
		{"org.varlink.service.GetInfo", {"{\"parameters\":{\"version\":\"9.8.7\"}}"},
			NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "list"), 0);
	assert_string_equal(f->out, "NAME  STATE     SERVER           USER   STARTS\n"
				    "corp  down      vpn.example.com  alice  with vpnd\n"
				    "x     bad file  -                -      -\n"
				    "x.conf:2: bad\n");
	assert_int_equal(run(f, "-q", "list"), 0);
	assert_string_equal(f->out, "corp\nx\n");
	assert_int_equal(run(f, "show", "corp"), 0);
	assert_string_equal(
		f->out, "psk                  = <hidden>\nmtu                  = auto\n");
	assert_int_equal(run(f, "log", "corp"), 0);
	assert_non_null(strstr(f->out, ".250 info  ike     hello\n"));
	assert_int_equal(run(f, "reload"), EXIT_ERROR);
	assert_string_equal(f->err, "x.conf:1: bad\n");
	assert_int_equal(run(f, "monitor"), EXIT_NO_DAEMON);
	assert_string_equal(f->out, "corp: down\ncorp: up\n");
	assert_int_equal(run(f, "version"), 0);
	assert_non_null(strstr(f->out, "vpnd   9.8.7\n"));
}

#define TEST_IPSEC(possible, plane, ports)                                                         \
	"{\"kernel\":\"6.1\",\"possible\":" possible plane                                         \
	",\"note\":\"no L2TP\",\"suites\":[{\"name\":\"aes256-sha1\",\"ok\":true},{\"name\":"      \
	"\"3des-sha1\",\"ok\":false,\"why\":\"no esp4\"}],\"parts\":[{\"name\":\"/dev/ppp\","      \
	"\"ok\":true}],\"ports\":[" ports "{\"port\":4500}]}"
#define CHARON "{\"port\":500,\"holder\":\"charon (pid 7)\"},"

static void what_the_host_can_do_is_a_table(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {{"io.vpnd.TestIpsec",
		{"{\"parameters\":" TEST_IPSEC("true", ",\"plane\":\"mixed\"", CHARON) "}"}, NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "test", "ipsec"), EXIT_OK);
	assert_string_equal(f->out,
		"Linux 6.1: data-plane = auto takes mixed\n"
		"no L2TP\n"
		"\n"
		"ESP by the kernel\n"
		"  aes256-sha1          yes\n"
		"  3des-sha1            no   no esp4\n"
		"\n"
		"This host\n"
		"  /dev/ppp             yes\n"
		"\n"
		"UDP ports of this host\n"
		"  500                  charon (pid 7)\n"
		"  4500                 free\n"
		"  A port that is held stops nothing: vpnd then uses another of its own, and "
		"begins\n"
		"  with NAT traversal on the server's UDP 4500, where any port is expected.\n");
	assert_int_equal(run(f, "--json", "test", "ipsec"), EXIT_OK);
	assert_non_null(strstr(f->out, "\"plane\":\"mixed\""));
	assert_int_equal(run(f, "-q", "test", "ipsec"), EXIT_OK);
	assert_string_equal(f->out, "");
	assert_int_equal(run(f, "test", "offload"), EXIT_USAGE);
	assert_int_equal(run(f, "test"), EXIT_USAGE);
}

static void a_host_without_any_plane_is_code_1(void **state)
{
	struct fixture *f = *state;
	static const struct scene scenes[SCENES] = {
		{"io.vpnd.TestIpsec", {"{\"parameters\":" TEST_IPSEC("false", "", "") "}"}, NULL}};

	stage(f, scenes);
	assert_int_equal(run(f, "test", "ipsec"), EXIT_ERROR);
	assert_non_null(strstr(f->out, "Linux 6.1: no tunnel is possible\nno L2TP\n"));
	assert_null(strstr(f->out, "stops nothing"));
	assert_int_equal(run(f, "--json", "test", "ipsec"), EXIT_ERROR);
	assert_non_null(strstr(f->out, "\"possible\":false"));
}

static void explain_needs_no_daemon(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(run(f, "explain", "ike-timeout"), 0);
	assert_non_null(strstr(f->out, "IKE-TIMEOUT (Windows 792): "));
	assert_int_equal(run(f, "explain", "809"), 0);
	assert_non_null(strstr(f->out, "ESP-NO-RETURN"));
	assert_non_null(strstr(f->out, "L2TP-NO-ANSWER"));
	assert_int_equal(run(f, "--json", "explain", "809"), 0);
	assert_non_null(strstr(f->out, "\"schema\":1"));
	assert_int_equal(run(f, "explain", "4711"), EXIT_ERROR);
}

static void help_lists_what_works(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, "help"), 0);
	assert_non_null(strstr(f->out, "  connect NAME "));
	assert_null(strstr(f->out, "diagnose"));
	assert_int_equal(run(f, "help", "connect"), 0);
	assert_non_null(strstr(f->out, "--password-file FILE"));
	assert_int_equal(run(f, "connect", "--help"), 0);
	assert_int_equal(run(f, "--help"), 0);
}

static void the_bash_completion_is_valid_bash(void **state)
{
	struct fixture *f = *state;
	char path[128];
	char command[200];
	FILE *file;

	assert_int_equal(run(f, "completion", "fish"), 0);
	assert_int_equal(run(f, "completion", "zsh"), 0);
	assert_int_equal(run(f, "completion", "bash"), 0);
	snprintf(path, sizeof(path), "%s/c", f->dir);
	file = fopen(path, "w");
	fputs(f->out, file);
	fputs("COMP_WORDS=(vpnctl disc) COMP_CWORD=1; _vpnctl; [ \"${COMPREPLY[*]}\" = disconnect "
	      "] || exit 1\n"
	      "COMP_WORDS=(vpnctl --json connect --no) COMP_CWORD=3; _vpnctl; [ "
	      "\"${COMPREPLY[*]}\" = --no-wait ] || exit 1\n"
	      "COMP_WORDS=(vpnctl test '') COMP_CWORD=2; _vpnctl; [ \"${COMPREPLY[*]}\" = ipsec "
	      "]\n",
		file);
	fclose(file);
	snprintf(command, sizeof(command), "bash %s", path);
	assert_int_equal(system(command), 0);
	unlink(path);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(status_is_a_table_or_every_layer),
		TEST(what_was_never_up_has_no_duration),
		TEST(what_the_host_can_do_is_a_table),
		TEST(a_host_without_any_plane_is_code_1),
		TEST(dns_that_the_host_does_not_use_is_explained),
		TEST(status_of_what_is_down_is_code_7),
		TEST(control_characters_do_not_reach_the_terminal),
		TEST(lists_settings_and_logs_are_printed),
		TEST(explain_needs_no_daemon),
		TEST(help_lists_what_works),
		TEST(the_bash_completion_is_valid_bash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
