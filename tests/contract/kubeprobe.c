/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One operation of the Kubernetes client, its outcome as one line of JSON: for the *_test.py beside it.
 *
 * kubeprobe [--kubeconfig FILE] [--context NAME] [--clock still] [--timeout MS] OPERATION...
 *   config [FILE]                    what cn_kube_config_load() finds; of secrets only whether they are there
 *   get|once METHOD PATH [BODY]      cn_kube_request() with CN_KUBE_REPEAT or CN_KUBE_ONCE
 *   list PATH [QUERY]                cn_kube_list(): names, and how often it began again
 *   lists N PATH                     N lists side by side
 *   label PATH KEY [VALUE]           the object is read, and cn_kube_label_set()
 *   scale NS DEPLOYMENT N            cn_kube_scale_get(), cn_kube_scale_set()
 *   evict|delete NS POD UID          cn_kube_evict(), cn_kube_delete_pod()
 *   guard ANSWERS                    what the guard of changes says from now on each time: "++-" yes, yes, no; then no for ever
 *   batch                            the above, one a line of stdin as a JSON array of strings, and ["advance", SECONDS]
 * --clock still: waits do not wait, and time stands still but for them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/log.h"
#include "cephnode/base/parallel.h"
#include "cephnode/kube/workloads.h"

struct probe {
	struct cn_kube_options options;
	struct cn_clock *clock;
	struct cn_kube *kube;
	json_t *out;
};

/* --- a clock that moves when it is told --- */

static int64_t moved_ms, waited_ms;
static bool stands;

static int64_t fake_boot_ms(struct cn_clock *c _unused_)
{
	return 1000000 + moved_ms;
}

static int64_t fake_real_ms(struct cn_clock *c _unused_)
{
	return cn_clock_real_ms(cn_clock_system()) + moved_ms;
}

static int fake_wait_ms(struct cn_clock *c _unused_, int64_t ms)
{
	moved_ms += ms;
	waited_ms += ms;
	return cn_interrupted() ? -EINTR : 0;
}

static struct cn_clock fake = {fake_boot_ms, fake_real_ms, fake_wait_ms};

/* --- outcomes --- */

static void tell(json_t *out, int r, const struct cn_error *err)
{
	json_object_set_new(out, "r", json_string(r < 0 ? strerrorname_np(-r) : "0"));
	if (r >= 0)
		return;
	json_object_set_new(out, "code", json_integer(err->code));
	json_object_set_new(out, "message", cn_json_string(err->message));
	json_object_set_new(out, "hint", cn_json_string(err->hint));
}

static void tell_status(json_t *out, const struct cn_kube_status *s)
{
	json_object_set_new(out, "status", json_integer(s->code));
	json_object_set_new(out, "reason", cn_json_string(s->reason));
	json_object_set_new(out, "said", cn_json_string(s->message));
	json_object_set_new(out, "cause", cn_json_string(s->cause));
}

static void do_config(struct probe *p, char **a)
{
	struct cn_kube_options o = p->options;
	_cleanup_(cn_kube_config_release) struct cn_kube_config c = {};
	_cleanup_error_ struct cn_error err = {};
	int r;

	o.kubeconfig = a[0] ? a[0] : o.kubeconfig;
	r = cn_kube_config_load(&o, &c, &err);
	tell(p->out, r, &err);
	json_object_set_new(p->out, "found", json_boolean(r == 1));
	if (r != 1)
		return;
	json_object_set_new(p->out, "source", cn_json_string(c.source));
	json_object_set_new(p->out, "context", cn_json_string(c.context));
	json_object_set_new(p->out, "server", cn_json_string(c.server));
	json_object_set_new(p->out, "namespace", cn_json_string(c.ns));
	json_object_set_new(p->out, "token", json_boolean(c.token));
	json_object_set_new(p->out, "token_file", cn_json_string(c.token_file));
	json_object_set_new(p->out, "cert", json_boolean(c.http.cert && c.http.key));
	json_object_set_new(p->out, "ca", json_boolean(c.http.ca));
	json_object_set_new(p->out, "exec", cn_json_string(c.exec.command));
}

