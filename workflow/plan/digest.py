"""A digest of source code that ignores comments and docstrings, so that only a change of what runs reruns jobs."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

SKIPPED = {"__pycache__"}


def source(root: Path, *names: str) -> str:
    """Digest of the files and folders `names` below `root`: first 16 hexadecimal digits of a sha256.

    A folder counts with all files below it. Python files count by their syntax tree without docstrings, others by
    their bytes. Raises FileNotFoundError naming what is missing.
    """
    digest = hashlib.sha256()
    for name in names:
        for path in _files(root / name):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(_file_digest(path, path.stat().st_mtime_ns).encode() + b"\n")
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{path} does not exist, but a rule names it as source code: restore it or mend the rule")
    return sorted(p for p in path.rglob("*") if p.is_file() and not SKIPPED & set(p.parts) and p.suffix != ".md")


@cache
def _file_digest(path: Path, mtime_ns: int) -> str:
    content = path.read_bytes()
    if path.suffix == ".py":
        content = _meaning(content.decode(), path).encode()
    return hashlib.sha256(content).hexdigest()


def _meaning(code: str, path: Path) -> str:
    """The syntax tree as text, without positions, comments and docstrings."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise SyntaxError(f"{path}, line {error.lineno}: {error.msg}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
    return ast.dump(tree)
