"""Finds the methods of baselines/ by reading their source, not by importing it: an import would load torch."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ALWAYS = ("copy-reference", "codec", "semo")  # in every run, whatever `rivals` says
NEVER = ("external",)  # scores a folder of videos made elsewhere: started by hand


@dataclass(frozen=True)
class Plugin:
    """What baselines/<folder>/method.py declares of itself in its class Method.

    `trainable`: the folder has a recipe, training.py.
    """

    folder: str
    tasks: tuple[str, ...]
    weights: tuple[str, ...]
    trainable: bool = False

    @property
    def method(self) -> str:
        """The id in results and tables."""
        return self.folder.replace("_", "-")


def discover(baselines: Path) -> dict[str, Plugin]:
    """Method id -> plugin for every folder with a method.py, sorted by id."""
    plugins = (_read(path) for path in sorted(baselines.glob("*/method.py")))
    return {plugin.method: plugin for plugin in plugins}


def _read(path: Path) -> Plugin:
    tree = ast.parse(path.read_text(), str(path))
    body = next((n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Method"), None)
    if body is None:
        raise ValueError(f"{path} has no class Method; see baselines/method.py for what it must declare.")
    values = {}
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and target.id in ("tasks", "weights") and node.value is not None:
                values[target.id] = _literal(node.value, path, target.id)
    if "tasks" not in values:
        raise ValueError(f'{path}: class Method lacks tasks = ("reconstruct", ...), which says what it can do.')
    trainable = path.with_name("training.py").is_file()
    return Plugin(path.parent.name, values["tasks"], values.get("weights", ()), trainable)


def _literal(node: ast.expr, path: Path, name: str) -> tuple[str, ...]:
    try:
        return tuple(ast.literal_eval(node))
    except ValueError:
        raise ValueError(f"{path}, line {node.lineno}: {name} must be a literal tuple of strings.") from None


def chosen(plugins: dict[str, Plugin], rivals: str | list[str]) -> list[str]:
    """Ids of the rivals a run includes: `all`, `none` or a list of folder names or ids."""
    found = [name for name in plugins if name not in (*ALWAYS, *NEVER)]
    if rivals in ("all", "none"):
        return found if rivals == "all" else []
    names = [name.replace("_", "-") for name in rivals]
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(
            f"config: rivals names {unknown[0]!r}, but baselines/ has {', '.join(found) or 'no rival yet'}."
        )
    return names