static void do_request(struct probe *p, char **a, enum cn_kube_retry retry)
{
	_cleanup_(cn_kube_status_release) struct cn_kube_status s = {};
	_cleanup_error_ struct cn_error err = {};
	_cleanup_json_ json_t *body = a[1] && a[2] ? json_loads(a[2], JSON_DECODE_ANY, NULL) : NULL;
	const char *type = strcmp(a[0], "PATCH") == 0 ? "application/merge-patch+json" : NULL;
	json_t *j = NULL;
	int r;

	r = cn_kube_request(p->kube, retry, a[0], a[1], type, body, &j, &s, &err);
	tell(p->out, r, &err);
	tell_status(p->out, &s);
	json_object_set_new(p->out, "json", j ? j : json_null());
}

static void do_repeat(struct probe *p, char **a)
{
	do_request(p, a, CN_KUBE_REPEAT);
}

static void do_once(struct probe *p, char **a)
{
	do_request(p, a, CN_KUBE_ONCE);
}

struct listing {
	json_t *names;
	unsigned restarts;
};

static int on_item(void *arg, const json_t *item, struct cn_error *err)
{
	struct listing *l = arg;
	const char *name = cn_json_str(cn_json_obj(item, "metadata"), "name", "?");

	if (strcmp(name, "stop-here") == 0)
		return cn_error_set(err, CN_REFUSED, ESTALE, "the caller had enough");
	json_array_append_new(l->names, json_string(name));
	return 0;
}

static void on_restart(void *arg)
{
	struct listing *l = arg;

	json_array_clear(l->names);
	l->restarts++;
}

static void list(struct probe *p, const char *path, const char *query, json_t *out)
{
	_cleanup_error_ struct cn_error err = {};
	struct listing l = {json_array(), 0};
	int r = cn_kube_list(p->kube, path, query, on_item, on_restart, &l, &err);

	tell(out, r, &err);
	json_object_set_new(out, "names", l.names);
	json_object_set_new(out, "restarts", json_integer(l.restarts));
}

static void do_list(struct probe *p, char **a)
{
	list(p, a[0], a[1], p->out);
}

struct many {
	struct probe *p;
	const char *path;
	json_t **out;
};

static void one_of_many(void *arg, size_t i)
{
	struct many *m = arg;

	list(m->p, m->path, NULL, m->out[i]);
}

static void do_lists(struct probe *p, char **a)
{
	size_t n = (size_t)atoi(a[0]);
	struct many m = {p, a[1], cn_calloc(n, sizeof(*m.out))};
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, m.out[i] = json_object());
	cn_parallel(n, (unsigned)n, one_of_many, &m);
	json_object_set_new(p->out, "lists", all);
	free(m.out);
}

/* --- what changes --- */

static void do_label(struct probe *p, char **a)
{
	_cleanup_error_ struct cn_error err = {};
	_cleanup_json_ json_t *object = NULL;
	int r = cn_kube_request(p->kube, CN_KUBE_REPEAT, "GET", a[0], NULL, NULL, &object, NULL, &err);

	if (r == 0)
		r = cn_kube_label_set(p->kube, a[0], object, a[1], a[2], &err);
	tell(p->out, r, &err);
}

static void do_scale(struct probe *p, char **a)
{
	_cleanup_(cn_kube_scale_release) struct cn_kube_scale s = {};
	_cleanup_error_ struct cn_error err = {};
	int r = cn_kube_scale_get(p->kube, a[0], a[1], &s, &err);

	if (r == 0) {
		json_object_set_new(p->out, "replicas", json_integer(s.replicas));
		json_object_set_new(p->out, "selector", cn_json_string(s.selector));
		json_object_set_new(p->out, "group", cn_json_string(s.group));
		r = cn_kube_scale_set(p->kube, a[0], a[1], &s, atoi(a[2]), &err);
	}
	tell(p->out, r, &err);
}

