#include "daemon/sshpeer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { ENVIRON_MAX = 256 * 1024, ANCESTORS_MAX = 64, SSH_PORT = 22, ESTABLISHED = 1 };

enum answer_of { ANSWER_UNREADABLE, ANSWER_NONE, ANSWER_PEER };

static size_t add_peer(struct ip *peers, size_t n, const struct ip *peer)
{
	for (size_t i = 0; i < n; i++)
		if (ip_equal(&peers[i], peer))
			return n;
	if (n < SSH_PEERS_MAX /* check: ssh-peers-count */)
		peers[n++] = *peer;
	return n;
}

/* ---- the environment ---- */

/* SSH_CONNECTION="PEER PORT OURS PORT"; a scope behind % is cut off. */
static bool connection_parse(const char *value, struct ip *peer)
{
	char text[IP_TEXT];
	size_t n = strcspn(value, " %");

	if (n >= sizeof(text)) /* check: ssh-address-room */
		return false;
	memcpy(text, value, n);
	text[n] = 0;
	return ip_parse(text, peer);
}

static enum answer_of environ_search(const char *environ_text, size_t n, struct ip *peer)
{
	static const char name[] = "SSH_CONNECTION=";

	for (size_t at = 0; at < n; at += strlen(environ_text + at) + 1)
		if (!strncmp(environ_text + at, name, sizeof(name) - 1) &&
			connection_parse(environ_text + at + sizeof(name) - 1, peer))
			return ANSWER_PEER;
	return ANSWER_NONE;
}

static enum answer_of environ_peer(pid_t pid, struct ip *peer)
{
	enum answer_of answer = ANSWER_UNREADABLE;
	char path[64];
	char *text;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	f = fopen(path, "re");
	text = f ? malloc(ENVIRON_MAX + 1) : NULL;
	if (text) {
		size_t n = fread(text, 1, ENVIRON_MAX, f);

		text[n] = 0;
		if (!ferror(f))
			answer = environ_search(text, n, peer);
	}
	free(text);
	if (f)
		fclose(f);
	return answer;
}

/* From /proc/PID/stat: the name stands in parentheses and may hold anything. 0 = none. */
static pid_t parent_of(pid_t pid)
{
	char path[64], line[512] = "";
	const char *behind;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		*line = 0;
	fclose(f);
	behind = strrchr(line, ')');
	return behind && sscanf(behind + 1, " %*c %d", &parent) == 1 && parent > 0 ? parent : 0;
}

static enum answer_of session_peer(pid_t pid, struct ip *peer)
{
	enum answer_of answer = ANSWER_NONE;

	for (int i = 0; i < ANCESTORS_MAX && pid > 1; i++, pid = parent_of(pid)) {
		enum answer_of one = environ_peer(pid, peer);

		if (one == ANSWER_PEER)
			return one;
		if (one == ANSWER_UNREADABLE)
			answer = one;
	}
	return answer;
}

/* ---- every session ---- */

/* An address in /proc/net/tcp: 32-bit words in the byte order of the host, in hex. IPv4 in IPv6 is
 * given as IPv4. */
static bool socket_address(const char *hex, struct ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t b[16];
	size_t n;

	if (!str_unhex(hex, b, sizeof(b), &n) || (n != 4 && n != 16))
		return false;
	for (size_t i = 0; i < n; i += 4) {
		uint32_t word = get_u32(b + i);

		memcpy(b + i, &word, 4);
	}
	if (n == 16 && !memcmp(b, mapped, sizeof(mapped)))
		*ip = ip_of(FAMILY_IPV4, slice(b + 12, 4));
	else
		*ip = ip_of(n == 4 ? FAMILY_IPV4 : FAMILY_IPV6, slice(b, n));
	return true;
}

static size_t socket_peers(const char *path, struct ip *peers, size_t n)
{
	char line[512], remote[40];
	unsigned port, state;
	struct ip peer;
	FILE *f = fopen(path, "re");

	if (!f)
		return n;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %*[0-9A-F]:%x %39[0-9A-F]:%*x %x", &port, remote, &state) ==
				3 &&
			port == SSH_PORT && state == ESTABLISHED && socket_address(remote, &peer))
			n = add_peer(peers, n, &peer);
	fclose(f);
	return n;
}

size_t ssh_peers(pid_t caller, struct ip peers[static SSH_PEERS_MAX])
{
	struct ip peer;

	switch (session_peer(caller, &peer)) {
	case ANSWER_PEER:
		return add_peer(peers, 0, &peer);
	case ANSWER_NONE:
		return 0;
	case ANSWER_UNREADABLE:
		break;
	}
	return socket_peers("/proc/net/tcp6", peers, socket_peers("/proc/net/tcp", peers, 0));
}

bool ssh_cut(const struct route *r, pid_t caller, struct ip *peer)
{
	struct ip peers[SSH_PEERS_MAX];
	size_t n = ssh_peers(caller, peers);

	for (size_t i = 0; i < n; i++)
		if (ip_is_unicast(&peers[i]) && route_captures(r, &peers[i])) {
			*peer = peers[i];
			return true;
		}
	return false;
}
