/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The word that was meant: edit distance, where a prefix counts as near. */
#include <string.h>

#include "cli/cli.h"

/* Damerau-Levenshtein with swaps of neighbours; only the last three rows are kept. */
static size_t distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);
	size_t rows[3][64], *before = rows[0], *last = rows[1], *now = rows[2];

	if (la >= 64 || lb >= 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		last[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t cost = a[i - 1] != b[j - 1];

			now[j] = MIN(MIN(last[j], now[j - 1]) + 1, last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[lb];
}

const char *cn_suggest(const char *s, const char *const *words, size_t n)
{
	size_t best = SIZE_MAX, len = strlen(s);
	const char *word = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = len >= 2 && strncmp(words[i], s, len) == 0 ? 0 : distance(s, words[i]);

		if (d < best && d <= 1 + MIN(len, strlen(words[i])) / 4) {
			best = d;
			word = words[i];
		}
	}
	return word;
}
