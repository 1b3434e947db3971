/* The functions that the rooms of ike/ have for each other. */
#pragma once

#include "ike/ike_priv.h"

/* ike.c */
void ike_event(struct ike *ike, struct ike_event ev);
void ike_progress(struct ike *ike, const char *step);
[[gnu::format(printf, 3, 4)]] void ike_fail(
	struct ike *ike, enum reason_id id, const char *fmt, ...);
void ike_fail_memory(struct ike *ike);
void ike_fail_crypto(struct ike *ike);
/* False when it did not leave, for want of memory. */
bool ike_transmit(struct ike *ike, enum lane lane, struct slice message, msec now, struct io *out);
bool ike_digest(struct ike *ike, struct slice message, uint8_t *to);
struct phase1 *ike_newest(const struct ike *ike); /* established, or NULL */
bool ike_id_seen(const struct phase1 *sa, uint32_t id);
void ike_id_add(struct phase1 *sa, uint32_t id);
uint32_t ike_id_new(struct ike *ike, struct phase1 *sa); /* random, non-zero, unused; remembered */
uint32_t ike_life(uint32_t ours, uint32_t theirs);       /* agreed seconds */
struct ike_hdr ike_hdr_of(const struct phase1 *sa, uint8_t exchange, uint32_t id);

/* ike_main.c */
void ike_main_start(struct ike *ike, msec now, struct io *out);
bool ike_main_pending(const struct ike *ike); /* one of ours is under way */
void ike_main_lost(struct ike *ike, struct phase1 *sa, bool by_peer, msec now);
/* False: no SA of ours, nor an answer to one. */
bool ike_main_recv(
	struct ike *ike, const struct ike_hdr *hdr, struct slice message, msec now, struct io *out);
void ike_main_answer(struct ike *ike, const struct ike_hdr *hdr, struct slice message,
	enum lane lane, msec now, struct io *out); /* message 1 of an established peer */
[[gnu::format(printf, 6, 7)]] void ike_main_hint(struct ike *ike, struct phase1 *sa, msec now,
	struct io *out, enum reason_id id, const char *fmt, ...);
[[gnu::format(printf, 6, 7)]] void ike_main_refused(struct ike *ike, struct phase1 *sa, msec now,
	struct io *out, enum reason_id id, const char *fmt, ...);
void ike_main_tick(struct ike *ike, struct phase1 *sa, msec now, struct io *out);
msec ike_main_deadline(const struct ike *ike, const struct phase1 *sa);
struct phase1 *ike_phase1_new(struct ike *ike, bool initiator, enum lane lane, msec now);
void ike_phase1_free(struct phase1 *sa);
/* Does a message with these cookies belong to it? Message 2 brings the responder's cookie, message 1
 * repeated has none. */
bool ike_phase1_fits(const struct phase1 *sa, const struct ike_hdr *hdr);

/* ike_branch.c */
struct phase1 *ike_branch_new(struct ike *ike, struct phase1 *of, unsigned awaits, msec now);
struct phase1 *ike_branch_other(const struct ike *ike, const struct phase1 *sa); /* or NULL */
bool ike_branch_elsewhere(const struct ike *ike, const struct phase1 *sa); /* another cookie's */
void ike_branch_end_others(struct ike *ike, const struct phase1 *sa);
/* Those of another branch, if there is one: NULL, empty. */
struct dh *ike_branch_dh(const struct ike *ike, const struct phase1 *sa);
struct slice ike_branch_nonce(const struct ike *ike, const struct phase1 *sa);

/* ike_mparts.c */
struct verdict { /* what reading a message came to: REASON_NONE, or why not */
	enum reason_id id;
	const char *why; /* "sent our own nonce back" */
};
enum ike_message ike_main_kind(unsigned number);
const char *ike_main_step(unsigned number);
bool ike_main_put(struct ike *ike, struct phase1 *sa, unsigned number, struct ike_build *b);
struct verdict ike_main_take(
	struct ike *ike, struct phase1 *sa, unsigned number, const struct ike_payloads *p);
struct verdict ike_main_derive(struct ike *ike, struct phase1 *sa); /* messages 3 and 4 are known */

