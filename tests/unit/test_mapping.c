/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/cluster/mapping.h"
#include "fake.h"
#include "unit.h"

#define PG_DUMP "{\"prefix\":\"pg dump\",\"dumpcontents\":[\"pgs_brief\"],\"format\":\"json\"}"
#define HOLE CN_CRUSH_NONE

/* An erasure-coded pool of four shards on three hosts, as in data/maptool-ec.bin. */
static struct cn_pool pools[] = {{.id = 1, .size = 4, .pg_num = 24, .erasure = true, .ec_k = 2}};
static const struct cn_osdmap map = {.pools = pools, .n_pools = 1};

static char dir[] = "/tmp/cn-mapping-XXXXXX"; /* of the tools below */
static char *old_path;

static void assert_set(const struct cn_mapping *mp, int64_t pool, uint32_t seed, bool acting, const int *want)
{
	const struct cn_mapped_pool *p = cn_mapping_pool(mp, pool);
	const int *set = p ? cn_mapped_set(p, acting ? p->acting : p->up, seed) : NULL;

	assert_non_null(set);
	for (int i = 0; i < p->size; i++)
		assert_int_equal(set[i], want[i]);
}

static void test_room_for_all(void **state _unused_)
{
	struct cn_pool two[] = {{.id = 3, .size = 2, .pg_num = 1}, {.id = 7, .size = 3, .pg_num = 5}};
	struct cn_osdmap m = {.pools = two, .n_pools = 2};
	const struct cn_mapped_pool *p;
	struct cn_mapping mp;

	cn_mapping_init(&mp, &m, false);
	p = cn_mapping_pool(&mp, 7);
	assert_int_equal(p->pg_num, 5);
	assert_null(p->raw);
	assert_null(cn_mapped_set(p, p->raw, 0));
	for (uint32_t seed = 0; seed < 7; seed++)
		assert_null(cn_mapped_set(p, p->up, seed));
	assert_null(cn_mapping_pool(&mp, 4));
	cn_mapping_release(&mp);
	assert_null(cn_mapping_pool(&mp, 7));
}

static int brief(const char *reply, struct cn_mapping *ret, struct cn_error *err)
{
	struct fake *f = fake_new(NULL);
	int r;

	fake_expect(f, CN_MGR, NULL, PG_DUMP, 0, reply, NULL);
	r = cn_mapping_get(fake_client(f, 1), &map, ret, err);
	fake_done(f);
	return r;
}

#define PGS                                                                                                                      \
	"[{\"pgid\":\"1.a\",\"state\":\"active+clean\",\"up\":[5,2,2147483647,0],\"acting\":[5,2,1,0],\"up_primary\":5},"        \
	"{\"pgid\":\"1.17\",\"state\":\"active+undersized\",\"up\":[4],\"acting\":[]},"                                          \
	"{\"pgid\":\"1.1\",\"state\":\"unknown\",\"up\":[],\"acting\":[]},"                                                      \
	"{\"pgid\":\"1.2\",\"state\":\"active+clean\",\"up\":[0,1,2,3,4],\"acting\":[0,1,2,3]},"                                 \
	"{\"pgid\":\"1.18\",\"state\":\"active+clean\",\"up\":[1],\"acting\":[1]},"                                              \
	"{\"pgid\":\"9.0\",\"state\":\"active+clean\",\"up\":[1],\"acting\":[1]}]"

/* Through 13 a bare array, later an object, whose members come in any order. What the map no longer has is left out. */
static void test_brief_shapes(void **state _unused_)
{
	static const char *const shapes[] = {
		PGS,
		"{\"pg_ready\":true,\"pg_stats\":" PGS "}",
		" { \"pg_stats\" : " PGS " , \"pg_ready\" : true , \"more\" : [{}] }\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		struct cn_mapping mp = {};
		const struct cn_mapped_pool *p;

		assert_int_equal(brief(shapes[i], &mp, NULL), 0);
		assert_set(&mp, 1, 0xa, false, (int[]){5, 2, HOLE, 0});
		assert_set(&mp, 1, 0xa, true, (int[]){5, 2, 1, 0});
		assert_set(&mp, 1, 0x17, false, (int[]){4, HOLE, HOLE, HOLE});
		assert_set(&mp, 1, 0x17, true, (int[]){HOLE, HOLE, HOLE, HOLE});
		p = cn_mapping_pool(&mp, 1);
		assert_null(cn_mapped_set(p, p->up, 0)); /* not told of */
		assert_null(cn_mapped_set(p, p->up, 1)); /* nobody has reported it */
		assert_null(cn_mapped_set(p, p->up, 2)); /* of the pool's size before */
		cn_mapping_release(&mp);
	}
}

