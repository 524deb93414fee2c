"""Who runs before whom inside one workflow."""

from collections.abc import Mapping, Sequence

from fettle_workflow_engine.domain.definition import Follower


def ancestors(nodes: Sequence[Follower]) -> Mapping[str, frozenset[str]]:
    """For each node, all nodes that have ended or been skipped before it runs. Circles are followed once around,
    so a node inside one is its own ancestor."""
    direct = {node.name: frozenset(after.node for after in node.after) for node in nodes}
    return {name: _reach(name, direct) for name in direct}


def circle(nodes: Sequence[Follower]) -> tuple[str, ...] | None:
    """Nodes that wait for each other, in the order of waiting and ending where it began, or None."""
    direct = {node.name: [after.node for after in node.after] for node in nodes}
    return find_circle(direct)


def find_circle(edges: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """The first circle found by following `edges`, as `(a, b, a)`."""
    finished: set[str] = set()
    for start in edges:
        path: list[str] = []
        branches = [iter((start,))]
        while branches:
            name = next(branches[-1], None)
            if name is None:
                branches.pop()
                if path:
                    finished.add(path.pop())
            elif name in path:
                return (*path[path.index(name) :], name)
            elif name not in finished:
                path.append(name)
                branches.append(iter(edges.get(name, ())))
    return None


def _reach(start: str, direct: Mapping[str, frozenset[str]]) -> frozenset[str]:
    reached: set[str] = set()
    ahead = list(direct[start])
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead.extend(direct.get(name, ()))
    return frozenset(reached)
