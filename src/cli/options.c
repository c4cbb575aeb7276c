/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of options. Parsing, help and usage errors are made from it, and tests hold the man page against it. */
#include "cli/cli.h"

#define AT(field) offsetof(struct cn_settings, field)
#define SECONDS_MAX (366 * 86400)

const struct cn_option cn_options[] = {
	/* drain and its relatives */
	{"yes", 'y', NULL, CN_OPTION_FLAG, CN_OPT_YES, AT(yes), 0, 0, "do not ask"},
	{"dry-run", 0, NULL, CN_OPTION_FLAG, CN_OPT_DRAIN | CN_OPT_LOCKS_BREAK, AT(dry_run), 0, 0,
	 "show what would be done and change nothing"},
	{"keep", 0, NULL, CN_OPTION_FLAG, CN_OPT_FORECAST, AT(drain.keep), 0, 0,
	 "move the data and prove it, but stop and remove nothing; 'remove' finishes it later"},
	{"method", 0, "crush|out", CN_OPTION_CHOICE, CN_OPT_FORECAST, AT(drain.method), 0, 0,
	 "crush (default): all CRUSH weights to 0 at once; out: mark the OSDs out first and wait for HEALTH_OK at the end"},
	{"pin", 0, "auto|always|never", CN_OPTION_CHOICE, CN_OPT_FORECAST | CN_OPT_HEAT_AGENT, AT(drain.pin), 0, 0,
	 "upmap entries that keep data where it is that need not move; auto (default): where upmap is allowed and it saves 2 %"},
	{"accept", 0, "CODE,...", CN_OPTION_CODES, CN_OPT_ACCEPT, AT(drain.accept), 0, 0,
	 "health checks that do not count; 'existing' stands for those that are there now"},
	{"speed", 0, "gentle|normal|fast", CN_OPTION_CHOICE, CN_OPT_FORECAST | CN_OPT_HEAT_AGENT, AT(drain.speed),
	 CN_SPEED_GENTLE, 0, "recovery settings for the time of the drain, put back afterwards (default: as the cluster is set)"},
	{"stop-with", 0, "auto|mon|systemd|kube|none", CN_OPTION_CHOICE, CN_OPT_STOP, AT(drain.stop_with), 0, 0,
	 "who stops the daemons: the monitors, systemd (on the node itself), Kubernetes, or none: wait for somebody to do it; "
	 "auto "
	 "(default): by how they run"},
	{"stall-timeout", 0, "SEC", CN_OPTION_INT, CN_OPT_WAIT | CN_OPT_HEAT_AGENT, AT(drain.stall_timeout_s), 1, SECONDS_MAX,
	 "give up with exit status 5 when no byte has moved for so long (default 1800)"},
	{"timeout", 0, "SEC", CN_OPTION_INT, CN_OPT_WAIT, AT(drain.timeout_s), 1, SECONDS_MAX,
	 "give up with exit status 5 after so long in all (default: never)"},
	{"lock-wait", 0, "SEC", CN_OPTION_INT, CN_OPT_LOCK, AT(drain.lock_wait_s), 0, SECONDS_MAX,
	 "how long to wait while another cephnode changes the cluster (default 60)"},
	{"lock-pool", 0, "POOL", CN_OPTION_STRING, CN_OPT_LOCK, AT(drain.lock_pool), 0, 0,
	 "pool of the lock object (default: the one recorded in the cluster, or found out)"},
	{"watch", 0, NULL, CN_OPTION_FLAG, CN_OPT_WATCH, AT(watch), 0, 0, "keep showing, until interrupted or no drain is left"},

	/* where a node is named */
	{"no-kube", 0, NULL, CN_OPTION_FLAG, CN_OPT_KUBE, AT(kube.off), 0, 0,
	 "do not ask Kubernetes: what the monitors say decides alone"},
	{"kubeconfig", 0, "FILE", CN_OPTION_STRING, CN_OPT_KUBE, AT(kube.kubeconfig), 0, 0,
	 "how to reach Kubernetes (default: KUBECONFIG, the service account of this pod, ~/.kube/config)"},
	{"kube-context", 0, "NAME", CN_OPTION_STRING, CN_OPT_KUBE, AT(kube.context), 0, 0,
	 "context of the kubeconfig (default: its current one)"},
	{"kube-namespace", 0, "NAME", CN_OPTION_STRING, CN_OPT_KUBE, AT(kube.ns), 0, 0,
	 "where the OSD pods are (default: found out)"},
	{"kube-selector", 0, "LABEL=VALUE,...", CN_OPTION_STRING, CN_OPT_KUBE, AT(kube.selector), 0, 0,
	 "labels of the OSD pods (default: those of the flavour)"},
	{"kube-flavour", 0, "ceph-docker|helm|rook", CN_OPTION_WORD, CN_OPT_KUBE, AT(kube.flavour), 0, 0,
	 "how the OSDs were deployed (default: found out)"},
	{"kube-host-from", 0, "pod-name|label:KEY|node-name", CN_OPTION_WORD, CN_OPT_KUBE, AT(kube.host_from), 0, 0,
	 "what names the CRUSH host of a pod's OSDs (default: as the flavour does)"},

	/* metrics */
	{"textfile", 0, "FILE", CN_OPTION_STRING, CN_OPT_METRICS, AT(textfile), 0, 0,
	 "put them into this file (*.prom), whole or not at all, instead of on stdout"},

	/* locks */
	{"pool", 'p', "POOL[/NAMESPACE]", CN_OPTION_STRING, CN_OPT_LOCKS, AT(locks.pool), 0, 0,
	 "all images of a pool, or of one namespace of it"},
	{"all", 0, NULL, CN_OPTION_FLAG, CN_OPT_LOCKS, AT(locks.all), 0, 0, "all images of all pools"},
	{"node", 0, "NODE", CN_OPTION_STRING, CN_OPT_LOCKS, AT(locks.node), 0, 0,
	 "the locks of a node: those of its addresses, and those whose id names it (kubelet_lock_magic_NODE)"},
	{"kind", 0, "auto|advisory|conflict", CN_OPTION_CHOICE, CN_OPT_LOCKS_LIST, AT(locks.kind), 0, 0,
	 "only locks of this kind"},
	{"state", 0, "alive|in-use|fenced|unwatched|unknown", CN_OPTION_CHOICE, CN_OPT_LOCKS_LIST, AT(locks.state), 0, 0,
	 "only locks in this state"},
	{"locker", 0, "CLIENT", CN_OPTION_STRING, CN_OPT_LOCKS_BREAK, AT(locks.locker), 0, 0,
	 "only the lock of this client (client.N, as 'locks list' shows it)"},
	{"lock-id", 0, "ID", CN_OPTION_TEXT, CN_OPT_LOCKS_BREAK, AT(locks.lock_id), 0, 0, "only the lock with this id"},
	{"force", 0, NULL, CN_OPTION_FLAG, CN_OPT_LOCKS_BREAK, AT(locks.force), 0, 0,
	 "also where the locker lives or others use the image: they are fenced, too"},
	{"fence-host", 0, NULL, CN_OPTION_FLAG, CN_OPT_LOCKS_BREAK, AT(locks.fence_host), 0, 0,
	 "fence every client of the locker's host"},
	{"fence-for", 0, "SEC", CN_OPTION_INT, CN_OPT_LOCKS_BREAK, AT(locks.fence_for_s), 10, 10 * SECONDS_MAX,
	 "how long the fence lasts (default 2592000, 30 days): longer than the client may sleep"},
	{"no-fence", 0, NULL, CN_OPTION_FLAG, CN_OPT_LOCKS_BREAK, AT(locks.no_fence), 0, 0,
	 "fence nobody; needs --node-is-powered-off"},
	{"node-is-powered-off", 0, NULL, CN_OPTION_FLAG, CN_OPT_LOCKS_BREAK, AT(locks.powered_off), 0, 0,
	 "whoever wrote under the lock is off and cannot come back: you have made sure"},

	/* heat hook */
	{"install", 0, NULL, CN_OPTION_FLAG, CN_OPT_HEAT_HOOK, AT(hook.install), 0, 0,
	 "put the hook where heat-config looks for it, with the connection options given here"},
	{"recover", 0, NULL, CN_OPTION_FLAG, CN_OPT_HEAT_HOOK, AT(hook.recover), 0, 0,
	 "let heat-config begin again what died in the middle; --install arranges that it happens by itself"},
	{"root", 0, "DIR", CN_OPTION_STRING, CN_OPT_HEAT_HOOK, AT(hook.root), 0, 0,
	 "with --install or --recover: the root of an image, instead of this machine's"},

	/* heat agent and its relatives */
	{"stack", 0, "NAME", CN_OPTION_STRING, CN_OPT_OPENSTACK, AT(heat.stack), 0, 0,
	 "the stack of storage nodes, by name or id"},
	{"os-cloud", 0, "NAME", CN_OPTION_STRING, CN_OPT_OPENSTACK, AT(heat.cloud), 0, 0,
	 "cloud of clouds.yaml (default: OS_CLOUD, the OS_* variables, or the only one there is)"},
	{"once", 0, NULL, CN_OPTION_FLAG, CN_OPT_HEAT_AGENT, AT(heat.once), 0, 0, "one round, and end"},
	{"interval", 0, "SEC", CN_OPTION_INT, CN_OPT_HEAT_AGENT, AT(heat.interval_s), 1, 3600, "between rounds (default 10)"},
	{"allow-empty", 0, NULL, CN_OPTION_FLAG, CN_OPT_HEAT_AGENT, AT(heat.allow_empty), 0, 0,
	 "OSDs always have the address of their machine here: a server that no OSD matches may go"},

	/* global */
	{"conf", 'c', "FILE", CN_OPTION_STRING, CN_GLOBAL, AT(conf), 0, 0, "configuration file of the cluster"},
	{"cluster", 0, "NAME", CN_OPTION_STRING, CN_GLOBAL, AT(cluster), 0, 0, "name of the cluster (default ceph)"},
	{"name", 'n', "TYPE.ID", CN_OPTION_STRING, CN_GLOBAL, AT(name), 0, 0, "who to connect as (default client.admin)"},
	{"id", 0, "ID", CN_OPTION_STRING, CN_GLOBAL, AT(id), 0, 0, "the same as --name client.ID"},
	{"keyring", 'k', "FILE", CN_OPTION_STRING, CN_GLOBAL, AT(keyring), 0, 0, "file with the key"},
	{"mon-host", 'm', "ADDR", CN_OPTION_STRING, CN_GLOBAL, AT(mon_host), 0, 0, "addresses of the monitors"},
	{"connect-timeout", 0, "SEC", CN_OPTION_INT, CN_GLOBAL, AT(connect_timeout_s), 1, 3600,
	 "how long to try to connect (default 15)"},
	{"op-timeout", 0, "SEC", CN_OPTION_INT, CN_GLOBAL, AT(op_timeout_s), 1, 3600, "time limit of one command (default 30)"},
	{"format", 'f', "table|json", CN_OPTION_CHOICE, CN_GLOBAL, AT(format), 0, 0, "for people (default) or for programs"},
	{"quiet", 'q', NULL, CN_OPTION_FLAG, CN_GLOBAL, AT(quiet), 0, 0, "neither steps nor progress on stderr"},
	{"verbose", 'v', NULL, CN_OPTION_FLAG, CN_GLOBAL, AT(verbose), 0, 0, "more columns, and what is done on stderr"},
	{"color", 0, "auto|always|never", CN_OPTION_CHOICE, CN_GLOBAL, AT(color), 0, 0,
	 "colour; auto (default): on a terminal, unless NO_COLOR is set"},
	{"help", 'h', NULL, CN_OPTION_FLAG, CN_GLOBAL, AT(help), 0, 0, "show this help"},
	{"version", 0, NULL, CN_OPTION_FLAG, CN_GLOBAL, AT(version), 0, 0, "show the version"},
};

const size_t cn_n_options = ARRAY_SIZE(cn_options);