static void do_evict(struct probe *p, char **a)
{
	_cleanup_error_ struct cn_error err = {};

	tell(p->out, cn_kube_evict(p->kube, a[0], a[1], a[2], &err), &err);
}

static void do_delete(struct probe *p, char **a)
{
	_cleanup_error_ struct cn_error err = {};

	tell(p->out, cn_kube_delete_pod(p->kube, a[0], a[1], a[2], &err), &err);
}

static char answers[16];
static size_t asked;

static int may_send(void *arg _unused_, struct cn_error *err)
{
	if (asked < strlen(answers) && answers[asked++] == '+')
		return 0;
	return cn_error_set(err, CN_FAILED, ESTALE, "the lock is lost");
}

static void do_guard(struct probe *p, char **a)
{
	static const struct cn_kube_guard guard = {.may_send = may_send, .timeout_ms = 2000};

	snprintf(answers, sizeof(answers), "%s", a[0]);
	asked = 0;
	cn_kube_set_guard(p->kube, &guard);
}

static void do_advance(struct probe *p _unused_, char **a)
{
	moved_ms += atoll(a[0]) * 1000;
}

static const struct {
	const char *name;
	int needs; /* arguments */
	void (*run)(struct probe *p, char **a);
} operations[] = {
	{"config", 0, do_config}, {"get", 2, do_repeat},      {"once", 2, do_once},   {"list", 1, do_list},
	{"lists", 2, do_lists},   {"advance", 1, do_advance}, {"label", 2, do_label}, {"scale", 3, do_scale},
	{"evict", 3, do_evict},   {"delete", 3, do_delete},   {"guard", 1, do_guard},
};

static void log_line(enum cn_log_level level _unused_, const char *text)
{
	fprintf(stderr, "%s\n", text);
}

static void print(struct probe *p)
{
	char *text;

	json_object_set_new(p->out, "requests", json_integer(cn_http_count()));
	json_object_set_new(p->out, "waited_ms", json_integer(waited_ms));
	waited_ms = 0;
	text = cn_json_dump(p->out);
	puts(text);
	fflush(stdout);
	free(text);
	json_object_clear(p->out);
}

static int run(struct probe *p, int argc, char **argv)
{
	_cleanup_error_ struct cn_error err = {};
	int r = 1;

	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (argc < 1 || strcmp(argv[0], operations[i].name) != 0 || argc - 1 < operations[i].needs)
			continue;
		if (operations[i].needs && !p->kube)
			r = cn_kube_open(&p->options, p->clock, &p->kube, &err);
		if (r == 1) {
			operations[i].run(p, argv + 1);
		} else {
			tell(p->out, r, &err);
			json_object_set_new(p->out, "found", json_false());
		}
		print(p);
		return 0;
	}
	fprintf(stderr, "kubeprobe: unknown operation\n");
	return 2;
}

static int batch(struct probe *p)
{
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	int r = 0;

	while (r == 0 && getline(&line, &cap, stdin) > 0) {
		_cleanup_json_ json_t *words = json_loads(line, 0, NULL);
		char *argv[8] = {};
		int argc = 0;

		while (argc < 7 && (argv[argc] = (char *)(uintptr_t)json_string_value(json_array_get(words, (size_t)argc))))
			argc++;
		r = run(p, argc, argv);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct probe p = {.clock = cn_clock_system(), .out = json_object()};
	int i, r;

	cn_interrupt_init();
	cn_log_set(log_line, CN_LOG_DEBUG);
	for (i = 1; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--kubeconfig") == 0)
			p.options.kubeconfig = argv[i + 1];
		else if (strcmp(argv[i], "--context") == 0)
			p.options.context = argv[i + 1];
		else if (strcmp(argv[i], "--timeout") == 0)
			p.options.timeout_ms = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--clock") == 0)
			stands = strcmp(argv[i + 1], "still") == 0;
	}
	if (stands)
		p.clock = &fake;
	r = i < argc && strcmp(argv[i], "batch") == 0 ? batch(&p) : run(&p, argc - i, argv + i);
	json_decref(p.out);
	cn_kube_free(p.kube);
	return r;
}
