/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of commands: dispatch, usage and help are made from it. A new command is one entry and one function. */
#include <stdint.h>
#include <string.h>

#include "cli/cli.h"

const struct cn_command cn_commands[] = {
	{
		.name = "discover",
		.synopsis = "NODE...",
		.min_args = 1,
		.max_args = SIZE_MAX,
		.groups = CN_OPT_KUBE,
		.nodes = true,
		.help = "show the OSDs of a node and how each was found",
		.text = "Shows which OSDs live on each NODE, how each was found, and what they hold. Changes nothing.",
		.run = cn_cmd_discover,
	},
	{
		.name = "plan",
		.synopsis = "NODE...",
		.min_args = 1,
		.max_args = SIZE_MAX,
		.groups = CN_OPT_FORECAST | CN_OPT_ACCEPT | CN_OPT_STOP | CN_OPT_KUBE,
		.nodes = true,
		.help = "show what 'drain' would do; change nothing",
		.text = "Shows everything that 'drain' would do with these nodes, and refuses with exit status 4 where 'drain' "
			"would refuse. "
			"Changes nothing.",
		.run = cn_cmd_plan,
	},
	{
		.name = "drain",
		.synopsis = "NODE...",
		.min_args = 1,
		.max_args = SIZE_MAX,
		.groups = CN_OPT_FORECAST | CN_OPT_ACCEPT | CN_OPT_STOP | CN_OPT_DRAIN | CN_OPT_YES | CN_OPT_WAIT | CN_OPT_LOCK |
			  CN_OPT_KUBE,
		.nodes = true,
		.events = true,
		.guard = true,
		.help = "move the data off a node, prove it, stop its OSDs, remove them",
		.text = "Moves every placement group off the OSDs of the nodes, proves that none needs them any more, stops the "
			"daemons, "
			"removes the OSDs from the cluster, and reads everything again. No OSD is stopped or removed before it "
			"is proved that "
			"no placement group has it, and that every one that had it is clean.\n\n"
			"On a terminal it shows the plan and asks for the node's name. Without one it needs --yes.\n\n"
			"What was begun stays recorded in the cluster. The same command again, from any host, goes on where the "
			"cluster is: "
			"after a crash, a timeout or an interrupt. 'cephnode cancel' takes it back.",
		.check = cn_cmd_drain_check,
		.run = cn_cmd_drain,
	},
	{
		.name = "remove",
		.synopsis = "NODE",
		.min_args = 1,
		.max_args = 1,
		.groups = CN_OPT_ACCEPT | CN_OPT_STOP | CN_OPT_YES | CN_OPT_WAIT | CN_OPT_LOCK | CN_OPT_KUBE,
		.nodes = true,
		.events = true,
		.guard = true,
		.help = "finish a drain that was kept ('drain --keep')",
		.text = "Stops and removes the OSDs of a node that 'drain --keep' has drained, with the same proofs. On a "
			"terminal it asks for "
			"the node's name unless --yes is given.",
		.run = cn_cmd_remove,
	},
	{
		.name = "cancel",
		.synopsis = "NODE",
		.min_args = 1,
		.max_args = 1,
		.groups = CN_OPT_YES | CN_OPT_LOCK | CN_OPT_KUBE,
		.nodes = true,
		.events = true,
		.undoes = true,
		.help = "stop a drain and put everything back",
		.text = "Stops a drain, running or not, and restores the exact weights, in and out states, flags and settings "
			"that it found. "
			"OSDs that were removed already do not come back.",
		.run = cn_cmd_cancel,
	},
	{
		.name = "status",
		.synopsis = "[NODE]",
		.min_args = 0,
		.max_args = 1,
		.groups = CN_OPT_WATCH | CN_OPT_KUBE,
		.nodes = true,
		.help = "show drains under way or unfinished, from any host",
		.text = "Shows the drains that are under way or unfinished, on whatever host they run. A drain stays listed "
			"until it is done or "
			"cancelled. With --watch it keeps showing until it is interrupted or no drain is left, and then exits "
			"with 0.",
		.run = cn_cmd_status,
	},
	{
		.name = "locks list",
		.synopsis = "[IMAGE-SPEC]",
		.min_args = 0,
		.max_args = 1,
		.groups = CN_OPT_LOCKS | CN_OPT_LOCKS_LIST | CN_OPT_KUBE,
		.help = "show the locks of RBD images, and whether their lockers live",
		.text = "Shows who holds the locks of an image ([POOL/[NAMESPACE/]]IMAGE, by name or id), of a pool (-p), or of "
			"all "
			"images (--all), each with its state: alive, in-use, fenced, unwatched or unknown. A locker that nobody "
			"watches for may be dead or asleep: only a fence makes sure. Changes nothing.",
		.check = cn_cmd_locks_check,
		.run = cn_cmd_locks_list,
	},
	{
		.name = "locks break",
		.synopsis = "[IMAGE-SPEC]",
		.min_args = 0,
		.max_args = 1,
		.groups = CN_OPT_LOCKS | CN_OPT_LOCKS_BREAK | CN_OPT_YES | CN_OPT_KUBE,
		.events = true,
		.locks = true,
		.help = "fence the owner of a lock and break it",
		.text = "Breaks the lock of an image, or with --node (and -p or --all) every lock of a lost node. First the "
			"locker is "
			"fenced: the OSDs refuse it from then on, so that it cannot write over the next owner's data when it "
			"wakes. "
			"The fence is read back, every OSD that matters is made to know it, and only then the lock is broken.\n\n"
			"A locker that lives, and an image that others use, are refused with exit status 4. Nobody knows who "
			"writes "
			"under an advisory lock: it needs --fence-host, or --no-fence --node-is-powered-off.\n\n"
			"On a terminal it shows what it would do, and who else is hit, and asks.",
		.check = cn_cmd_locks_break_check,
		.run = cn_cmd_locks_break,
	},
	{
		.name = "metrics",
		.synopsis = "",
		.groups = CN_OPT_METRICS,
		.late = true,
		.help = "the drains as text for Prometheus",
		.text = "Prints what 'status' knows in the text format of Prometheus, for the textfile collector of the node "
			"exporter. When the cluster cannot be looked at it says so (cephnode_up 0), and fails. Changes nothing.",
		.check = cn_cmd_metrics_check,
		.run = cn_cmd_metrics,
	},
	{
		.name = "check",
		.synopsis = "",
		.min_args = 0,
		.max_args = 0,
		.groups = CN_OPT_KUBE,
		.late = true,
		.help = "can this client, with these caps, in this place, do its job?",
		.text = "Shows, one line a finding, whether the cluster answers, whether the key has the caps for a drain, "
			"whether "
			"osdmaptool is there, and which rights Kubernetes gives; with the Role to apply where one is missing. "
			"Exit "
			"status 6 when something is missing. Changes nothing.",
		.run = cn_cmd_check,
	},
	{
		.name = "heat hook",
		.synopsis = "< DEPLOYMENT",
		.groups = CN_OPT_HEAT_HOOK,
		.help = "heat-config hook: drain this machine before its server is deleted",
		.text = "heat-config runs this with a deployment on stdin when Heat is about to delete this server. Drains this "
			"machine, and no other, whatever the deployment says, and prints one JSON object: what Heat is to know. "
			"Its "
			"deploy_status_code, which is the exit status, is 0 when no OSD of the cluster is on this machine any "
			"more; "
			"with any other Heat keeps the server. Actions other than DELETE touch nothing.\n\n"
			"With --install it puts itself in place instead.",
		.alone = cn_cmd_heat_hook,
		.misused = cn_cmd_heat_hook_misused,
	},
	{
		.name = "heat agent",
		.synopsis = "--stack NAME",
		.groups = CN_OPT_OPENSTACK | CN_OPT_HEAT_AGENT | CN_OPT_KUBE | CN_OPT_ACCEPT | CN_OPT_STOP | CN_OPT_LOCK |
			  CN_OPT_KUBE,
		.late = true,
		.guard = true,
		.help = "drain the nodes that Heat is about to delete, and let it go on",
		.text = "Looks again and again for members of the stack whose deletion waits at the gate: a resource 'drain' "
			"with a "
			"pre-delete hook in each member's own stack. Finds the OSDs of their servers by address, drains all that "
			"wait "
			"as one plan, looks at both sides again, and opens the gates. A gate whose node cannot be told for sure, "
			"or "
			"cannot be drained, stays closed, and the server stays.\n\n"
			"It needs no memory: killed and started again it goes on. It may be stopped at any time.",
		.check = cn_cmd_heat_stack_check,
		.run = cn_cmd_heat_agent,
	},
	{
		.name = "heat check",
		.synopsis = "--stack NAME",
		.groups = CN_OPT_OPENSTACK | CN_OPT_KUBE,
		.late = true,
		.help = "would a scale-down of this stack be safe?",
		.text = "Looks whether a scale-down of this stack would wait for the drain of its node: time, gates and their "
			"hook, the order "
			"of deletion, the credential, and that each member's server is one node of the cluster. One line a "
			"finding, with "
			"the mend. Exit status 4 when there is a problem, 6 when not all could be looked at. Changes nothing.",
		.check = cn_cmd_heat_stack_check,
		.run = cn_cmd_heat_check,
	},
	{
		.name = "heat retire",
		.synopsis = "--stack NAME NODE",
		.min_args = 1,
		.max_args = 1,
		.groups = CN_OPT_OPENSTACK | CN_OPT_KUBE | CN_OPT_YES,
		.nodes = true,
		.late = true,
		.aside = true,
		.help = "scale a stack down by exactly this node",
		.text = "Lets Heat scale the stack down by this node and no other: marks its member, sets the group's size, and "
			"shows how the drain goes until the "
			"server is gone. The drain is that of the agent or of the node's hook. After a failure the same command "
			"takes the same "
			"node again. On a terminal it asks; without one it needs --yes.\n\n"
			"It may be ended at any time: what Heat has begun goes on.",
		.check = cn_cmd_heat_retire_check,
		.run = cn_cmd_heat_retire,
	},
};

const size_t cn_n_commands = ARRAY_SIZE(cn_commands);

bool cn_command_is_of(const struct cn_command *c, const char *first)
{
	size_t len = strlen(first);

	return strncmp(c->name, first, len) == 0 && c->name[len] == ' ';
}

bool cn_command_begins(const char *word)
{
	for (size_t i = 0; i < cn_n_commands; i++) {
		if (cn_command_is_of(&cn_commands[i], word))
			return true;
	}
	return false;
}

const struct cn_command *cn_command_find(const char *name)
{
	for (size_t i = 0; i < cn_n_commands; i++) {
		if (strcmp(cn_commands[i].name, name) == 0)
			return &cn_commands[i];
	}
	return NULL;
}
