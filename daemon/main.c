/* vpnd: options, log lines, rights; everything else is vpnd.c's. */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/cleanup.h"
#include "daemon/files.h"
#include "daemon/footprint.h"
#include "daemon/vpnd.h"

struct options {
	struct vpnd_conf conf;
	enum log_level level;
	bool check, cleanup;
	const char *check_name;
};

/* ---- log lines ---- */

/* The journal reads "<priority>" in front of a line; a person would stumble over it. */
static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char id[64];

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	snprintf(id, sizeof(id), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	return strcmp(id, stream) == 0;
}

struct printer {
	bool journal;
	unsigned long lost; /* lines, since the last that could be written */
};

static bool put_line(
	const struct printer *p, enum log_level level, const char *layer, const char *text)
{
	static const char priorities[] = {'3', '4', '6', '7'};
	char line[700];
	int n = p->journal ? snprintf(line, sizeof(line), "<%c>%s: %s\n", priorities[level], layer,
				     text)
			   : snprintf(line, sizeof(line), "%-5s %-5s %s\n", log_level_name(level),
				     layer, text);

	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	return write(STDERR_FILENO, line, (size_t)n) == n;
}

/* stderr does not block (main); a line that does not fit now is lost, a tunnel is not. */
static void print_line(void *ctx, enum log_level level, const char *layer, const char *text)
{
	struct printer *p = ctx;
	char note[80];

	if (p->lost) {
		snprintf(note, sizeof(note), "%lu lines were lost: nobody read them", p->lost);
		if (put_line(p, LOG_LEVEL_WARN, "log", note))
			p->lost = 0;
	}
	if (!put_line(p, level, layer, text))
		p->lost++;
}

/* ---- rights ---- */

enum { WANTED = 3 };
static const unsigned wanted[WANTED] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};

/* Keep what networking needs, as far as we have it: a container may have no CAP_NET_RAW, and what is not
 * there cannot be asked for. Under the unit that is done already, and capset is forbidden. */
static int drop_rights(struct log *log)
{
	bool more = false, had[WANTED];

	capng_get_caps_process();
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool ours = cap == wanted[0] || cap == wanted[1] || cap == wanted[2];

		more |= !ours && capng_have_capability(CAPNG_EFFECTIVE, cap);
	}
	if (!more)
		return 0;
	for (size_t i = 0; i < WANTED; i++)
		had[i] = capng_have_capability(CAPNG_PERMITTED, wanted[i]);
	capng_clear(CAPNG_SELECT_BOTH); /* check: capabilities-dropped */
	for (size_t i = 0; i < WANTED; i++)
		if (had[i])
			capng_update(CAPNG_ADD,
				CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, wanted[i]);
	if (capng_apply(CAPNG_SELECT_BOTH) == 0)
		return 0;
	log_error(log, "vpnd", "the capabilities cannot be dropped: %s", strerror(errno));
	return -1;
}

/* Memory that holds keys goes into no core file and to no debugger. */
static void harden(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);          /* check: no-core-file */
	prctl(PR_SET_DUMPABLE, 0);              /* check: not-dumpable */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* check: no-new-privileges */
	signal(SIGPIPE, SIG_IGN);
	umask(0077); /* check: private-files */
	/* A log reader that stalls must not stall the tunnel; a terminal is shared with its shell. */
	int flags = isatty(STDERR_FILENO) ? -1 : fcntl(STDERR_FILENO, F_GETFL);
	if (flags >= 0)
		fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
}

/* ---- vpnd --check ---- */

static void check_one(const struct files *files, const char *name, struct conf_errors *errors)
{
	struct conf *conf = NULL;
	int rc = files_load(files, name, NULL, 0, &conf, errors);

	if (rc == -ENOENT)
		conf_errors_add(
			errors, name, 0, "", "there is no %s/%s.conf", files->config_dir, name);
	conf_free(conf);
}

static int check(const struct options *o)
{
	struct files files = {.config_dir = o->conf.config_dir,
		.credentials_dir = getenv("CREDENTIALS_DIRECTORY"),
		.owner = getuid()};
	struct conf_errors *errors = conf_errors_new();
	struct file_names names = {0};
	char line[CONF_ERROR_LINE];
	size_t checked = 1;

	if (!errors)
		return EXIT_FAILURE;
	if (o->check_name) {
		check_one(&files, o->check_name, errors);
	} else {
		int rc = files_list(&files, &names);

		if (rc != 0)
			files_dir_failed(&files, rc, errors);
		for (checked = 0; checked < names.n; checked++)
			check_one(&files, names.at[checked], errors);
	}
	for (size_t i = 0; i < errors->n && i < CONF_ERRORS_MAX; i++)
		fprintf(stderr, "%s\n", conf_error_text(errors, i, line));
	if (errors->n == 0)
		printf("%zu connection%s checked, nothing is wrong\n", checked,
			checked == 1 ? "" : "s");
	int rc = errors->n ? EXIT_FAILURE : EXIT_SUCCESS;
	file_names_free(&names);
	conf_errors_free(errors);
	return rc;
}

