/* conn over a scripted stack: what a server and a network may not make of it (./dev mutate). The
 * functions of stack.h are this file's, so no stack is linked. */
#include "tests/vectors/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/conn.h"

struct stack {
	struct stack_event next;
	bool has_next;
};

static struct stack the_stack;
static unsigned given;      /* passwords */
static unsigned handed;     /* sessions */
static bool first_contact;  /* as the last stack was told */
static bool is_established; /* IKE */
static struct ike_conf ike; /* of the last stack */

struct stack *stack_new(const struct stack_conf *conf, const struct env *env)
{
	(void)env;
	first_contact = conf->ike.initial_contact;
	ike = conf->ike;
	the_stack = (struct stack){0};
	return &the_stack;
}

void stack_free(struct stack *s)
{
	(void)s;
}

void stack_open(struct stack *s, msec now, struct io *out)
{
	(void)s, (void)now, (void)out;
}

void stack_close(struct stack *s, msec now, struct io *out)
{
	(void)s, (void)now, (void)out;
}

void stack_abandon(struct stack *s, msec now, struct io *out)
{
	(void)s, (void)now, (void)out;
}

void stack_recv(struct stack *s, struct pktq *in, msec now, struct io *out)
{
	(void)s, (void)now, (void)out;
	pktq_free(in);
}

void stack_send(struct stack *s, struct pktq *in, msec now, struct io *out)
{
	stack_recv(s, in, now, out);
}

void stack_tick(struct stack *s, msec now, struct io *out)
{
	(void)s, (void)now, (void)out;
}

msec stack_deadline(const struct stack *s)
{
	(void)s;
	return MSEC_NEVER;
}

msec stack_heard(const struct stack *s)
{
	(void)s;
	return 0;
}

bool stack_next_event(struct stack *s, struct stack_event *ev)
{
	bool has = s->has_next;

	*ev = s->next;
	s->has_next = false;
	return has;
}

void stack_answer(
	struct stack *s, uint32_t id, const struct answer *answer, msec now, struct io *out)
{
	(void)s, (void)id, (void)now, (void)out;
	given += answer->yes;
}

void stack_get_status(const struct stack *s, struct stack_status *status)
{
	(void)s;
	*status = (struct stack_status){.ike.established = is_established};
}

void stack_handed(struct stack *s, bool yes, msec now, struct io *out)
{
	(void)s, (void)now, (void)out;
	handed += yes;
}

bool stack_get_sa(const struct stack *s, unsigned i, struct esp_sa_status *status)
{
	(void)s, (void)i, (void)status;
	return false;
}

/* ---- the owner ---- */

struct fixture {
	struct env *env;
	struct conn *conn;
	struct io out;
	unsigned prompts;
	uint32_t prompt, handover;
	bool port_taken; /* our UDP 500 */
	bool deaf;       /* it does not begin on the gateway's port 500 when asked to */
	unsigned attempts;
};

static const msec now = 1000;

/* Answer all that is asked, but for passwords. */
static void attend(struct fixture *f)
{
	struct ip ip = ip_v4(0xc0000201);
	struct conn_sockets sockets = {.first_lane = LANE_IKE};
	struct conn_event ev;

	while (conn_next_event(f->conn, &ev)) {
		if (ev.kind == CONN_EV_WANT_ADDRESSES)
			conn_resolved(f->conn, ev.id, &ip, 1, NULL, now, &f->out);
		if (ev.kind == CONN_EV_WANT_SOCKETS) {
			f->attempts++;
			if (f->port_taken && (f->deaf || !ev.port_500))
				sockets.first_lane = LANE_NATT;
			conn_opened(f->conn, ev.id, &sockets, NULL, now, &f->out);
		}
		if (ev.kind == CONN_EV_WANT_LINK)
			conn_linked(f->conn, ev.id, NULL, now, &f->out);
		if (ev.kind == CONN_EV_WANT_HANDOVER)
			f->handover = ev.id;
		if (ev.kind == CONN_EV_WANT_SECRET) {
			f->prompts++;
			f->prompt = ev.id;
		}
	}
}

static struct fixture begun_with(bool port_taken)
{
	static struct conn_conf conf = {
		.gateway = "vpn.example.com", .reconnect = true, .keep_trying = true};
	struct fixture f = {.env = test_env_new(5), .port_taken = port_taken};

	conf.stack.ike.initial_contact = true;
	given = handed = 0;
	is_established = false;
	f.conn = conn_new(&conf, f.env);
	assert_non_null(f.conn);
	conn_open(f.conn, now, &f.out);
	attend(&f);
	return f;
}

static struct fixture begun(void)
{
	return begun_with(false);
}

static void end(struct fixture *f)
{
	conn_free(f->conn);
	test_env_free(f->env);
}

static void news(struct fixture *f, struct stack_event ev)
{
	struct pktq none = {0};

	the_stack = (struct stack){.next = ev, .has_next = true};
	conn_recv(f->conn, &none, now, &f->out);
	attend(f);
}

static enum conn_state state_of(const struct fixture *f)
{
	struct conn_status st;

	conn_get_status(f->conn, &st);
	return st.state;
}

