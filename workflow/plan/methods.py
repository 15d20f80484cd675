"""Finds the methods of baselines/ by reading their source, not by importing it: an import would load torch."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALWAYS = ("copy-reference", "codec", "semo")  # in every run, whatever `rivals` says; so are controls
NEVER = ("external",)  # scores a folder of videos made elsewhere: started by hand
DECLARED = ("tasks", "weights", "kind")


@dataclass(frozen=True)
class Plugin:
    """What baselines/<folder>/method.py declares of itself in its class Method, or in a class that it derives from.

    `trainable`: the folder has a recipe, training.py. `kind`: `control` for those that SeMo's decoder of the run moves.
    """

    folder: str
    tasks: tuple[str, ...]
    weights: tuple[str, ...]
    trainable: bool = False
    kind: str = "scratch"

    @property
    def method(self) -> str:
        """The id in results and tables."""
        return self.folder.replace("_", "-")


def discover(baselines: Path) -> dict[str, Plugin]:
    """Method id -> plugin for every folder with a method.py, sorted by id."""
    plugins = (_read(path) for path in sorted(baselines.glob("*/method.py")))
    return {plugin.method: plugin for plugin in plugins}


def _read(path: Path) -> Plugin:
    values = _declared(path, "Method", path.parents[2])
    if values is None:
        raise ValueError(f"{path} has no class Method; see baselines/method.py for what it must declare.")
    if "tasks" not in values:
        raise ValueError(f'{path}: class Method lacks tasks = ("reconstruct", ...), which says what it can do.')
    trainable = path.with_name("training.py").is_file()
    weights, kind = tuple(values.get("weights", ())), values.get("kind", "scratch")
    return Plugin(path.parent.name, tuple(values["tasks"]), weights, trainable, kind)


def _declared(path: Path, name: str, root: Path) -> dict[str, Any] | None:
    """Tasks, weights and kind of a class, its bases' first; None where the file has no such class."""
    tree = ast.parse(path.read_text(), str(path))
    found = next((n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name), None)
    if found is None:
        return None
    values: dict[str, Any] = {}
    for base in reversed([b.id for b in found.bases if isinstance(b, ast.Name)]):
        values |= _declared(_home(tree, base, path, root), base, root) or {}
    for node in found.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id in DECLARED and node.value is not None:
                values[target.id] = _literal(node.value, path, target.id)
    return values


def _home(tree: ast.Module, name: str, path: Path, root: Path) -> Path:
    """The file that a class comes from: one of this project that is imported, else the file itself."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and name in [n.asname or n.name for n in node.names]:
            home = root.joinpath(*node.module.split(".")).with_suffix(".py")
            return home if home.is_file() else path
    return path


def _literal(node: ast.expr, path: Path, name: str) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        kind = "string" if name == "kind" else "tuple of strings"
        raise ValueError(f"{path}, line {node.lineno}: {name} must be a literal {kind}.") from None


def controls(plugins: dict[str, Plugin]) -> list[str]:
    """Ids of the controls, by name."""
    return [name for name, plugin in plugins.items() if plugin.kind == "control"]


def chosen(plugins: dict[str, Plugin], rivals: str | list[str]) -> list[str]:
    """Ids of the rivals a run includes: `all`, `none` or a list of folder names or ids."""
    found = [name for name in plugins if name not in (*ALWAYS, *NEVER, *controls(plugins))]
    if rivals in ("all", "none"):
        return found if rivals == "all" else []
    names = [name.replace("_", "-") for name in rivals]
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(
            f"config: rivals names {unknown[0]!r}, but baselines/ has {', '.join(found) or 'no rival yet'}."
        )
    return names
