#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps the arrows between the layers: a file includes headers of its own layer and of those below it, nothing else.

Also keeps each library in its place: librados and librbd in src/cluster, libsmartcols in src/output.
layers.py SOURCE_DIR checks the tree, layers.py --self-check that planted violations are caught.
"""
import re
import sys
import tempfile
from pathlib import Path

BELOW = {
    "base": set(),
    "http": {"base"},
    "cluster": {"base"},
    "device": {"cluster", "base"},
    "kube": {"http", "base"},
    "inventory": {"kube", "cluster", "base"},
    "heat": {"drain", "inventory", "cluster", "http", "base"},
    "locks": {"inventory", "cluster", "base"},
    "drain": {"inventory", "kube", "cluster", "base"},
    "output": {"base"},
}
BELOW["cli"] = set(BELOW)

LIBRARIES = [(r"^(rados|rbd)/", {"cluster"}), (r"^libsmartcols", {"output"}), (r"^curl/", {"http"}), (r"^yaml\.h", {"base"}),
             (r"^systemd/", {"drain", "heat"}), (r"^blkid/", {"device"})]

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def layer_of(path, root):
    parts = path.relative_to(root).parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ("include", "cephnode") and len(parts) > 3:
        return parts[2]
    return None


def target_of(include):
    """The layer a quoted path belongs to; None for system headers and neighbours."""
    parts = include.split("/")
    if parts[0] == "cephnode" and len(parts) > 2:
        return parts[1]
    if len(parts) > 1 and parts[0] in BELOW:
        return parts[0]
    return None


def check_include(layer, include):
    target = target_of(include)
    if target is not None and target != layer and target not in BELOW[layer]:
        return f"{layer} must not include {target}"
    if ".." in include.split("/"):
        return "includes go by the name of the layer"
    # a header under src/ is private to its layer
    if target is not None and target != layer and not include.startswith("cephnode/"):
        return f"{include} is private to {target}"
    for pattern, homes in LIBRARIES:
        if re.match(pattern, include) and layer not in homes:
            return f"{include} belongs to {', '.join(homes)}"
    return None


def check(root):
    problems, seen = [], 0
    files = [f for top in ("src", "include") for f in (root / top).rglob("*") if f.suffix in (".c", ".h")]
    for path in sorted(files):
        where = path.relative_to(root)
        layer = layer_of(path, root)
        if layer not in BELOW:
            problems.append(f"{where}: stands in no known layer")
            continue
        seen += 1
        for number, line in enumerate(path.read_text().splitlines(), 1):
            m = INCLUDE.match(line)
            why = check_include(layer, m.group(1)) if m else None
            if why:
                problems.append(f"{where}:{number}: {why}")
    if not seen:
        problems.append(f"no sources under {root}")
    return problems


def self_check():
    planted = {
        "src/base/a.c": '#include "cephnode/cluster/cluster.h"\n',
        "src/output/b.c": '# include "cephnode/drain/drain.h"\n',
        "src/drain/c.c": '#include "cli/cli.h"\n',
        "src/inventory/d.c": "#include <rados/librados.h>\n",
        "include/cephnode/cluster/e.h": '#include "cephnode/drain/drain.h"\n',
        "src/cli/f.c": '#include "output/human.h"\n',
        "src/nowhere/g.c": "\n",
    }
    fine = {
        "src/drain/ok.c": '#include <stdio.h>\n#include "cephnode/inventory/node.h"\n#include "drain/journal.h"\n#include "steps.h"\n',
        "src/cli/ok.c": '#include "cephnode/drain/drain.h"\n',
        "src/cluster/ok.c": "#include <rados/librados.h>\n",
    }
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp)
        for name, text in (planted | fine).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        caught = {p.split(":")[0] for p in check(root)}
    if caught != set(planted):
        return [f"not caught: {sorted(set(planted) - caught)}, wrongly caught: {sorted(caught - set(planted))}"]
    return []


if __name__ == "__main__":
    found = self_check() if sys.argv[1] == "--self-check" else check(Path(sys.argv[1]))
    print("\n".join(found) if found else "ok")
    sys.exit(1 if found else 0)
