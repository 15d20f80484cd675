"""A digest of source code that ignores comments and docstrings, so that only a change of what runs reruns jobs."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGES = ("semo", "baselines")
SHOWN_ONLY = ("semo/progress.py",)  # what a job prints while it runs is no part of its result


def source(root: Path, *names: str) -> str:
    """Digest of code below `root`: the first 16 hexadecimal digits of a sha256.

    A dotted name (`semo.train`) is a module; it counts with every module of this project that it imports, directly or
    through others, also inside functions; not what a module does as a program or imports for types alone. A path
    (`semo/presets`) is a file, or a folder with all files below it.
    Python counts by its syntax tree without docstrings, everything else by its bytes.
    Raises FileNotFoundError naming what is missing.
    """
    files: set[Path] = set()
    for name in names:
        if "/" in name or (root / name).is_file():
            files.update(_files(root / name))
        else:
            _follow(root, name, files)
    digest = hashlib.sha256()
    for path in sorted(files - {root / name for name in SHOWN_ONLY}):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(_file_digest(path, path.stat().st_mtime_ns).encode() + b"\n")
    return digest.hexdigest()[:16]


def listing(folder: Path) -> str:
    """Digest of names, sizes and times of the files below a folder whose contents are too large to read each time."""
    digest = hashlib.sha256()
    for path in _files(folder):
        state = path.stat()
        digest.update(f"{path.relative_to(folder)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist, but the workflow names it: restore it or mend what names it.")
    return sorted(
        p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts and p.suffix not in (".md", ".pyc")
    )


def _follow(root: Path, module: str, files: set[Path]) -> None:
    """Add the files of `module`, of the packages it lies in, and of all it imports."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        for path in _module_files(root, parts[:depth], last=depth == len(parts)):
            if path not in files:
                files.add(path)
                for name in _imports(path, root, path.stat().st_mtime_ns):
                    _follow(root, name, files)


def _module_files(root: Path, parts: list[str], last: bool) -> Iterator[Path]:
    folder = root.joinpath(*parts)
    if folder.is_dir():
        names = ("__init__.py", "__main__.py") if last else ("__init__.py",)
        yield from (folder / name for name in names if (folder / name).is_file())
    elif folder.with_suffix(".py").is_file():
        yield folder.with_suffix(".py")
    elif last:
        raise FileNotFoundError(
            f"module {'.'.join(parts)} does not exist, but the workflow runs it: restore it from git."
        )


@cache
def _imports(path: Path, root: Path, mtime_ns: int) -> tuple[str, ...]:
    """Dotted names of this project's modules that the file imports anywhere in it."""
    package = path.relative_to(root).parent.parts
    found = set()
    for node in _imported(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names if _is_module(root, f"{module}.{alias.name}"))
    return tuple(sorted(name for name in found if name.split(".")[0] in PACKAGES and _is_module(root, name)))


def _imported(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below `if TYPE_CHECKING` and `if __name__ == "__main__"`, which no importer runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and {"TYPE_CHECKING", "__name__"} & {
            name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)
        }:
            continue
        yield node
        yield from _imported(node)


def _is_module(root: Path, name: str) -> bool:
    path = root.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@cache
def _file_digest(path: Path, mtime_ns: int) -> str:
    content = _meaning(_tree(path)).encode() if path.suffix == ".py" else path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise SyntaxError(f"{path}, line {error.lineno}: {error.msg}") from None


def _meaning(tree: ast.Module) -> str:
    """The syntax tree as text, without positions, comments and docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
    return ast.dump(tree)