static void test_brief_refused(void **state _unused_)
{
	static const struct {
		const char *reply;
		int code;
		const char *words;
	} bad[] = {
		{"{\"pg_ready\":false}", -EAGAIN, "no statistics"},
		{"{\"pg_stats\":[],\"pg_ready\":false}", -EAGAIN, "no statistics"},
		{"", -EBADMSG, "empty reply"},
		{"7", -EBADMSG, "neither"},
		{"[{\"pgid\":\"1.a\",\"up\":[5,2],\"acting\":[5,2]},{\"pgid\":\"1.b\",\"up\":[", -EBADMSG, "not JSON"},
		{"[{\"pgid\":\"1.a\",\"up\":[5,2],\"acting\":[5,2]}", -EBADMSG, "ends early"},
		{"[{\"pgid\":\"1.a\",\"up\":[5,2],\"acting\":[5,2]},", -EBADMSG, "not JSON"},
		{"{\"pg_ready\":true,\"pg_stats\":[]", -EBADMSG, "ends early"},
		{"{}", -EBADMSG, "no PGs"},
		{"{\"pg_ready\"", -EBADMSG, "ends early"},
		{"{", -EBADMSG, "not JSON"},
		{"[{\"pgid\":\"nonsense\"}]", -EBADMSG, "cannot be read"},
		{"[5]", -EBADMSG, "cannot be read"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cn_mapping mp = {};
		struct cn_error e = {};

		assert_int_equal(brief(bad[i].reply, &mp, &e), bad[i].code);
		assert_error(&e, CN_FAILED, bad[i].words);
		assert_null(mp.pools);
	}
}

static void test_osdmap_file(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_error e = {};
	char buf[16];
	int fd = -1;

	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd getmap\",\"epoch\":7}", 0, "a map", NULL);
	assert_int_equal(cn_osdmap_file(c, 7, &fd, NULL), 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 5);
	assert_memory_equal(buf, "a map", 5);
	assert_true(write(fd, "x", 1) < 0 && errno == EPERM);
	close(fd);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd getmap\",\"epoch\":7}", 0, NULL, NULL);
	assert_int_equal(cn_osdmap_file(c, 7, &fd, &e), -EBADMSG);
	assert_error(&e, CN_FAILED, "empty");
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd getmap\",\"epoch\":8}", -ENOENT, NULL, "there is no map for epoch 8");
	assert_int_equal(cn_osdmap_file(c, 8, &fd, &e), -ENOENT);
	assert_error(&e, CN_FAILED, "no map for epoch 8");
	fake_done(f);
}

/* A tool of this name in front of PATH. NULL: PATH is an empty folder. */
static void fake_tool(const char *script)
{
	_cleanup_free_ char *path = script ? cn_asprintf("%s:%s", dir, old_path) : cn_asprintf("%s/none", dir);
	_cleanup_free_ char *name = cn_asprintf("%s/osdmaptool", dir);
	FILE *f;

	setenv("PATH", path, 1);
	if (!script)
		return;
	f = fopen(name, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(name, 0755), 0);
}

static int map_with(const struct cn_ids *zero, struct cn_mapping *ret, struct cn_error *err)
{
	int fd = open("data/maptool-ec.bin", O_RDONLY | O_CLOEXEC), r;

	assert_true(fd >= 0);
	r = cn_maptool_map(fd, &map, zero, ret, err);
	close(fd);
	return r;
}

/* Recorded from osdmaptool 16.2.15, holes and all. */
static void test_maptool_recorded(void **state _unused_)
{
	const struct cn_mapped_pool *p;
	struct cn_mapping mp = {};

	fake_tool("cat data/maptool-ec.txt; echo 'osdmaptool: osdmap file x' >&2");
	assert_int_equal(map_with(NULL, &mp, NULL), 0);
	assert_set(&mp, 1, 0, false, (int[]){5, 2, HOLE, 0});
	assert_set(&mp, 1, 0x17, true, (int[]){3, HOLE, 0, 5});
	p = cn_mapping_pool(&mp, 1);
	assert_memory_equal(p->raw, p->up, 24 * 4 * sizeof(int));
	cn_mapping_release(&mp);
}

