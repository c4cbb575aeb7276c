/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The question before something that cannot be taken back. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/text.h"
#include "cli/cli.h"

/* Reads one line from stdin, byte by byte so that nothing behind it is taken. 0, -EINTR, or -ECANCELED at its end. */
static int read_line(char *buf, size_t size)
{
	struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = cn_interrupt_fd(), .events = POLLIN}};
	size_t len = 0;

	for (;;) {
		ssize_t n;
		char c;

		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return -errno;
		if (cn_interrupted())
			return -EINTR;
		if (!p[0].revents)
			continue;
		n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return -ECANCELED;
		if (c == '\n')
			break;
		if (len + 1 < size)
			buf[len++] = c;
	}
	buf[len] = '\0';
	return 0;
}

static char *trim(char *s)
{
	size_t len;

	s += strspn(s, " \t\r");
	len = strlen(s);
	while (len > 0 && strchr(" \t\r", s[len - 1]))
		s[--len] = '\0';
	return s;
}

int cn_ask(struct cn_session *s, const char *question, const char *words)
{
	_cleanup_free_ char *safe = cn_text_safe(words);
	char answer[512];
	int r;

	cn_events_clear(s->events);
	cn_err_printf("\n%s\nType %s to go on: ", question, safe);
	r = read_line(answer, sizeof(answer));
	if (r < 0) {
		cn_err_printf("\n");
		return r;
	}
	return strcmp(trim(answer), words) == 0 ? 0 : -ECANCELED;
}
