/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage node may be a client, too: after a drain, which RBD images does it still have locked? Never fails a drain. */
#include "cephnode/base/interrupt.h"
#include "cephnode/base/text.h"
#include "cephnode/locks/locks.h"
#include "cli/cli.h"

#define NAMED_IMAGES 5

/* While the cluster still knows the nodes. One that is gone already is known by its address only. */
void cn_lock_hint_learn(struct cn_session *s)
{
	struct cn_lock_hint *h = &s->hint;

	if (h->nodes)
		return;
	cn_session_names(s, &h->names);
	h->nodes = cn_calloc(h->names.n, sizeof(*h->nodes));
	for (; h->n < h->names.n && !cn_interrupted(); h->n++) {
		bool known;

		(void)cn_lock_node_find(s->cluster, NULL, h->names.v[h->n], &h->nodes[h->n], &known, NULL);
	}
}

/* "rbd/a, rbd/b, ..."; NULL: none. */
static char *chosen_images(const struct cn_lock_list *list, size_t *ret_n)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};

	*ret_n = 0;
	for (size_t i = 0; i < list->n_locks; i++) {
		_cleanup_free_ char *spec = list->locks[i].chosen ? cn_lock_spec(list->locks[i].image) : NULL;
		_cleanup_free_ char *safe = spec ? cn_text_safe(spec) : NULL;

		if (spec && (*ret_n)++ < NAMED_IMAGES)
			cn_strv_add(&names, safe);
	}
	if (*ret_n > NAMED_IMAGES)
		cn_strv_add(&names, "...");
	return *ret_n ? cn_strv_join(&names, ", ") : NULL;
}

void cn_lock_hint_show(struct cn_session *s)
{
	struct cn_lock_hint *h = &s->hint;

	cn_lock_hint_learn(s);
	for (size_t i = 0; i < h->n && !cn_interrupted(); i++) {
		_cleanup_(cn_lock_list_release) struct cn_lock_list list = {0};
		struct cn_lock_scope everywhere = {0};
		_cleanup_free_ char *images = NULL;
		char ip[CN_IP_STRLEN];
		size_t n;

		if (h->nodes[i].n_addresses == 0)
			continue;
		if (cn_locks_scan(s->cluster, &everywhere, &list, NULL) < 0)
			return;
		cn_locks_choose(s->cluster, &list, NULL, &h->nodes[i]);
		images = chosen_images(&list, &n);
		if (images)
			cn_note("clients on %s still hold %zu %s of RBD images (%s), see: cephnode locks list --node %s",
				h->names.v[i], n, n == 1 ? "lock" : "locks", images,
				cn_ip_format(&h->nodes[i].addresses[0], ip));
	}
}

void cn_lock_hint_release(struct cn_lock_hint *h)
{
	for (size_t i = 0; i < h->n; i++)
		cn_lock_node_release(&h->nodes[i]);
	free(h->nodes);
	cn_strv_release(&h->names);
	*h = (struct cn_lock_hint){0};
}