/* ike_auth.c */
struct slice ike_auth_own_id(
	const struct ike *ike, const struct phase1 *sa, uint8_t *to, size_t room);
bool ike_auth_hash(
	struct ike *ike, const struct phase1 *sa, bool of_initiator, struct slice id, uint8_t *to);
void ike_auth_id_text(struct slice id, char to[static ID_TEXT]);

/* ike_natt.c */
void ike_natt_put_vids(struct ike *ike, struct ike_build *b);
void ike_natt_take_vids(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p);
bool ike_natt_put_nat_d(struct ike *ike, const struct phase1 *sa, struct ike_build *b);
bool ike_natt_take_nat_d(struct ike *ike, struct phase1 *sa, const struct ike_payloads *p);
bool ike_natt_encapsulates(const struct ike *ike, const struct phase1 *sa);
bool ike_natt_forced(const struct ike *ike);
uint16_t ike_natt_mode(const struct ike *ike, const struct phase1 *sa);
void ike_natt_put_oa(const struct ike *ike, const struct quick *q, struct ike_build *b);
void ike_natt_tick(struct ike *ike, msec now, struct io *out);
msec ike_natt_deadline(const struct ike *ike);

/* ike_quick.c */
void ike_quick_start(struct ike *ike, msec now);
void ike_quick_recv(struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, msec now, struct io *out);
void ike_quick_answered(
	struct ike *ike, struct quick *q, const struct answer *answer, msec now, struct io *out);
void ike_quick_refused(struct ike *ike, struct phase1 *sa, const struct ike_notify *n, msec now);
void ike_quick_confirmed(struct ike *ike, struct quick *q, msec now);
void ike_quick_tick(struct ike *ike, struct quick *q, msec now, struct io *out);
msec ike_quick_deadline(const struct quick *q);
bool ike_quick_pending(const struct ike *ike); /* one of ours is under way */
/* One of either side is not done on that SA; NULL: on any. */
bool ike_quick_busy(const struct ike *ike, const struct phase1 *sa);
void ike_quick_free(struct quick *q);

/* ike_qparts.c */
void ike_quick_put(const struct ike *ike, const struct quick *q, struct ike_build *b);
struct verdict ike_quick_take_answer(
	struct ike *ike, struct quick *q, const struct ike_payloads *p);
struct verdict ike_quick_take_offer(
	struct ike *ike, struct quick *q, const struct ike_payloads *p, uint16_t *error);
/* Our nonce and, with PFS, our private value. */
bool ike_quick_prepare(struct ike *ike, struct quick *q);
struct verdict ike_quick_derive(struct ike *ike, struct quick *q); /* fills in the pair */

/* ike_pair.c */
struct pair *ike_pair_add(struct ike *ike, const struct quick *q, msec now);
void ike_pair_use(struct ike *ike, struct pair *pair, msec now);
void ike_pair_use_soon(struct ike *ike, struct pair *pair, msec now); /* the peer may lack it yet */
void ike_pair_drop(struct ike *ike, struct pair *pair, bool by_peer, msec now);
struct pair *ike_pair_find(struct ike *ike, uint32_t spi, bool either_way);
bool ike_pair_usable(const struct ike *ike);
void ike_pair_rekey_later(struct ike *ike, msec now);
void ike_pair_limit_life(struct ike *ike, uint32_t spi_out, uint32_t life_s);
void ike_pair_tick(struct ike *ike, struct pair *pair, msec now, struct io *out);
msec ike_pair_deadline(const struct ike *ike, const struct pair *pair);

/* ike_info.c */
void ike_info_recv(struct ike *ike, struct phase1 *sa, const struct ike_hdr *hdr,
	struct slice message, msec now, struct io *out);
void ike_info_delete_pair(struct ike *ike, uint32_t spi_in, msec now, struct io *out);
void ike_info_delete_sa(struct ike *ike, struct phase1 *sa, msec now, struct io *out);
void ike_info_notify(
	struct ike *ike, struct phase1 *sa, const struct ike_notify *n, msec now, struct io *out);
void ike_info_dpd_tick(struct ike *ike, msec now, struct io *out);
msec ike_info_dpd_deadline(const struct ike *ike);
