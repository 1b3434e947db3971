/* daemon/{conn,stack}: what each check keeps out, where no other test would miss it (./dev mutate). */
#include "tests/vectors/vectors.h"

#include <string.h>

#include "daemon/conn.h"

struct fixture {
	struct env *env;
	struct conn_conf conf;
	struct conn *conn;
	struct io out;
};

static struct fixture asked(uint32_t *question)
{
	struct fixture f = {.env = test_env_new(5)};
	static struct conn_conf conf = {.gateway = "vpn.example.com"};
	struct conn_event ev;

	f.conn = conn_new(&conf, f.env);
	assert_non_null(f.conn);
	conn_open(f.conn, 1000, &f.out);
	assert_true(conn_next_event(f.conn, &ev));
	assert_int_equal(ev.kind, CONN_EV_WANT_ADDRESSES);
	*question = ev.id;
	return f;
}

static void end(struct fixture *f)
{
	conn_free(f->conn);
	test_env_free(f->env);
}

static enum conn_state state_of(const struct fixture *f)
{
	struct conn_status st;

	conn_get_status(f->conn, &st);
	return st.state;
}

static void an_answer_to_another_question_is_not_taken(void **state)
{
	(void)state;
	uint32_t question;
	struct fixture f = asked(&question);
	struct ip ip = ip_v4(0xc0000201);

	conn_resolved(f.conn, question + 1, &ip, 1, NULL, 1000, &f.out);
	assert_int_equal(state_of(&f), CONN_RESOLVING);
	conn_resolved(f.conn, question, &ip, 1, NULL, 1000, &f.out);
	assert_int_equal(state_of(&f), CONN_OPENING);
	end(&f);
}

static void of_endless_addresses_a_few_are_kept(void **state)
{
	(void)state;
	uint32_t question;
	struct fixture f = asked(&question);
	static struct ip ips[5000]; /* more than a struct conn has room for */

	for (uint32_t i = 0; i < 5000; i++)
		ips[i] = ip_v4(0xc6120000 + i);
	conn_resolved(f.conn, question, ips, 5000, NULL, 1000, &f.out);
	assert_int_equal(state_of(&f), CONN_OPENING);
	end(&f);
}

static void nothing_is_sent_before_the_link_is_up(void **state)
{
	(void)state;
	struct env *env = test_env_new(5);
	struct stack_conf conf = {.ike.psk = slice_str("x")};
	struct pktq in = {0};
	struct io out = {0};

	assert_true(ike_proposals_tier("modern", &conf.ike.proposals));
	struct stack *s = stack_new(&conf, env);
	assert_non_null(s);
	stack_open(s, 1000, &out);
	pktq_free(&out.down);
	pktq_put(&in, pkt_of(env->pool, slice("E", 1)));
	stack_send(s, &in, 1000, &out);
	assert_int_equal(out.down.count, 0);
	stack_free(s);
	test_env_free(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_to_another_question_is_not_taken),
		cmocka_unit_test(of_endless_addresses_a_few_are_kept),
		cmocka_unit_test(nothing_is_sent_before_the_link_is_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
