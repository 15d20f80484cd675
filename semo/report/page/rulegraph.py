"""The graph of the workflow's rules (Graphviz text, as Snakemake prints it) -> places of boxes and arrows in layers."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOX_HEIGHT, ROW, GAP, MARGIN = 30, 66, 18, 8
CHARACTER = 7.4  # pixels of one letter at 13 px
SWEEPS = 4

_NODE = re.compile(r'^\s*(\d+)\s*\[\s*label\s*=\s*"((?:[^"\\]|\\.)*)"')
_EDGE = re.compile(r"^\s*(\d+)\s*->\s*(\d+)")


@dataclass(frozen=True)
class Box:
    name: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths (SVG) of the arrows between them; `edges` are the same as pairs of names."""

    width: float
    height: float
    boxes: list[Box]
    paths: list[str]
    edges: list[tuple[str, str]]


def parse(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the rules and (earlier, later) pairs; a rule that follows itself is left out of the pairs."""
    names: dict[str, str] = {}
    pairs = []
    for line in text.splitlines():
        if node := _NODE.match(line):
            names[node[1]] = node[2].replace('\\"', '"')
        elif edge := _EDGE.match(line):
            pairs.append((edge[1], edge[2]))
    known = [(names[a], names[b]) for a, b in pairs if a in names and b in names and a != b]
    return list(dict.fromkeys(names.values())), sorted(set(known))


def draw(text: str) -> Drawing | None:
    """None where the text holds no graph."""
    names, edges = parse(text)
    if not names:
        return None
    layers = _layers(names, edges)
    widths = {name: len(name) * CHARACTER + 22 for name in names}
    total = max(sum(widths[n] for n in row) + GAP * (len(row) - 1) for row in layers) + 2 * MARGIN
    boxes: dict[str, Box] = {}
    for depth, row in enumerate(layers):
        used = sum(widths[n] for n in row)
        gap = (total - 2 * MARGIN - used) / (len(row) + 1)
        x = MARGIN + gap
        for name in row:
            boxes[name] = Box(name, round(x, 1), MARGIN + depth * ROW, round(widths[name], 1))
            x += widths[name] + gap
    height = 2 * MARGIN + (len(layers) - 1) * ROW + BOX_HEIGHT
    paths = [_arrow(boxes[a], boxes[b]) for a, b in edges]
    return Drawing(round(total, 1), height, list(boxes.values()), paths, edges)


def _layers(names: list[str], edges: list[tuple[str, str]]) -> list[list[str]]:
    """Rules by the longest way to them; within a layer near the rules they depend on."""
    before = {name: [a for a, b in edges if b == name] for name in names}
    after = {name: [b for a, b in edges if a == name] for name in names}
    depth = dict.fromkeys(names, 0)
    for _ in names:  # as many rounds as the longest way can have
        for a, b in edges:
            depth[b] = max(depth[b], min(depth[a] + 1, len(names)))
    rows = [[n for n in names if depth[n] == d] for d in sorted(set(depth.values()))]
    for sweep in range(SWEEPS):
        place = {n: i / max(1, len(row) - 1) for row in rows for i, n in enumerate(row)}
        near = before if sweep % 2 == 0 else after
        for row in rows:
            row.sort(key=lambda n: (sum(place[m] for m in near[n]) / len(near[n]) if near[n] else place[n], n))
    return rows


def _arrow(a: Box, b: Box) -> str:
    x0, y0 = a.x + a.width / 2, a.y + BOX_HEIGHT
    x1, y1 = b.x + b.width / 2, b.y - 5
    bend = max(16.0, (y1 - y0) / 2)
    return f"M{x0:.1f},{y0} C{x0:.1f},{y0 + bend:.1f} {x1:.1f},{y1 - bend:.1f} {x1:.1f},{y1}"
