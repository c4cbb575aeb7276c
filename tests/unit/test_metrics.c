/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text for Prometheus, and the file that it is put into. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cephnode/base/file.h"
#include "cephnode/output/metrics.h"
#include "unit.h"

#define GAUGE(name, help) "# HELP cephnode_" name " " help "\n# TYPE cephnode_" name " gauge\n"
#define HEAD(up)                                                                                                                 \
	GAUGE("build_info", "Version of cephnode.")                                                                              \
	"cephnode_build_info{version=\"1.2.3\"} 1\n" GAUGE(                                                                      \
		"up", "Whether the cluster let itself be looked at.") "cephnode_up " up "\n"

static void assert_text(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static char *text_of(const char *doc)
{
	_cleanup_json_ json_t *j = cn_json_parse(doc, strlen(doc), NULL);

	assert_non_null(j);
	return cn_metrics_text("1.2.3", j);
}

static void has(const char *text, const char *line, bool is)
{
	if ((strstr(text, line) != NULL) != is)
		fail_msg("%s '%s' in:\n%s", is ? "no" : "a", line, text);
}

static void test_without_drains(void **state _unused_)
{
	assert_text(text_of("{\"drains\":[]}"),
		    HEAD("1") GAUGE("drains", "Drains that are under way or unfinished.") "cephnode_drains 0\n");
}

static void test_without_cluster(void **state _unused_)
{
	assert_text(cn_metrics_text("1.2.3", NULL), HEAD("0"));
}

static const char two[] =
	"{\"drains\":[{\"id\":\"a1\",\"node\":\"n1\",\"phase\":\"wait\",\"osds\":[2,3],\"started\":\"2026-01-02T03:04:05.900Z\","
	"\"updated\":\"1970-01-01T00:00:07.000Z\",\"owner\":{\"host\":\"h\",\"pid\":7},\"last_error\":null,\"bytes_total\":"
	"9007199254740993,"
	"\"pgs_left\":5,\"bytes_left\":0,\"eta_seconds\":null,\"running\":true},"
	"{\"id\":\"b2\",\"node\":\"n2\",\"phase\":\"prove\",\"osds\":[4],\"started\":\"2026-01-02T03:04:05.900Z\",\"updated\":"
	"\"x\","
	"\"owner\":{\"host\":\"h\",\"pid\":7},\"last_error\":\"it "
	"broke\",\"bytes_total\":7,\"pgs_left\":null,\"bytes_left\":null,"
	"\"eta_seconds\":61,\"running\":null}]}";

static void test_values(void **state _unused_)
{
	_cleanup_free_ char *text = text_of(two);

	has(text, "cephnode_drains 2\n", true);
	has(text, "\ncephnode_drain_info{drain=\"a1\",drain_node=\"n1\",phase=\"wait\",owner=\"h\"} 1\n", true);
	has(text,
	    "\ncephnode_drain_osds{drain=\"a1\",drain_node=\"n1\"} 2\ncephnode_drain_osds{drain=\"b2\",drain_node=\"n2\"} 1\n",
	    true);
	has(text,
	    "\ncephnode_drain_failed{drain=\"a1\",drain_node=\"n1\"} 0\ncephnode_drain_failed{drain=\"b2\",drain_node=\"n2\"} "
	    "1\n",
	    true);
	has(text, "\ncephnode_drain_size_bytes{drain=\"a1\",drain_node=\"n1\"} 9007199254740993\n", true);
	has(text, "\ncephnode_drain_remaining_bytes{drain=\"a1\",drain_node=\"n1\"} 0\n", true);
	has(text, "\ncephnode_drain_started_timestamp_seconds{drain=\"a1\",drain_node=\"n1\"} 1767323045\n", true);
	has(text, "\ncephnode_drain_updated_timestamp_seconds{drain=\"a1\",drain_node=\"n1\"} 7\n", true);
}

/* Not NaN, and not 0 either: no line, and no family without one. */
static void test_what_is_not_known_has_no_line(void **state _unused_)
{
	_cleanup_free_ char *text = text_of(two), *none = text_of("{\"drains\":[{\"id\":\"a\"}]}");

	has(text, "_eta_seconds{drain=\"a1\"", false);
	has(text, "_eta_seconds{drain=\"b2\",drain_node=\"n2\"} 61\n", true);
	has(text, "_pgs{drain=\"a1\"", true);
	has(text, "_pgs{drain=\"b2\"", false);
	has(text, "_remaining_bytes{drain=\"b2\"", false);
	has(text, "_running{drain=\"a1\",drain_node=\"n1\"} 1\n", true);
	has(text, "_running{drain=\"b2\"", false);
	has(text, "_updated_timestamp_seconds{drain=\"b2\"", false);
	has(none, "eta_seconds", false);
	has(none, "running", false);
	has(none, "cephnode_drain_info{drain=\"a\",drain_node=\"\",phase=\"\",owner=\"\"} 1\n", true);
}

static void test_labels_are_escaped(void **state _unused_)
{
	_cleanup_free_ char *text = text_of("{\"drains\":[{\"id\":\"a\",\"node\":\"n\\\\1\\\"} 1\\ncephnode_up 0\\u00e9\"}]}");

	has(text, "{drain=\"a\",drain_node=\"n\\\\1\\\"} 1\\ncephnode_up 0\xc3\xa9\"} 0\n", true);
	has(text, "\ncephnode_up 0", false);
}

static void test_file(void **state _unused_)
{
	char folder[] = "/tmp/cn-unit-metrics.XXXXXX";
	_cleanup_free_ char *path = NULL, *nowhere = NULL;
	mode_t mask = umask(077);
	struct cn_error e = {};
	struct stat st;
	char buf[16] = "";
	FILE *f;

	assert_non_null(mkdtemp(folder));
	path = cn_asprintf("%s/a.prom", folder);
	nowhere = cn_asprintf("%s/none/a.prom", folder);
	assert_int_equal(cn_file_replace(path, "longer text\n", 0644, &e), 0);
	assert_int_equal(cn_file_replace(path, "text\n", 0644, &e), 0);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(buf, 1, sizeof(buf), f), 5);
	fclose(f);
	assert_string_equal(buf, "text\n");
	assert_int_equal(cn_file_replace(nowhere, "text\n", 0644, &e), -ENOENT);
	assert_error(&e, CN_FAILED, "/none/a.prom: No such file");
	cn_error_release(&e);
	assert_int_equal(cn_file_replace(folder, "text\n", 0644, &e), -EISDIR); /* and its own file is gone again */
	cn_error_release(&e);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_drains),
		cmocka_unit_test(test_without_cluster),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_what_is_not_known_has_no_line),
		cmocka_unit_test(test_labels_are_escaped),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
