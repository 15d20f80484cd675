"""pyproject.toml, constraints.txt and environment.yml say the same; nothing committed names a machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\[=<>; ]", requirement)[0]).lower()


def named() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return {name_of(requirement) for group in groups for requirement in group}


def pins() -> dict[str, str]:
    lines = (line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    return {name_of(line): line for line in lines if line and not line.startswith("#")}


def test_environment_equals_pyproject_with_constraints() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert "python=3.11" in environment
    listed = next(item["pip"] for item in environment if isinstance(item, dict))
    assert sorted(listed) == sorted(pins()[name] for name in named())


def test_every_pin_is_exact_and_portable() -> None:
    for line in pins().values():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_committed_text_names_no_machine() -> None:
    try:
        files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
            "\n"
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    forbidden = re.compile(r"/(?:work|root)/|pythonhosted|pypi\." + r"org|registry\.npm" + r"js|deb\.deb" + r"ian")
    for name in files:
        path = ROOT / name
        if path.suffix in (".py", ".smk", ".md", ".yaml", ".yml", ".toml", ".txt", ".cff", "") and path.is_file():
            if path.name == "LICENSE" or name == "tests/workflow/test_packaging.py":
                continue
            found = forbidden.search(path.read_text(errors="ignore"))
            assert found is None, f"{name} names {found.group()}"
