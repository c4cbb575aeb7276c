/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/cluster/fences.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "cephnode/base/text.h"

/* --- addresses --- */

/* "v1:10.0.0.7:0/12": what kind of address it is says nothing here. */
static const char *skip_type(const char *s)
{
	static const char *const types[] = {"v1:", "v2:", "any:", "legacy:", "msgr2:", "cidr:"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strncmp(s, types[i], strlen(types[i])) == 0)
			return s + strlen(types[i]);
	return s;
}

bool cn_client_addr_parse(const char *s, struct cn_client_addr *ret)
{
	struct cn_client_addr a = {};
	int64_t port, nonce;
	char text[128], *slash, *colon;

	if (!s)
		return false;
	s = skip_type(s);
	if (strlen(s) >= sizeof(text))
		return false;
	strcpy(text, s);
	slash = strrchr(text, '/');
	if (!slash || !cn_parse_int(slash + 1, 0, UINT32_MAX, &nonce))
		return false;
	*slash = '\0';
	colon = strrchr(text, ':');
	if (!colon || !cn_parse_int(colon + 1, 0, UINT16_MAX, &port) || !cn_ip_parse_entity(text, &a.ip))
		return false;
	a.port = (uint16_t)port;
	a.nonce = (uint32_t)nonce;
	*ret = a;
	return true;
}

bool cn_client_addr_is_host(const struct cn_client_addr *a)
{
	return a->port == 0 && a->nonce == 0;
}

bool cn_client_addr_equal(const struct cn_client_addr *a, const struct cn_client_addr *b)
{
	return cn_ip_equal(&a->ip, &b->ip) && a->port == b->port && a->nonce == b->nonce;
}

char *cn_client_addr_text(const struct cn_client_addr *a)
{
	bool v6 = a->ip.family == AF_INET6;
	char ip[CN_IP_STRLEN];

	return cn_asprintf("%s%s%s:%u/%" PRIu32, v6 ? "[" : "", cn_ip_format(&a->ip, ip), v6 ? "]" : "", a->port, a->nonce);
}

/* --- osd dump --- */

