/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target once on each file of the folders given: what was found once stays found, without libFuzzer. */
#include <dirent.h>
#include <stdio.h>

#include "cephnode/base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	char *data = NULL;
	size_t len = 0, cap = 0, n;
	FILE *f = fopen(path, "r");

	if (!f) {
		perror(path);
		return -1;
	}
	do {
		cn_grow(&data, &cap, len + 4096, 1);
		n = fread(data + len, 1, 4096, f);
		len += n;
	} while (n);
	fclose(f);
	data = cn_realloc(data, len, 1); /* a byte too far is seen by ASan */
	LLVMFuzzerTestOneInput((const uint8_t *)data, len);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;

		while (d && (e = readdir(d))) {
			_cleanup_free_ char *path = cn_asprintf("%s/%s", argv[i], e->d_name);

			if (e->d_name[0] == '.')
				continue;
			if (replay(path) < 0)
				return 1;
			n++;
		}
		if (d)
			closedir(d);
	}
	printf("%d inputs\n", n);
	return n == 0;
}
