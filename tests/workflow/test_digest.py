"""The source digest: comments and docstrings do not count, code does, in the module itself and in what it imports."""

from pathlib import Path

import pytest
from plan.digest import listing, source

FILES = {
    "semo/__init__.py": "",
    "semo/train/__init__.py": "",
    "semo/train/__main__.py": "from semo.flow import path\nfrom . import loop\n",
    "semo/train/loop.py": "def run():\n    from semo import codec\n    return codec\n",
    "semo/flow.py": (
        '"""Flow."""\n\n\ndef path(x):\n    """Docstring."""\n    return x + 1  # one\n'
        'if __name__ == "__main__":\n    import semo.other\n'
    ),
    "semo/codec.py": "SIZE = 8\n",
    "semo/other.py": "A = 1\n",
    "semo/presets/mini.json": "{}",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new", "counts"),
    [
        ("semo/flow.py", "# one", "# another comment", False),
        ("semo/flow.py", "Docstring.", "Another docstring.", False),
        ("semo/flow.py", "\n\n\ndef", "\n\n\n\ndef", False),
        ("semo/flow.py", "x + 1", "x + 2", True),
        ("semo/codec.py", "8", "16", True),  # imported inside a function of a relative import
        ("semo/presets/mini.json", "{}", "{ }", True),
        ("semo/other.py", "1", "2", False),  # imported by a module run as a program only
    ],
)
def test_what_counts(tree: Path, name: str, old: str, new: str, counts: bool) -> None:
    before = source(tree, "semo.train", "semo/presets")
    text = (tree / name).read_text()
    (tree / name).write_text(text.replace(old, new))
    assert (source(tree, "semo.train", "semo/presets") != before) == counts


def test_a_new_file_in_a_named_folder_counts(tree: Path) -> None:
    before = source(tree, "semo/presets")
    (tree / "semo/presets/base.json").write_text("{}")
    assert source(tree, "semo/presets") != before


@pytest.mark.parametrize("name", ["semo.gone", "semo/gone"])
def test_missing_code_is_named(tree: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone.*does not exist"):
        source(tree, name)


def test_listing_sees_a_new_video(tree: Path) -> None:
    before = listing(tree)
    (tree / "video.mp4").write_bytes(b"x")
    assert listing(tree) != before