/* Servers count tries and lock accounts. */
static void a_typed_password_that_was_refused_is_not_tried_again(void **state)
{
	(void)state;
	struct fixture f = begun();
	struct answer typed = {.yes = true, .secret = slice_str("wrong")};

	news(&f, (struct stack_event){.kind = STACK_EV_WANT_SECRET, .id = 1});
	assert_int_equal(f.prompts, 1);
	conn_secret(f.conn, f.prompt, &typed, now, &f.out);
	assert_int_equal(given, 1);
	news(&f, (struct stack_event){.kind = STACK_EV_WANT_SECRET, .id = 2});
	assert_int_equal(given, 1);
	assert_int_equal(f.prompts, 2);
	end(&f);
}

/* A kernel's late answer to an attempt before must not divert the frames of this one. */
static void an_answer_about_a_session_counts_for_its_question(void **state)
{
	(void)state;
	struct fixture f = begun();

	conn_handed(f.conn, 0, true, now, &f.out);
	assert_int_equal(handed, 0);
	news(&f, (struct stack_event){.kind = STACK_EV_WANT_HANDOVER});
	assert_int_not_equal(f.handover, 0);
	conn_handed(f.conn, f.handover + 1, true, now, &f.out);
	conn_handed(f.conn, 0, true, now, &f.out);
	assert_int_equal(handed, 0);
	conn_handed(f.conn, f.handover, true, now, &f.out);
	assert_int_equal(handed, 1);
	conn_handed(f.conn, f.handover, true, now, &f.out);
	assert_int_equal(handed, 1);
	end(&f);
}

static void what_icmp_says_of_a_server_that_answers_is_not_believed(void **state)
{
	(void)state;
	struct fixture f = begun();

	is_established = true;
	for (int i = 0; i < 100; i++)
		conn_net_error(f.conn, CONN_UNREACHABLE, now, &f.out);
	assert_int_equal(state_of(&f), CONN_CONNECTING);
	end(&f);
}

/* The server would forget what it has of us, another connection of this host included. */
static void a_reconnect_is_no_first_contact(void **state)
{
	(void)state;
	struct fixture f = begun();

	assert_true(first_contact);
	news(&f, (struct stack_event){.kind = STACK_EV_UP});
	assert_int_equal(state_of(&f), CONN_UP);
	conn_renew(f.conn, now, &f.out);
	news(&f, (struct stack_event){.kind = STACK_EV_CLOSED});
	assert_int_equal(state_of(&f), CONN_CONNECTING);
	assert_false(first_contact);
	end(&f);
}

/* It lacked memory then; a cipher that was never there will not come. */
static void what_openssl_could_never_do_is_not_tried_again(void **state)
{
	(void)state;
	const struct stack_event failed = {
		.kind = STACK_EV_FAILED, .reason.id = REASON_LOCAL_CRYPTO};
	struct fixture f = begun();

	news(&f, failed);
	assert_int_equal(state_of(&f), CONN_IDLE);
	end(&f);

	f = begun();
	news(&f, (struct stack_event){.kind = STACK_EV_UP});
	news(&f, failed);
	assert_int_equal(state_of(&f), CONN_WAITING);
	end(&f);
}

static void with_our_port_taken_it_begins_as_if_behind_a_nat(void **state)
{
	(void)state;
	struct fixture f = begun();

	assert_int_equal(ike.first_lane, LANE_IKE);
	assert_int_equal(ike.encap, IKE_ENCAP_AUTO);
	end(&f);
	f = begun_with(true);
	assert_int_equal(ike.first_lane, LANE_NATT);
	assert_int_equal(ike.encap, IKE_ENCAP_FORCE);
	end(&f);
}

/* Once, at once, and only for what it may be the cause of. */
static void a_gateway_that_is_silent_on_4500_is_asked_on_500(void **state)
{
	static const enum reason_id silent[] = {REASON_IKE_TIMEOUT, REASON_IKE_PORT_CLOSED};
	struct stack_event failed = {.kind = STACK_EV_FAILED};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f = begun_with(true);

		failed.reason.id = silent[i];
		news(&f, failed);
		assert_int_equal(f.attempts, 2);
		assert_int_equal(ike.first_lane, LANE_IKE);
		assert_int_equal(ike.encap, IKE_ENCAP_AUTO);
		assert_int_equal(state_of(&f), CONN_CONNECTING);
		news(&f, failed);
		assert_int_equal(f.attempts, 2);
		assert_int_equal(state_of(&f), CONN_WAITING);
		end(&f);
	}
	struct fixture f = begun_with(true);
	f.deaf = true;
	for (int i = 0; i < 3; i++)
		news(&f, failed);
	assert_int_equal(f.attempts, 2);
	end(&f);
	f = begun_with(true);
	failed.reason.id = REASON_IKE_NO_PROPOSAL;
	news(&f, failed);
	assert_int_equal(f.attempts, 1);
	end(&f);
	f = begun();
	failed.reason.id = REASON_IKE_TIMEOUT;
	news(&f, failed);
	assert_int_equal(f.attempts, 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_typed_password_that_was_refused_is_not_tried_again),
		cmocka_unit_test(an_answer_about_a_session_counts_for_its_question),
		cmocka_unit_test(what_icmp_says_of_a_server_that_answers_is_not_believed),
		cmocka_unit_test(a_reconnect_is_no_first_contact),
		cmocka_unit_test(what_openssl_could_never_do_is_not_tried_again),
		cmocka_unit_test(with_our_port_taken_it_begins_as_if_behind_a_nat),
		cmocka_unit_test(a_gateway_that_is_silent_on_4500_is_asked_on_500),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
