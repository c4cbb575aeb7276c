/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cephnode/base/text.h"
#include "inventory/internal.h"

#define WHAT_A_NODE_IS                                                                                                           \
	"a NODE is an IP address, a CRUSH host bucket, a host name, a Kubernetes node name or osd.N; ip:, host:, kube: or osd: " \
	"in "                                                                                                                    \
	"front say which is meant"

static const char *after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

/* "3" or "osd.3" */
static bool parse_osd(const char *s, int *ret)
{
	int64_t id;

	s = after(s, "osd.") ?: s;
	if (!cn_parse_int(s, 0, INT_MAX, &id))
		return false;
	*ret = (int)id;
	return true;
}

static int usage(struct cn_error *err, const char *arg, const char *why)
{
	_cleanup_free_ char *safe = cn_text_safe(arg);

	cn_error_set(err, CN_USAGE, EINVAL, "node '%s': %s", safe, why);
	cn_error_hint(err, WHAT_A_NODE_IS);
	return -EINVAL;
}

static int parse_prefixed(const char *arg, struct cn_spec *s, struct cn_error *err)
{
	const char *rest;

	if ((rest = after(arg, "ip:"))) {
		s->kind = CN_SPEC_IP;
		if (!cn_ip_parse(rest, &s->ip))
			return usage(err, arg, "not an IP address");
	} else if ((rest = after(arg, "osd:"))) {
		s->kind = CN_SPEC_OSD;
		if (!parse_osd(rest, &s->osd))
			return usage(err, arg, "not an OSD id");
	} else if ((rest = after(arg, "host:"))) {
		s->kind = CN_SPEC_HOST;
		if (!*rest)
			return usage(err, arg, "no name");
	} else if ((rest = after(arg, "kube:"))) {
		s->kind = CN_SPEC_KUBE;
		if (!*rest)
			return usage(err, arg, "no name");
	} else {
		return 0;
	}
	s->name = s->kind == CN_SPEC_OSD ? cn_asprintf("osd.%d", s->osd) : cn_strdup(rest);
	return 1;
}

int cn_spec_parse(const char *arg, struct cn_spec *ret, struct cn_error *err)
{
	struct cn_spec s = {};
	int r;

	if (!arg || !*arg)
		return usage(err, "", "no name");
	r = parse_prefixed(arg, &s, err);
	if (r < 0)
		return r;
	if (r == 0) {
		if (after(arg, "osd.") && parse_osd(arg, &s.osd)) {
			s.kind = CN_SPEC_OSD;
			s.name = cn_asprintf("osd.%d", s.osd);
		} else {
			s.kind = cn_ip_parse(arg, &s.ip) ? CN_SPEC_IP : CN_SPEC_NAME;
			s.name = cn_strdup(arg);
		}
	}
	*ret = s;
	return 0;
}

void cn_spec_release(struct cn_spec *s)
{
	free(s->name);
	*s = (struct cn_spec){};
}
