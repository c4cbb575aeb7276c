/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What draining a host moves, worked out from map files by the tool's own code. simulate.py makes the maps and runs it:
 *
 *   drain OSDMAP.json CRUSH.json MAP ID,... PER_HOST RACKS
 *
 * sets the weights of these OSDs to 0 in one change, plain and pinned;
 *
 *   steps OSDMAP.json MAP MAP...
 *
 * goes from one map to the next and sums up what moves. Every PG holds the same, so shards are counted. One JSON object on
 * stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cephnode/drain/pin.h"

#define SHARD_BYTES 4096 /* divides without a rest */

/* The one cluster whose answers are two files. */
struct files {
	struct cn_cluster base;
	const char *osdmap, *crush;
};

static int answer(struct cn_cluster *c, enum cn_target target _unused_, const char *pgid _unused_, const char *cmd,
		  char **ret_out, size_t *ret_len, char **ret_status _unused_)
{
	const struct files *files = (struct files *)c;
	FILE *f = fopen(strstr(cmd, "osd crush dump") ? files->crush : files->osdmap, "r");
	char *text = NULL;
	size_t cap = 0;
	ssize_t n = f ? getdelim(&text, &cap, '\0', f) : -1;

	if (f)
		fclose(f);
	if (n < 0) {
		free(text);
		return -ENOENT;
	}
	*ret_out = text;
	*ret_len = (size_t)n;
	return 0;
}

static const struct cn_cluster_ops file_ops = {.command = answer};

static void die(struct cn_error *err)
{
	fprintf(stderr, "simulate: %s\n", err->message);
	exit(1);
}

static void map_file(const char *path, const struct cn_osdmap *m, const struct cn_ids *zero, struct cn_mapping *ret)
{
	struct cn_error err = {};
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	if (cn_maptool_map(fd, m, zero, ret, &err) < 0)
		die(&err);
	close(fd);
}

static bool has(const int *set, int n, int osd)
{
	for (int i = 0; i < n; i++)
		if (set[i] == osd)
			return true;
	return false;
}

/* Written apart from cn_forecast_make(), to hold one against the other. */
static int64_t shards_moved(const struct cn_osdmap *m, const struct cn_mapping *before, const struct cn_mapping *after)
{
	int64_t moved = 0;

	for (size_t i = 0; i < before->n_pools; i++) {
		const struct cn_mapped_pool *a = &before->pools[i], *b = &after->pools[i];
		const bool erasure = cn_osdmap_pool(m, a->id)->erasure;

		for (size_t at = 0; at < (size_t)a->pg_num * a->size; at++) {
			const int *set = a->up + at - at % a->size;

			if (b->up[at] != CN_CRUSH_NONE)
				moved += erasure ? b->up[at] != a->up[at] : !has(set, a->size, b->up[at]);
		}
	}
	return moved;
}

static int64_t shards_on(const struct cn_mapping *mp, const struct cn_ids *osds)
{
	int64_t n = 0;

	for (size_t i = 0; i < mp->n_pools; i++)
		for (size_t at = 0; at < (size_t)mp->pools[i].pg_num * mp->pools[i].size; at++)
			n += cn_ids_has(osds, mp->pools[i].up[at]);
	return n;
}

/* What the OSD map makes of the pairs (OSDMap::_apply_upmap): in order, and never one whose target is still in the set. */
static bool leads_there(const struct cn_pin *pin, const int *raw, int size, bool erasure)
{
	int set[64];

	memcpy(set, raw, sizeof(int) * size);
	for (size_t p = 0; p + 1 < pin->n && !pin->full; p += 2)
		for (int i = 0; i < size && !has(set, size, pin->v[p + 1]); i++)
			if (set[i] == pin->v[p])
				set[i] = pin->v[p + 1];
	if (pin->full)
		memcpy(set, pin->v, sizeof(int) * size);
	for (int i = 0; i < size; i++)
		if (erasure ? set[i] != pin->target[i] : !has(set, size, pin->target[i]))
			return false;
	return pin->n_target == (size_t)size;
}

static size_t wrong_pins(const struct cn_osdmap *m, const struct cn_pins *pins, const struct cn_mapping *after)
{
	size_t wrong = 0;

	for (size_t i = 0; i < pins->n; i++) {
		const struct cn_mapped_pool *p = cn_mapping_pool(after, pins->v[i].id.pool);

		wrong += !leads_there(&pins->v[i], cn_mapped_set(p, p->raw, pins->v[i].id.seed), p->size,
				      cn_osdmap_pool(m, p->id)->erasure);
	}
	return wrong;
}

/* As bigmap.py numbers them: hosts one after the other, dealt out to the racks. No racks: the host is the domain. */
struct domains {
	int per_host, racks;
};

static int domain_of(const struct domains *d, int osd)
{
	return d->racks ? osd / d->per_host % d->racks : osd / d->per_host;
}

/* PGs that have a hole, a leaving OSD, or two shards in one failure domain. */
static size_t broken_sets(const struct cn_mapping *mp, const struct cn_ids *leaving, const struct domains *domains)
{
	size_t broken = 0;

	for (size_t i = 0; i < mp->n_pools; i++) {
		const struct cn_mapped_pool *p = &mp->pools[i];

		for (uint32_t seed = 0; seed < p->pg_num; seed++) {
			const int *set = p->up + (size_t)seed * p->size;
			bool bad = false;

			for (int a = 0; a < p->size; a++) {
				bad |= set[a] == CN_CRUSH_NONE || cn_ids_has(leaving, set[a]);
				for (int b = 0; b < a; b++)
					bad |= domain_of(domains, set[a]) == domain_of(domains, set[b]);
			}
			broken += bad;
		}
	}
	return broken;
}

