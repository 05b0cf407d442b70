"""The control groups of this process, through which containers limit it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def own_groups(controller: str, root: Path, membership: Path) -> Iterator[tuple[Path, bool]]:
    """The folders of the groups that limit this process, each group before the one around it.

    Args:
        controller: `memory` or `cpu`.
        root: Where the groups are mounted.
        membership: The file that names those of this process.

    Yields:
        Each folder, and whether it is of version 2.
    """
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        group = top / path.lstrip("/")
        for each in (group, *group.parents):  # a container sees its own group as the root
            yield each, not controllers
            if each == top:
                break
