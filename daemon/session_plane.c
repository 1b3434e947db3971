#include "daemon/session_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "esp/xfrm.h"

/* The kernel's ESP as the data plane of a connection. */

bool plane_wants_kernel(struct session *s)
{
	const struct conf *c = s->conf;

	*s->plane_note = 0;
	if (c->data_plane == CONF_PLANE_USER)
		return false;
	return plane_probe(s->host->planes, &c->proposals, s->plane_note);
}

static void on_news(void *ctx)
{
	struct session *s = ctx;
	struct io out = {0};

	xfrm_ready(s->kernel.esp);
	conn_tick(s->conn, loop_now(s->host->loop), &out);
	session_settle(s, &out);
}

/* In the journal before the first change, as everything is. */
static int note(struct session *s, const struct ip *remote)
{
	char text[JOURNAL_TEXT], ip[IP_TEXT];

	snprintf(text, sizeof(text), PLANE_ENTRY, s->kernel.reqid, ip_text(remote, ip));
	return journal_add(s->host->journal, "xfrm", text, &s->kernel.entry);
}

/* Answers of protocol 50 pass the reverse-path filter, too. */
static int pass_esp(struct session *s, const struct ip *remote)
{
	s->kernel.flow = (struct flow){.server = *remote, .ip_proto = NET_PROTO_ESP};
	int rc = route_pass(s->route, &s->kernel.flow);

	s->kernel.passed = rc == 0;
	return rc;
}

bool plane_open(struct session *s, const struct ip *remote, struct reason *why)
{
	struct kernel_esp *k = &s->kernel;

	do
		k->reqid = env_random_u32(&s->env);
	while (k->reqid == 0);
	int rc = note(s, remote);
	if (rc == 0)
		rc = pass_esp(s, remote);
	if (rc == 0)
		rc = xfrm_open(&s->env, remote, k->reqid, &k->esp);
	if (rc == 0) {
		k->news = loop_watch_new(s->host->loop, xfrm_fd(k->esp), LOOP_READ, on_news, s);
		rc = k->news ? 0 : -ENOMEM;
	}
	if (rc != 0)
		reason_set(why, REASON_ESP_PLANE, "the kernel's IPsec: %s", strerror(-rc));
	return rc == 0;
}

void plane_close(struct session *s)
{
	struct kernel_esp *k = &s->kernel;

	loop_watch_free(k->news);
	esp_free(k->esp);
	if (k->passed)
		route_unpass(s->route, &k->flow);
	if (k->entry)
		journal_done(s->host->journal, k->entry);
	*k = (struct kernel_esp){0};
}