/* Shards on the fullest OSD. */
static int64_t most_shards(const struct cn_mapping *mp, const struct cn_osdmap *m)
{
	const int n_ids = m->osds[m->n_osds - 1].id + 1;
	_cleanup_free_ int64_t *n = cn_calloc((size_t)n_ids, sizeof(*n));
	int64_t most = 0;

	for (size_t i = 0; i < mp->n_pools; i++)
		for (size_t at = 0; at < (size_t)mp->pools[i].pg_num * mp->pools[i].size; at++)
			if (mp->pools[i].up[at] >= 0 && mp->pools[i].up[at] < n_ids)
				n[mp->pools[i].up[at]]++;
	for (int i = 0; i < n_ids; i++)
		most = MAX(most, n[i]);
	return most;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t count_full(const struct cn_pins *pins)
{
	size_t n = 0;

	for (size_t i = 0; i < pins->n; i++)
		n += pins->v[i].full;
	return n;
}

static int64_t forecast(const struct cn_change *ch, struct cn_forecast *f)
{
	cn_forecast_make(ch, f);
	if (f->bytes_to_move / SHARD_BYTES != shards_moved(ch->osdmap, ch->before, ch->after))
		fprintf(stderr, "simulate: the forecast says %jd shards, counted are %jd\n",
			(intmax_t)(f->bytes_to_move / SHARD_BYTES), (intmax_t)shards_moved(ch->osdmap, ch->before, ch->after));
	return f->bytes_to_move / SHARD_BYTES;
}

static json_t *simulate_drain(const struct cn_osdmap *m, const struct cn_crush *crush, const char *map,
			      const struct cn_ids *leaving, const struct domains *domains)
{
	struct cn_mapping before = {}, after = {};
	struct cn_shard_sizes sizes = {};
	struct cn_change ch = {m, crush, &before, &after, leaving, &sizes};
	struct cn_forecast plain = {}, pinned = {};
	struct cn_pins pins = {};
	double t[4];
	int64_t n_plain, most_plain;
	size_t wrong;
	_cleanup_free_ int64_t *bytes = cn_calloc(m->n_pools, sizeof(*bytes));
	struct rusage usage;

	for (size_t i = 0; i < m->n_pools; i++)
		bytes[i] = (int64_t)SHARD_BYTES * m->pools[i].pg_num * m->pools[i].ec_k;
	cn_shard_sizes_init(&sizes, m, bytes);
	t[0] = seconds();
	map_file(map, m, NULL, &before);
	map_file(map, m, leaving, &after);
	t[1] = seconds();
	n_plain = forecast(&ch, &plain);
	t[2] = seconds();
	cn_pins_make(&ch, &pins);
	t[3] = seconds();
	wrong = wrong_pins(m, &pins, &after);
	most_plain = most_shards(&after, m);
	cn_pins_apply(&pins, &after);
	forecast(&ch, &pinned);
	getrusage(RUSAGE_SELF, &usage);
	return json_pack("{sI,sI,sI,sI,sI,sI,sI,sI,sI,sI,sf,sf,sf,sI}", "must_move", (json_int_t)shards_on(&before, leaving),
			 "plain", (json_int_t)n_plain, "pinned", (json_int_t)(pinned.bytes_to_move / SHARD_BYTES), "pins",
			 (json_int_t)pins.n, "full_pins", (json_int_t)count_full(&pins), "wrong_pins", (json_int_t)wrong,
			 "broken_sets", (json_int_t)broken_sets(&after, leaving, domains), "most_before",
			 (json_int_t)most_shards(&before, m), "most_plain", (json_int_t)most_plain, "most_pinned",
			 (json_int_t)most_shards(&after, m), "map_seconds", t[1] - t[0], "forecast_seconds", t[2] - t[1],
			 "pins_seconds", t[3] - t[2], "peak_kib", (json_int_t)usage.ru_maxrss);
}

static json_t *simulate_steps(const struct cn_osdmap *m, char **maps)
{
	struct cn_mapping before = {}, after = {};
	int64_t moved = 0;

	map_file(maps[0], m, NULL, &before);
	for (maps++; *maps; maps++) {
		map_file(*maps, m, NULL, &after);
		moved += shards_moved(m, &before, &after);
		cn_mapping_release(&before);
		before = after;
		after = (struct cn_mapping){};
	}
	cn_mapping_release(&before);
	return json_pack("{sI}", "moved", (json_int_t)moved);
}

int main(int argc, char **argv)
{
	const bool is_drain = argc == 8 && strcmp(argv[1], "drain") == 0, is_steps = argc >= 5 && strcmp(argv[1], "steps") == 0;
	struct files files = {
		.base.ops = &file_ops, .osdmap = is_drain || is_steps ? argv[2] : NULL, .crush = is_drain ? argv[3] : NULL};
	struct cn_osdmap m = {};
	struct cn_crush crush = {};
	struct cn_ids leaving = {};
	struct cn_error err = {};
	_cleanup_json_ json_t *result = NULL;

	if (!is_drain && !is_steps) {
		fprintf(stderr, "see the head of simulate.c\n");
		return 2;
	}
	if (cn_osdmap_get(&files.base, &m, &err) < 0 || (is_drain && cn_crush_get(&files.base, &crush, &err) < 0))
		die(&err);
	if (is_steps) {
		result = simulate_steps(&m, argv + 3);
	} else {
		for (char *word = strtok(argv[5], ","); word; word = strtok(NULL, ","))
			cn_ids_add(&leaving, atoi(word));
		result = simulate_drain(&m, &crush, argv[4], &leaving, &(struct domains){atoi(argv[6]), atoi(argv[7])});
	}
	json_dumpf(result, stdout, JSON_COMPACT);
	putchar('\n');
	return 0;
}