/* "2026-11-22T17:54:34.123456+0000"; 0 when it is none. */
static int64_t parse_stamp(const char *s)
{
	struct tm tm = {0};
	const char *end = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int hours = 0, minutes = 0;
	char sign = '+';
	int64_t t;

	if (!end && s)
		end = strptime(s, "%Y-%m-%d %H:%M:%S", &tm); /* before Nautilus, in local time without saying so: taken as UTC */
	if (!end)
		return 0;
	t = (int64_t)timegm(&tm);
	end += *end == '.' ? 1 + strspn(end + 1, "0123456789") : 0;
	if (sscanf(end, "%c%2d%2d", &sign, &hours, &minutes) == 3)
		t -= (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return t * 1000;
}

static void read_fences(const json_t *list, bool ranges, struct cn_fence_map *m)
{
	const json_t *stamp;
	const char *key;

	m->fences = cn_realloc(m->fences, m->n_fences + json_object_size(list) + 1, sizeof(*m->fences));
	json_object_foreach ((json_t *)list, key, stamp) {
		struct cn_fence f = {.prefix = -1, .until_ms = parse_stamp(json_string_value(stamp))};

		if (!cn_client_addr_parse(key, &f.addr))
			continue;
		if (ranges)
			f.prefix = (int)f.addr.nonce;
		m->fences[m->n_fences++] = f;
	}
}

static void read_pools(const json_t *reply, struct cn_fence_map *m)
{
	const json_t *pools = cn_json_arr(reply, "pools"), *j;
	size_t i;

	m->pools = cn_calloc(json_array_size(pools), sizeof(*m->pools));
	json_array_foreach (pools, i, j) {
		const json_t *tags = cn_json_obj(j, "application_metadata");

		m->pools[m->n_pools++] = (struct cn_rbd_pool){
			.id = cn_json_int(j, "pool", -1),
			.name = cn_strdup(cn_json_str(j, "pool_name", "")),
			.erasure = cn_json_int(j, "type", 1) == 3,
			.rbd = json_object_size(tags) == 0 || json_object_get(tags, "rbd"),
			.rjenkins = cn_json_int(j, "object_hash", 2) == 2,
			.pg_num = (uint32_t)cn_json_int(j, "pg_num", 0),
		};
	}
}

static int read_osds(const json_t *reply, struct cn_fence_map *m, struct cn_error *err)
{
	const json_t *osds = cn_json_arr(reply, "osds"), *j;
	size_t i;
	int r = 0;

	m->osds = cn_calloc(json_array_size(osds), sizeof(*m->osds));
	json_array_foreach (osds, i, j) {
		m->osds[i].id = (int)cn_json_int(j, "osd", -1);
		r = r < 0 ? r : cn_osd_addresses_read(j, &m->osds[i].at, err);
	}
	m->n_osds = i;
	return r;
}

int cn_fence_map_get(struct cn_cluster *c, struct cn_fence_map *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	const json_t *list;
	int r;

	r = cn_command(c, CN_MON, NULL, json_pack("{ss,ss}", "prefix", "osd dump", "format", "json"), &reply, err);
	if (r < 0)
		return r;
	if (!json_is_array(json_object_get(reply, "pools")))
		return cn_error_set(err, CN_FAILED, EBADMSG, "'osd dump': no pools in the reply");
	*ret = (struct cn_fence_map){0};
	list = cn_json_obj(reply, "blocklist");
	if (!list)
		list = cn_json_obj(reply, "blacklist"); /* its name before Pacific */
	ret->known = list != NULL;
	read_fences(list, false, ret);
	read_fences(cn_json_obj(reply, "range_blocklist"), true, ret);
	read_pools(reply, ret);
	r = read_osds(reply, ret, err);
	if (r < 0)
		cn_fence_map_release(ret);
	return r;
}

void cn_fence_map_release(struct cn_fence_map *m)
{
	for (size_t i = 0; i < m->n_pools; i++)
		free(m->pools[i].name);
	free(m->pools);
	free(m->fences);
	free(m->osds);
	*m = (struct cn_fence_map){0};
}

const struct cn_rbd_pool *cn_fence_map_pool(const struct cn_fence_map *m, int64_t id)
{
	for (size_t i = 0; i < m->n_pools; i++)
		if (m->pools[i].id == id)
			return &m->pools[i];
	return NULL;
}

const struct cn_rbd_pool *cn_fence_map_pool_named(const struct cn_fence_map *m, const char *name)
{
	for (size_t i = 0; i < m->n_pools; i++)
		if (strcmp(m->pools[i].name, name) == 0)
			return &m->pools[i];
	return NULL;
}

static bool in_range(const struct cn_fence *f, const struct cn_ip *ip)
{
	int bits = f->prefix, whole = bits / 8, rest = bits % 8;

	if (f->addr.ip.family != ip->family || bits > (ip->family == AF_INET ? 32 : 128))
		return false;
	if (memcmp(f->addr.ip.bytes, ip->bytes, (size_t)whole) != 0)
		return false;
	return !rest || (f->addr.ip.bytes[whole] ^ ip->bytes[whole]) >> (8 - rest) == 0;
}

static bool covers(const struct cn_fence *f, const struct cn_client_addr *a, bool host_only)
{
	if (f->prefix >= 0)
		return in_range(f, &a->ip);
	if (cn_client_addr_is_host(&f->addr))
		return cn_ip_equal(&f->addr.ip, &a->ip);
	return !host_only && cn_client_addr_equal(&f->addr, a);
}

int64_t cn_fence_until(const struct cn_fence_map *m, const struct cn_client_addr *a, bool host_only)
{
	int64_t until = 0;

	for (size_t i = 0; i < m->n_fences; i++)
		if (covers(&m->fences[i], a, host_only))
			until = MAX(until, m->fences[i].until_ms);
	return until;
}

int cn_fence_add(struct cn_cluster *c, const struct cn_client_addr *a, int64_t seconds, struct cn_error *err)
{
	_cleanup_free_ char *text = cn_client_addr_text(a);
	int r;

	/* the mon insists on a float */
	r = cn_command(c, CN_MON, NULL,
		       json_pack("{ss,ss,ss,sf}", "prefix", "osd blocklist", "blocklistop", "add", "addr", text, "expire",
				 (double)seconds),
		       NULL, err);
	if (r != -EINVAL)
		return r;
	cn_error_release(err); /* before Pacific */
	return cn_command(c, CN_MON, NULL,
			  json_pack("{ss,ss,ss,sf}", "prefix", "osd blacklist", "blacklistop", "add", "addr", text, "expire",
				    (double)seconds),
			  NULL, err);
}
