#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every file names its licence, no source outgrows 600 lines, and none names a place outside the project.

files.py SOURCE_DIR checks the tree, files.py --self-check that planted faults are caught.
"""
import re
import sys
import tempfile
from pathlib import Path

SPDX = "SPDX-License-Identifier: LGPL-2.1-or-later"
MOST_LINES = 600
CODE = {".c", ".h", ".py", ".sh"}
NO_COMMENTS = {".json", ".jsonl", ".txt", ".md"}  # formats without comments, golden files, prose
SKIP = {".git", "build", "__pycache__"}
NO_LICENCE = {"LICENSE", "ChangeLog", ".gitignore", ".editorconfig", ".clang-format"}
# Folders of a developer's own machine have no business in the project.
FOREIGN = re.compile(r"/(?:home|Users|work)/\w")


def files_of(root):
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not path.is_symlink() and not SKIP & set(parts):
            yield path


def needs_licence(path, root):
    name = path.relative_to(root)
    if path.name in NO_LICENCE or path.suffix in NO_COMMENTS or path.suffix in (".xz", ".gz", ".bin", ".http"):
        return False
    return "golden" not in name.parts and "fixtures" not in name.parts


def check_file(path, root):
    where = path.relative_to(root)
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return
    lines = text.splitlines()
    if needs_licence(path, root) and not any(SPDX in line for line in lines[:5]):
        yield f"{where}: no SPDX line"
    if where.parts[0] in ("src", "include") and len(lines) > MOST_LINES:
        yield f"{where}: {len(lines)} lines, it asks to be two files"
    for number, line in enumerate(lines, 1):
        if FOREIGN.search(line) and path.resolve() != Path(__file__).resolve():
            yield f"{where}:{number}: names a place outside the project"


def check(root):
    return [problem for path in files_of(root) for problem in check_file(path, root)]


def self_check():
    head = f"/* {SPDX} */\n"
    planted = {
        "src/base/bare.c": "int x;\n",
        "tests/run.sh": "#!/bin/sh\n",
        "src/base/long.c": head + "\n" * MOST_LINES,
        "docs/a.md": "see /home/me/notes\n",
    }
    fine = {"src/base/ok.c": head, "tests/a.json": "{}\n", "build/x.c": "int x;\n", "tests/b.sh": f"#!/bin/sh\n# {SPDX}\n"}
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