/* Tabs of later releases, short sets, words for holes. */
static void test_maptool_forms(void **state _unused_)
{
	struct cn_mapping mp = {};

	fake_tool("sed 's/^1.0 .*/1.0\\traw ([], p-1) up ([5,NONE], p5) acting ([7], p7)/' data/maptool-ec.txt");
	assert_int_equal(map_with(NULL, &mp, NULL), 0);
	assert_int_equal(mp.pools[0].raw[0], HOLE);
	assert_set(&mp, 1, 0, false, (int[]){5, HOLE, HOLE, HOLE});
	assert_set(&mp, 1, 0, true, (int[]){7, HOLE, HOLE, HOLE});
	cn_mapping_release(&mp);
}

static void test_maptool_refused(void **state _unused_)
{
	static const struct {
		const char *script, *words;
	} bad[] = {
		{"head -20 data/maptool-ec.txt", "no word of PG 1.13"},
		{"head -c 500 data/maptool-ec.txt", "no word of PG 1."},
		{"true", "no word of PG 1.0"},
		{"cat data/maptool-ec.txt; echo '1.18 raw ([1], p1) up ([1], p1) acting ([1], p1)'", "not understood: 1.18"},
		{"cat data/maptool-ec.txt; echo '2.0 raw ([1], p1) up ([1], p1) acting ([1], p1)'", "not understood: 2.0"},
		{"echo '1.0 raw ([1,2,3,4,5], p1) up ([1], p1) acting ([1], p1)'", "not understood"},
		{"echo '1.0 raw ([-1], p1) up ([1], p1) acting ([1], p1)'", "not understood"},
		{"echo '1.0 raw ([99999999999], p1) up ([1], p1) acting ([1], p1)'", "not understood"},
		{"echo '1.0 raw ([1 2], p1) up ([1], p1) acting ([1], p1)'", "not understood"},
		{"echo '1.0 raw ([1], p1) up ([1], p1)'", "not understood"},
		{"echo '1.0 raw ([1], p1) up ([1], p1) acting ([1], p1'", "not understood"},
		{"echo '1.0\\traw ([1'", "not understood"},
		{"echo '1. raw'; exec sleep 1000", "not understood"},
		{"printf '1\\033[31m\\n'", "not understood: 1\\x1b"},
		{"exec tr '\\0' x </dev/zero", "without an end"},
		{"echo 'osdmaptool: osdmap file x' >&2; echo 'cannot decode' >&2; exit 7", "exit status 7): cannot decode"},
		{"exit 1", "exit status 1): without a word"},
		{"cat data/maptool-ec.txt; kill -ABRT $$", "signal 6"},
		{"head -c 9999 /dev/zero | tr '\\0' e >&2; exit 1", "eeee"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cn_mapping mp = {};
		struct cn_error e = {};
		int r;

		fake_tool(bad[i].script);
		r = map_with(NULL, &mp, &e);
		if (r != -EPROTO)
			fail_msg("%s: %d %s", bad[i].script, r, e.message);
		assert_error(&e, CN_FAILED, bad[i].words);
		assert_null(mp.pools);
	}
	assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void test_maptool_missing(void **state _unused_)
{
	struct cn_mapping mp = {};
	struct cn_error e = {};

	fake_tool(NULL);
	assert_int_equal(map_with(NULL, &mp, &e), -ENOENT);
	assert_error(&e, CN_FAILED, "no osdmaptool");
}

static void test_maptool_how_it_is_called(void **state _unused_)
{
	struct cn_mapping mp = {};
	struct cn_error e = {};
	struct cn_ids zero = {};

	setenv("CEPH_ARGS", "--debug-osd 20", 1);
	setenv("CEPH_CONF", "/elsewhere", 1);
	setenv("OS_PASSWORD", "secret", 1);
	cn_ids_add(&zero, 4);
	cn_ids_add(&zero, 0);
	fake_tool("echo \"$CEPH_ARGS$OS_PASSWORD|$CEPH_CONF|$*|$(cat)\" >&2; exit 1");
	assert_int_equal(map_with(&zero, &mp, &e), -EPROTO);
	assert_error(&e, CN_FAILED, ": |/dev/null|/proc/self/fd/3 --test-map-pgs-dump-all --adjust-crush-weight 0:0,4:0|");
	cn_ids_release(&zero);
	assert_int_equal(map_with(&zero, &mp, &e), -EPROTO);
	assert_error(&e, CN_FAILED, "/proc/self/fd/3 --test-map-pgs-dump-all|");
	unsetenv("CEPH_ARGS");
	unsetenv("CEPH_CONF");
	unsetenv("OS_PASSWORD");
}

static int interrupted_call(void)
{
	struct cn_mapping mp = {};
	struct cn_error e = {};

	if (cn_interrupt_init() < 0 || map_with(NULL, &mp, &e) != -EINTR)
		return 1;
	return e.code == CN_INTERRUPTED ? 0 : 2;
}

/* A signal ends a tool that hangs, and nobody is left behind. Blocked signals are not handed down. */
static void test_maptool_interrupted(void **state _unused_)
{
	_cleanup_free_ char *fifo = cn_asprintf("%s/fifo", dir);
	_cleanup_free_ char *script =
		cn_asprintf("{ echo $$; grep -E 'SigBlk|SigIgn' /proc/self/status; } >%s\nexec sleep 1000", fifo);
	char line[64];
	int status;
	pid_t pid, tool;
	FILE *f;

	assert_int_equal(mkfifo(fifo, 0600), 0);
	fake_tool(script);
	pid = fork();
	if (pid == 0)
		_exit(interrupted_call());
	f = fopen(fifo, "r"); /* until the tool runs */
	assert_non_null(fgets(line, sizeof(line), f));
	tool = atoi(line);
	for (int i = 0; i < 2; i++) {
		assert_non_null(fgets(line, sizeof(line), f));
		/* posix_spawn() of glibc leaves its own 32 and 33 ignored */
		assert_int_equal(strtoull(strchr(line, '\t'), NULL, 16) & 0x7fffffff, 0);
	}
	fclose(f);
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(kill(tool, 0) < 0 && errno == ESRCH);
	unlink(fifo);
}

/* The real one, on the map that the recorded answer is of. */
static void test_maptool_real(void **state _unused_)
{
	struct cn_mapping recorded = {}, now = {}, without = {};
	struct cn_ids zero = {};

	fake_tool("cat data/maptool-ec.txt");
	assert_int_equal(map_with(NULL, &recorded, NULL), 0);
	setenv("PATH", old_path, 1);
	assert_int_equal(map_with(NULL, &now, NULL), 0);
	cn_ids_add(&zero, 2);
	cn_ids_add(&zero, 5);
	assert_int_equal(map_with(&zero, &without, NULL), 0);
	assert_memory_equal(recorded.pools[0].up, now.pools[0].up, 24 * 4 * sizeof(int));
	for (int i = 0; i < 24 * 4; i++)
		assert_true(without.pools[0].up[i] != 2 && without.pools[0].up[i] != 5);
	cn_ids_release(&zero);
	cn_mapping_release(&recorded);
	cn_mapping_release(&now);
	cn_mapping_release(&without);
}

/* The brief form says of up what the long one does. */
static void test_maptool_brief(void **state _unused_)
{
	int fd = open("data/maptool-ec.bin", O_RDONLY | O_CLOEXEC);
	struct cn_mapping full = {}, brief = {};
	struct cn_error e = {};
	struct cn_ids zero = {};

	cn_ids_add(&zero, 2);
	setenv("PATH", old_path, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cn_maptool_map(fd, &map, i ? &zero : NULL, &full, NULL), 0);
		assert_int_equal(cn_maptool_map_up(fd, &map, i ? &zero : NULL, &brief, NULL), 0);
		assert_memory_equal(full.pools[0].up, brief.pools[0].up, 24 * 4 * sizeof(int));
		assert_memory_equal(full.pools[0].up, brief.pools[0].raw, 24 * 4 * sizeof(int));
		assert_memory_equal(full.pools[0].up, brief.pools[0].acting, 24 * 4 * sizeof(int));
		cn_mapping_release(&full);
		cn_mapping_release(&brief);
	}
	fake_tool("echo \"$*\" >&2; exit 1");
	assert_int_equal(cn_maptool_map_up(fd, &map, &zero, &brief, &e), -EPROTO);
	assert_error(&e, CN_FAILED, "/proc/self/fd/3 --test-map-pgs-dump --clear-temp --adjust-crush-weight 2:0");
	assert_int_equal(cn_maptool_map_up(fd, &map, NULL, &brief, &e), -EPROTO);
	assert_error(&e, CN_FAILED, "/proc/self/fd/3 --test-map-pgs-dump --clear-temp");
	fake_tool("cat data/maptool-ec.txt; echo '1.0\t[5,2'");
	assert_int_equal(cn_maptool_map_up(fd, &map, NULL, &brief, &e), -EPROTO);
	assert_error(&e, CN_FAILED, "not understood: 1.0 raw");
	cn_ids_release(&zero);
	close(fd);
}

/* Whoever is down is left out; in an erasure-coded pool his place stays. */
static void test_temp(void **state _unused_)
{
	struct cn_pool two[] = {{.id = 1, .size = 3, .pg_num = 4}, {.id = 2, .size = 3, .pg_num = 1, .erasure = true}};
	struct cn_osd osds[] = {{.id = 0, .up = true}, {.id = 1, .up = false}, {.id = 2, .up = true}};
	struct cn_osdmap m = {.pools = two, .n_pools = 2, .osds = osds, .n_osds = 3};
	struct cn_mapping mp;

	m.pg_temp = json_pack("[{ss,s[iii]},{ss,s[i]},{ss,s[iii]},{ss,s[i]},{ss,s[iiii]}]", "pgid", "1.0", "osds", 1, 2, 0,
			      "pgid", "1.1", "osds", 1, "pgid", "2.0", "osds", 1, 2, 0, "pgid", "1.9", "osds", 0, "pgid", "1.3",
			      "osds", 0, 0, 0, 0);
	cn_mapping_init(&mp, &m, false);
	for (size_t i = 0; i < 12; i++)
		mp.pools[0].acting[i] = 7;
	cn_mapping_apply_temp(&mp, &m);
	assert_set(&mp, 1, 0, true, (int[]){2, 0, HOLE});
	assert_set(&mp, 1, 1, true, (int[]){7, 7, 7});
	assert_set(&mp, 1, 3, true, (int[]){7, 7, 7});
	assert_set(&mp, 2, 0, true, (int[]){HOLE, 2, 0});
	cn_mapping_release(&mp);
	json_decref(m.pg_temp);
}

/* OSDs that do not exist: every set is empty. */
static void test_maptool_real_simple(void **state _unused_)
{
	_cleanup_free_ char *cmd = cn_asprintf(
		"osdmaptool --createsimple 9 %s/map --with-default-pool --pg-bits 3 --pgp-bits 3 >%s/out 2>&1", dir, dir);
	_cleanup_free_ char *path = cn_asprintf("%s/map", dir), *out = cn_asprintf("%s/out", dir);
	struct cn_pool simple = {.id = 1, .size = 3, .pg_num = 72};
	struct cn_osdmap m = {.pools = &simple, .n_pools = 1};
	struct cn_mapping mp = {};
	int fd;

	setenv("PATH", old_path, 1);
	assert_int_equal(system(cmd), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(cn_maptool_map(fd, &m, NULL, &mp, NULL), 0);
	assert_set(&mp, 1, 71, false, (int[]){HOLE, HOLE, HOLE});
	close(fd);
	cn_mapping_release(&mp);
	unlink(path);
	unlink(out);
}

static int set_up(void **state _unused_)
{
	old_path = cn_strdup(getenv("PATH"));
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state _unused_)
{
	_cleanup_free_ char *name = cn_asprintf("%s/osdmaptool", dir);

	unlink(name);
	free(old_path);
	return rmdir(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_for_all),
		cmocka_unit_test(test_brief_shapes),
		cmocka_unit_test(test_brief_refused),
		cmocka_unit_test(test_osdmap_file),
		cmocka_unit_test(test_maptool_recorded),
		cmocka_unit_test(test_maptool_forms),
		cmocka_unit_test(test_maptool_refused),
		cmocka_unit_test(test_maptool_missing),
		cmocka_unit_test(test_maptool_how_it_is_called),
		cmocka_unit_test(test_maptool_interrupted),
		cmocka_unit_test(test_maptool_real),
		cmocka_unit_test(test_maptool_brief),
		cmocka_unit_test(test_temp),
		cmocka_unit_test(test_maptool_real_simple),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
