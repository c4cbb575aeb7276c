/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/locks/break.h"
#include "cephnode/output/locks.h"
#include "cli/cli.h"

#define ERRORS_SHOWN 10

int cn_cmd_locks_check(const struct cn_settings *s, struct cn_error *err)
{
	const struct cn_locks_settings *l = &s->locks;
	int scopes = (s->n_args > 0) + (l->pool != NULL) + l->all;

	if (scopes == 1 || (scopes == 0 && l->node)) /* a node's locks may be anywhere */
		return 0;
	(void)cn_error_set(err, CN_USAGE, EINVAL,
			   scopes ? "an image, --pool and --all exclude each other" : "which images is not said");
	cn_error_hint(err, "name an image ([POOL/[NAMESPACE/]]IMAGE), a pool (-p POOL), or --all");
	return -EINVAL;
}

static int scope_of(struct cn_session *s, struct cn_lock_scope *ret, char **ret_buf, struct cn_error *err)
{
	const struct cn_settings *o = s->settings;

	if (o->n_args)
		return cn_lock_scope_image(s->cluster, o->args[0], ret, ret_buf, err);
	return o->locks.pool ? cn_lock_scope_pool(o->locks.pool, ret, ret_buf, err) : 0;
}

static void warn_errors(const struct cn_lock_list *list)
{
	for (size_t i = 0; i < list->n_errors; i++) {
		const struct cn_lock_error *e = &list->errors[i];

		if (i == ERRORS_SHOWN) {
			cn_warning("... and %zu more (-f json has all of them)", list->n_errors - i);
			break;
		}
		cn_warning("%s%s%s%s%s: %s: %s", e->pool, *e->ns ? "/" : "", e->ns, e->image ? "/" : "", e->image ? e->image : "",
			   e->op, strerror(e->errnum));
	}
}

static int show(struct cn_session *s, const struct cn_lock_list *list, struct cn_error *err)
{
	const struct cn_locks_settings *o = &s->settings->locks;
	_cleanup_json_ json_t *doc = cn_locks_json(list, o->kind, o->state);
	struct cn_table_style style;

	if (s->settings->format == CN_FORMAT_JSON) {
		(void)cn_out_json(doc);
	} else {
		_cleanup_free_ char *text = NULL;

		style = cn_table_style_stdout(s->settings->color, s->settings->verbose);
		text = cn_view_locks(doc, &style);
		(void)cn_out_puts(text);
	}
	if (list->n_errors == 0)
		return 0;
	warn_errors(list);
	(void)cn_error_set(err, CN_PARTIAL, EIO, "the answer is incomplete: %zu look-ups failed", list->n_errors);
	cn_error_hint(err, "a key for this needs: mon 'allow r' osd 'allow r, allow class-read' (cephnode(1), CAPS)");
	return -EIO;
}

int cn_cmd_locks_list(struct cn_session *s, struct cn_error *err)
{
	_cleanup_(cn_lock_list_release) struct cn_lock_list list = {0}, around = {0};
	_cleanup_(cn_lock_node_release) struct cn_lock_node node = {0};
	_cleanup_free_ char *buf = NULL;
	struct cn_lock_scope scope = {0};
	const char *name = s->settings->locks.node;
	bool known = true;
	int r;

	r = scope_of(s, &scope, &buf, err);
	if (r == 0 && name)
		r = cn_lock_node_find(s->cluster, s->drain.kube, name, &node, &known, err);
	if (r == 0)
		r = cn_locks_scan(s->cluster, &scope, &list, err);
	if (r == 0 && name && scope.pool) /* only then: a look at one image is not to wait for a pool that does not answer */
		r = cn_locks_scan_around(s->cluster, &list, &around, err);
	if (r < 0)
		return r;
	if (r > 0) { /* these were all images, those in the list among them */
		cn_lock_errors_swap(&list, &around);
		cn_warning("not all images could be looked at: locks may be the node's without being shown here");
	}
	cn_locks_choose(s->cluster, &list, &around, name ? &node : NULL);
	cn_locks_look(s->cluster, &list, false);
	cn_locks_classify(&list);
	r = show(s, &list, err);
	if (!known && cn_locks_none_chosen(&list))
		cn_warning("neither the cluster nor a lock knows a node '%s'", name);
	return r;
}

/* --- break --- */

static int check_words(const struct cn_settings *s, struct cn_error *err)
{
	const struct cn_locks_settings *l = &s->locks;

	if (s->n_args && (l->pool || l->all || l->node))
		return cn_error_set(err, CN_USAGE, EINVAL, "an image excludes --pool, --all and --node");
	if (!s->n_args && !l->node)
		return cn_error_set(err, CN_USAGE, EINVAL, "which lock is not said");
	if (!s->n_args && (l->pool != NULL) + l->all != 1)
		return cn_error_set(err, CN_USAGE, EINVAL, "--node needs either --pool or --all");
	if (l->no_fence != l->powered_off) {
		(void)cn_error_set(err, CN_USAGE, EINVAL, "--no-fence and --node-is-powered-off need each other");
		cn_error_hint(err,
			      "leave it out and the locker is fenced; give both only where you have made sure that its node is "
			      "off and cannot come back");
		return -EINVAL;
	}
	if (l->no_fence && (l->force || l->fence_host)) {
		(void)cn_error_set(err, CN_USAGE, EINVAL, "--no-fence excludes --force and --fence-host");
		cn_error_hint(err, "leave out --no-fence and --node-is-powered-off to fence, or the others to fence nobody");
		return -EINVAL;
	}
	return 0;
}

int cn_cmd_locks_break_check(const struct cn_settings *s, struct cn_error *err)
{
	int r = check_words(s, err);

	if (r < 0)
		cn_error_hint(err, "name an image ([POOL/[NAMESPACE/]]IMAGE), or --node NODE with -p POOL or --all");
	return r;
}

static void emit(void *arg, const json_t *event)
{
	struct cn_session *s = arg;

	cn_events_emit(s->events, event);
}

static int confirm(void *arg, const char *text)
{
	struct cn_session *s = arg;
	const struct cn_settings *o = s->settings;

	return cn_ask(s, text, o->n_args ? o->args[0] : o->locks.node);
}

int cn_cmd_locks_break(struct cn_session *s, struct cn_error *err)
{
	const struct cn_locks_settings *l = &s->settings->locks;
	const struct cn_break_options options = {
		.locker = l->locker,
		.lock_id = l->lock_id,
		.force = l->force,
		.fence_host = l->fence_host,
		.no_fence = l->no_fence,
		.dry_run = s->settings->dry_run,
		.fence_for_s = l->fence_for_s,
	};
	struct cn_break b = {.cluster = s->cluster,
			     .kube = s->drain.kube,
			     .clock = cn_clock_system(),
			     .options = &options,
			     .emit = emit,
			     .arg = s};
	_cleanup_free_ char *buf = NULL;
	struct cn_lock_scope scope = {0};
	int r = scope_of(s, &scope, &buf, err);

	if (r < 0)
		return r;
	/* without a terminal nobody is asked: what is not safe is refused */
	if (!s->settings->yes && isatty(STDIN_FILENO))
		b.confirm = confirm;
	return cn_locks_break(&b, &scope, l->node, err);
}
