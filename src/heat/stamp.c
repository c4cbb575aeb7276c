/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "heat/stamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t cn_os_time(const char *s)
{
	struct tm tm = {};
	int64_t ms = 0, scale = 100;
	int n = 0;

	if (!s || sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
			 &tm.tm_sec, &n) != 6)
		return -1;
	s += n;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, scale /= 10)
			ms += (*s - '0') * scale;
	if (*s == 'Z')
		s++;
	else if (strcmp(s, "+00:00") == 0)
		s += 6;
	if (*s)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000 + ms;
}
