/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `locks list` is measured on, and against; locks.py runs it. The configuration comes from $CEPH_CONF.
 *   images make POOL N LOCKED    makes N images, opens LOCKED of them and holds their locks until stdin ends; says "ready"
 *   images open POOL [NAMESPACE] opens all images read-only, one after another, and asks each who has locked it
 */
#include <errno.h>
#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 32
#define MOST_LOCKED 100
#define SIZE (4 << 20)

static rados_ioctx_t io;
static long n_images;
static atomic_long next;

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "images: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void name_of(long i, char name[32])
{
	snprintf(name, 32, "bench-%06ld", i);
}

static void *make_some(void *arg)
{
	char name[32];
	long i;

	while ((i = atomic_fetch_add(&next, 1)) < n_images) {
		int order = 0, r;

		name_of(i, name);
		r = rbd_create(io, name, SIZE, &order);
		must(r == -EEXIST ? 0 : r, "create");
	}
	return arg;
}

static void make(long locked)
{
	rbd_image_t images[MOST_LOCKED];
	pthread_t threads[THREADS];
	char name[32];

	for (int i = 0; i < THREADS; i++)
		must(-pthread_create(&threads[i], NULL, make_some, NULL), "thread");
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (long i = 0; i < locked; i++) {
		name_of(i * (n_images / locked), name);
		must(rbd_open(io, name, &images[i], NULL), "open");
		must(rbd_lock_acquire(images[i], RBD_LOCK_MODE_EXCLUSIVE), "lock");
	}
	printf("ready\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	for (long i = 0; i < locked; i++)
		rbd_close(images[i]);
}

static void open_all(void)
{
	static rbd_image_spec_t images[100000];
	size_t n = sizeof(images) / sizeof(*images);
	long locked = 0;

	must(rbd_list2(io, images, &n), "list");
	for (size_t i = 0; i < n; i++) {
		char tag[256], clients[4096], cookies[4096], addrs[4096];
		size_t tag_len = sizeof(tag), clients_len = sizeof(clients), cookies_len = sizeof(cookies),
		       addrs_len = sizeof(addrs);
		rbd_image_t image;
		ssize_t lockers;
		int exclusive;

		must(rbd_open_read_only(io, images[i].name, &image, NULL), "open");
		lockers = rbd_list_lockers(image, &exclusive, tag, &tag_len, clients, &clients_len, cookies, &cookies_len, addrs,
					   &addrs_len);
		must((int)lockers, "lockers");
		locked += lockers;
		rbd_close(image);
	}
	printf("%zu %ld\n", n, locked);
}

int main(int argc, char **argv)
{
	rados_t cluster;

	if (argc < 3)
		return 2;
	must(rados_create(&cluster, "admin"), "create");
	must(rados_conf_read_file(cluster, NULL), "configuration");
	must(rados_connect(cluster), "connect");
	must(rados_ioctx_create(cluster, argv[2], &io), argv[2]);
	if (strcmp(argv[1], "make") == 0 && argc == 5) {
		n_images = atol(argv[3]);
		make(atol(argv[4]) < MOST_LOCKED ? atol(argv[4]) : MOST_LOCKED);
	} else {
		if (argc > 3)
			rados_ioctx_set_namespace(io, argv[3]);
		open_all();
	}
	rados_ioctx_destroy(io);
	rados_shutdown(cluster);
	return 0;
}
