/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was changed outside of Ceph is put back, each piece of it, whatever fails: src/drain/stop.c with three functions of others
 * in the hands of this test. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "unit.h"

#define cn_may_change scripted_may_change
#define cn_stop_kube_restore scripted_restore
#define cn_run_warning scripted_warning
#include "drain/stop.c"

static struct {
	const int *may, *back; /* what each call returns, one after the other */
	size_t n_may, n_back;
} script;
static char names_put_back[64], said[256];

static int answer(int r, const char *what, struct cn_error *err)
{
	return r < 0 ? cn_error_set(err, CN_FAILED, r, "%s: %s", what, strerror(-r)) : 0;
}

int cn_may_change(struct cn_run *run _unused_, struct cn_error *err)
{
	return answer(script.may ? script.may[script.n_may++] : 0, "lock", err);
}

int cn_stop_kube_restore(struct cn_run *run _unused_, const json_t *entry, struct cn_strv *foreign _unused_, struct cn_error *err)
{
	const char *name = cn_json_str(entry, "name", "?");

	strcat(names_put_back, name);
	return answer(script.back[script.n_back++], name, err);
}

void cn_run_warning(struct cn_run *run _unused_, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + strlen(said), sizeof(said) - strlen(said), fmt, ap);
	va_end(ap);
}

static int finish_or_restore(bool finish, const int *may, const int *back, struct cn_error *err)
{
	struct cn_drain drains[2] = {};
	struct cn_drain_context ctx = {.kube = (struct cn_kube *)(uintptr_t)1};
	struct cn_run run = {.ctx = &ctx, .drains = drains, .n = 2};
	struct cn_strv foreign = {};
	int r;

	cn_error_release(err);
	names_put_back[0] = said[0] = 0;
	memset(&script, 0, sizeof(script));
	script.may = may;
	script.back = back;
	drains[0].journal.stopped =
		json_pack("[{ss,ss,sb},{ss,ss,ss},{ss,ss,sb}]", "what", "operator", "name", "a", "for_the_time", 1, "what",
			  "scale", "name", "x", "stays", "x stays", "what", "operator", "name", "b", "for_the_time", 1);
	drains[1].journal.stopped = json_pack("[{ss,ss,sb}]", "what", "operator", "name", "c", "for_the_time", 1);
	r = finish ? cn_stop_finish(&run, err) : cn_stop_restore(&run, &foreign, err);
	for (size_t i = 0; i < foreign.n; i++)
		cn_run_warning(&run, "%s", foreign.v[i]);
	cn_strv_release(&foreign);
	json_decref(drains[0].journal.stopped);
	json_decref(drains[1].journal.stopped);
	return r;
}

#define ONE "removed, but what was held off for that time is not put back: "
#define SEVERAL(n) "removed, but " n " that were held off for that time are not put back: "

static void finish(const int *may, const int *back, int r, const char *names, const char *message)
{
	_cleanup_error_ struct cn_error err = {};

	assert_int_equal(finish_or_restore(true, may, back, &err), r);
	assert_string_equal(names_put_back, names);
	assert_string_equal(said, "x stays");
	assert_string_equal(err.message ? err.message : "", message);
}

static void test_all_are_put_back(void **state _unused_)
{
	finish(NULL, (int[]){0, 0, 0}, 0, "abc", "");
	finish(NULL, (int[]){-EPERM, 0, 0}, -EPERM, "abc", ONE "a: Operation not permitted");
	finish(NULL, (int[]){0, 0, -EINVAL}, -EINVAL, "abc", ONE "c: Invalid argument");
	finish(NULL, (int[]){-EPERM, -EINVAL, 0}, -EPERM, "abc", SEVERAL("2") "a: Operation not permitted");
	finish(NULL, (int[]){-EAGAIN, -EREMOTEIO, -EEXIST}, -EAGAIN, "abc", SEVERAL("3") "a: Resource temporarily unavailable");
	/* what holds for all of them */
	finish(NULL, (int[]){-ETIMEDOUT}, -ETIMEDOUT, "a", SEVERAL("3") "a: Connection timed out");
	finish(NULL, (int[]){0, -ECONNREFUSED}, -ECONNREFUSED, "ab", SEVERAL("2") "b: Connection refused");
	finish((int[]){-ESTALE}, NULL, -ESTALE, "", SEVERAL("3") "lock: Stale file handle");
	finish((int[]){0, 0, -EINTR}, (int[]){-EPERM, 0}, -EINTR, "ab", SEVERAL("2") "lock: Interrupted system call");
}

static void test_a_cancel_goes_on_with_the_others(void **state _unused_)
{
	_cleanup_error_ struct cn_error err = {};

	assert_int_equal(finish_or_restore(false, NULL, (int[]){-EPERM, 0, -EINVAL, 0}, &err), 0);
	assert_string_equal(names_put_back, "bxac");
	assert_string_equal(said, "b: Operation not permitteda: Invalid argument");
	/* but not without the lock: nothing was wrong with that one */
	assert_int_equal(finish_or_restore(false, NULL, (int[]){0, -ESTALE}, &err), -ESTALE);
	assert_string_equal(names_put_back, "bx");
	assert_string_equal(said, "");
	assert_int_equal(finish_or_restore(false, NULL, (int[]){-ECONNREFUSED}, &err), -ECONNREFUSED);
	assert_string_equal(names_put_back, "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_are_put_back),
		cmocka_unit_test(test_a_cancel_goes_on_with_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