/* ---- options ---- */

static const char usage[] =
	"usage: vpnd [OPTION]...\n"
	"An L2TP/IPsec VPN client daemon; vpnctl(1) drives it.\n\n"
	"  --config-dir DIR    connection files            (/etc/vpnd)\n"
	"  --socket PATH       control socket              (/run/vpnd/io.vpnd)\n"
	"  --runtime-dir DIR   journal of host changes     (/run/vpnd)\n"
	"  --state-dir DIR     what outlives a reboot      (/var/lib/vpnd)\n"
	"  --log-level LEVEL   error, warn, info or debug  (info)\n"
	"  --check [NAME]      read the connection files, say what is wrong, exit 0 or 1\n"
	"  --cleanup           undo what a dead vpnd left on this host\n"
	"  --version, --help\n";

enum {
	OPT_CONFIG = 256,
	OPT_SOCKET,
	OPT_RUNTIME,
	OPT_STATE,
	OPT_LEVEL,
	OPT_CHECK,
	OPT_CLEANUP,
	OPT_VERSION,
	OPT_HELP
};

static const struct option long_options[] = {
	{"config-dir", required_argument, NULL, OPT_CONFIG},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"runtime-dir", required_argument, NULL, OPT_RUNTIME},
	{"state-dir", required_argument, NULL, OPT_STATE},
	{"log-level", required_argument, NULL, OPT_LEVEL},
	{"check", no_argument, NULL, OPT_CHECK},
	{"cleanup", no_argument, NULL, OPT_CLEANUP},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

/* -1: go on; else the exit code. */
static int take_option(struct options *o, int option)
{
	switch (option) {
	case OPT_CONFIG:
		o->conf.config_dir = optarg;
		return -1;
	case OPT_SOCKET:
		o->conf.socket = optarg;
		return -1;
	case OPT_RUNTIME:
		o->conf.runtime_dir = optarg;
		return -1;
	case OPT_STATE:
		o->conf.state_dir = optarg;
		return -1;
	case OPT_LEVEL:
		if (log_level_parse(optarg, &o->level))
			return -1;
		fprintf(stderr, "vpnd: --log-level takes error, warn, info or debug\n");
		return 2;
	case OPT_CHECK:
		o->check = true;
		return -1;
	case OPT_CLEANUP:
		o->cleanup = true;
		return -1;
	case OPT_VERSION:
		printf("vpnd %s\n", VPND_VERSION);
		return 0;
	case OPT_HELP:
		printf("%s", usage);
		return 0;
	default:
		fprintf(stderr, "vpnd --help lists the options\n");
		return 2;
	}
}

static int take_options(struct options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		int rc = take_option(o, option);

		if (rc >= 0)
			return rc;
	}
	if (o->check && optind < argc)
		o->check_name = argv[optind++];
	if (optind == argc)
		return -1;
	fprintf(stderr, "vpnd: what is %s? vpnd --help lists the options\n", argv[optind]);
	return 2;
}

static int serve(const struct options *o, struct log *log)
{
	struct vpnd *d;

	harden();
	footprint_begin();
	if (vpnd_new(&o->conf, &d) != 0)
		return EXIT_FAILURE;
	footprint_settle();
	int rc = drop_rights(log) == 0 ? vpnd_run(d) : -EPERM;
	vpnd_free(d);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct printer printer = {.journal = to_journal()};
	struct log log = {.sink = print_line, .ctx = &printer};
	struct options o = {
		.conf = {.config_dir = "/etc/vpnd",
			.socket = "/run/vpnd/io.vpnd",
			.runtime_dir = "/run/vpnd",
			.state_dir = "/var/lib/vpnd",
			.log = &log},
		.level = LOG_LEVEL_INFO,
	};
	int rc = take_options(&o, argc, argv);

	if (rc >= 0)
		return rc;
	log.level = o.level;
	if (o.check)
		return check(&o);
	if (o.cleanup) {
		rc = cleanup_run(o.conf.runtime_dir, o.conf.state_dir, &log);
		if (rc != 0)
			fprintf(stderr, "vpnd: %s: %s\n", o.conf.runtime_dir,
				rc == -EBUSY ? "a vpnd is running" : strerror(-rc));
		return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	return serve(&o, &log);
}
