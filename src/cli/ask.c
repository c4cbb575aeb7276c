/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The question before something that cannot be taken back. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/text.h"
#include "cli/cli.h"

/* Readable when the process was stopped (Ctrl-Z) and goes on: the shell's words stand below the question then. Any thread may get
 * the signal. */
static int cont_fd = -1;

static void on_cont(int sig _unused_)
{
	uint64_t one = 1;
	int saved = errno;

	while (write(cont_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
	errno = saved;
}

static void prompt(const char *words)
{
	cn_err_printf("Type %s to go on: ", words);
}

/* Reads one line from stdin, byte by byte so that nothing behind it is taken. 0, -EINTR, or -ECANCELED at its end. */
static int read_line(char *buf, size_t size, const char *words)
{
	struct pollfd p[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
			      {.fd = cn_interrupt_fd(), .events = POLLIN},
			      {.fd = cont_fd, .events = POLLIN}};
	size_t len = 0;

	for (;;) {
		uint64_t times;
		ssize_t n;
		char c;

		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (cn_interrupted())
			return -EINTR;
		if (p[2].revents && read(cont_fd, &times, sizeof(times)) > 0) {
			len = 0; /* the terminal has dropped what was typed */
			prompt(words);
		}
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
	struct sigaction action = {.sa_handler = on_cont, .sa_flags = SA_RESTART}, before;
	_cleanup_free_ char *safe = cn_text_safe(words);
	char answer[512];
	int r;

	cont_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* without one (-1) the prompt is not shown again, no more */
	sigaction(SIGCONT, &action, &before);
	cn_events_clear(s->events);
	cn_err_printf("\n%s\n", question);
	prompt(safe);
	r = read_line(answer, sizeof(answer), safe);
	sigaction(SIGCONT, &before, NULL);
	if (cont_fd >= 0)
		close(cont_fd);
	cont_fd = -1;
	if (r < 0) {
		cn_err_printf("\n");
		return r;
	}
	return strcmp(trim(answer), words) == 0 ? 0 : -ECANCELED;
}
