/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a librados program does to ask the cluster one thing: what `cephnode discover` is measured against. */
#include <rados/librados.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	const char *command = "{\"prefix\":\"osd dump\",\"format\":\"json\"}";
	char *out = NULL, *status = NULL;
	size_t out_len = 0, status_len = 0;
	rados_t cluster;
	int r = rados_create(&cluster, "admin");

	if (r == 0) {
		r = rados_conf_read_file(cluster, argc > 1 ? argv[1] : NULL);
		if (r == 0)
			r = rados_connect(cluster);
		if (r == 0)
			r = rados_mon_command(cluster, &command, 1, NULL, 0, &out, &out_len, &status, &status_len);
		rados_shutdown(cluster);
	}
	if (r == 0)
		fwrite(out, 1, out_len, stdout);
	else
		fprintf(stderr, "bare: %s\n", strerror(-r));
	rados_buffer_free(out);
	rados_buffer_free(status);
	return r != 0;
}
