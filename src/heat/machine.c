/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/machine.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cephnode/base/json.h"

#define FILE_MAX (4 << 20)
#define UUID_LEN 36

/* --- files --- */

/* The file's text, to be freed; NULL where it cannot be read or is too large. */
static char *read_text(const char *root, const char *path, size_t *ret_len)
{
	_cleanup_free_ char *full = cn_asprintf("%s%s", root, path), *text = NULL;
	size_t len = 0, cap = 0;
	int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return NULL;
	for (;;) {
		ssize_t n;

		cn_grow(&text, &cap, len + 4096, 1);
		n = read(fd, text + len, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || len + (size_t)n > FILE_MAX) {
			close(fd);
			return NULL;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	text[len] = '\0';
	*ret_len = len;
	return TAKE_PTR(text);
}

static char *read_line(const char *root, const char *path)
{
	size_t len;
	char *text = read_text(root, path, &len);

	if (text)
		text[strcspn(text, " \t\r\n")] = '\0';
	return text;
}

/* --- uuids --- */

bool cn_is_uuid(const char *s)
{
	size_t i;

	for (i = 0; s && s[i] && i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return s && i == UUID_LEN && !s[i];
}

/* SMBIOS before 2.6 had the first three fields in the other byte order, and kernels print it as it comes. */
static bool is_swapped(const char *a, const char *b)
{
	static const unsigned char from[UUID_LEN] = {6,  7,  4,  5,  2,  3,  0,  1,  8,  11, 12, 9,  10, 13, 16, 17, 14, 15,
						     18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35};

	for (size_t i = 0; i < UUID_LEN; i++)
		if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[from[i]]))
			return false;
	return true;
}

static void add_uuid(struct cn_strv *l, const char *s)
{
	if (cn_is_uuid(s) && !cn_strv_has(l, s))
		cn_strv_add(l, s);
}

static void read_instance_data(const char *root, struct cn_strv *ret)
{
	size_t len = 0;
	_cleanup_free_ char *text = read_text(root, "/run/cloud-init/instance-data.json", &len);
	_cleanup_json_ json_t *j = text ? json_loadb(text, len, 0, NULL) : NULL;
	const json_t *v1 = cn_json_obj(j, "v1"), *meta = cn_json_obj(cn_json_obj(j, "ds"), "meta_data");

	add_uuid(ret, cn_json_str(v1, "instance_id", NULL));
	add_uuid(ret, cn_json_str(v1, "instance-id", NULL));
	add_uuid(ret, cn_json_str(meta, "uuid", NULL));
	add_uuid(ret, cn_json_str(meta, "instance-id", NULL));
	add_uuid(ret, cn_json_str(meta, "instance_id", NULL));
}

/* An image made from another server may carry that one's files of cloud-init, hence firmware before /run before /var. */
enum cn_server_is cn_machine_is_server(const struct cn_machine *m, const char *server_id)
{
	if (!server_id)
		return CN_SERVER_UNKNOWN;
	if (m->product_uuid && cn_is_uuid(server_id) &&
	    (strcasecmp(m->product_uuid, server_id) == 0 || is_swapped(m->product_uuid, server_id)))
		return CN_SERVER_THIS;
	if (m->product_uuid && m->product_is_nova)
		return CN_SERVER_OTHER;
	for (size_t i = 0; i < m->cloud_uuids.n; i++)
		if (strcasecmp(m->cloud_uuids.v[i], server_id) == 0)
			return CN_SERVER_THIS;
	return m->cloud_uuids.n ? CN_SERVER_OTHER : CN_SERVER_UNKNOWN;
}

/* Of bare metal the firmware's uuid is the board's, so it may say yes, but not no. */
static void read_server(const char *root, struct cn_machine *m)
{
	size_t len;
	_cleanup_free_ char *product = read_text(root, "/sys/class/dmi/id/product_name", &len), *id = NULL;

	m->product_uuid = read_line(root, "/sys/class/dmi/id/product_uuid");
	if (!cn_is_uuid(m->product_uuid)) {
		free(m->product_uuid);
		m->product_uuid = NULL;
	}
	m->product_is_nova = product && strncmp(product, "OpenStack ", 10) == 0;
	read_instance_data(root, &m->cloud_uuids);
	if (m->cloud_uuids.n == 0) {
		id = read_line(root, "/var/lib/cloud/data/instance-id");
		add_uuid(&m->cloud_uuids, id);
	}
}

/* --- addresses and name --- */

static bool identifies(const struct ifaddrs *i)
{
	const struct sockaddr_in *v4 = (const void *)i->ifa_addr;
	const struct sockaddr_in6 *v6 = (const void *)i->ifa_addr;

	if (v4->sin_family == AF_INET) /* a routed address may stand on the loopback interface, and is the machine's own */
		return !(i->ifa_flags & IFF_LOOPBACK) || ntohl(v4->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
	return !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) && !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void read_addresses(struct cn_machine *m)
{
	struct ifaddrs *all, *i;
	size_t cap = 0;

	if (getifaddrs(&all) < 0)
		return;
	for (i = all; i; i = i->ifa_next) {
		int family = i->ifa_addr ? i->ifa_addr->sa_family : 0;
		char buf[INET6_ADDRSTRLEN];
		struct cn_ip ip;

		if ((family != AF_INET && family != AF_INET6) || !identifies(i))
			continue;
		inet_ntop(family,
			  family == AF_INET ? (const void *)&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr
					    : (const void *)&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr,
			  buf, sizeof(buf));
		if (!cn_ip_parse(buf, &ip) || cn_machine_has(m, &ip))
			continue;
		cn_grow(&m->addresses, &cap, m->n_addresses, sizeof(*m->addresses));
		m->addresses[m->n_addresses++] = ip;
	}
	freeifaddrs(all);
}

bool cn_machine_has(const struct cn_machine *m, const struct cn_ip *ip)
{
	for (size_t i = 0; i < m->n_addresses && ip->family; i++)
		if (cn_ip_equal(&m->addresses[i], ip))
			return true;
	return false;
}

bool cn_machine_is_named(const struct cn_machine *m, const char *name)
{
	size_t a = strcspn(m->name, "."), b = strcspn(name, ".");

	if (a == 0 || a != b || strncasecmp(m->name, name, a) != 0)
		return false;
	return !m->name[a] || !name[b] || strcasecmp(m->name, name) == 0;
}

void cn_machine_read(const char *root, struct cn_machine *ret)
{
	struct utsname u;

	*ret = (struct cn_machine){.name = cn_strdup(uname(&u) == 0 ? u.nodename : "")};
	read_addresses(ret);
	read_server(root, ret);
}

void cn_machine_release(struct cn_machine *m)
{
	free(m->name);
	free(m->addresses);
	free(m->product_uuid);
	cn_strv_release(&m->cloud_uuids);
	*m = (struct cn_machine){};
}
