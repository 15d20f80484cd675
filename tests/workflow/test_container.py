"""The container recipes, read: no engine is needed."""

from __future__ import annotations

import fnmatch
import re
import shlex
from pathlib import Path

import pytest

from .test_packaging import ROOT, name_of, pins

DOCKERFILE, DEFINITION = ROOT / "container/Dockerfile", ROOT / "container/semo.def"
INSTRUCTIONS = {"FROM", "RUN", "WORKDIR", "COPY", "ENV", "CMD"}
SECTIONS = {"files", "post", "environment", "test"}


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, arguments) with continued lines joined."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def definition() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Header and sections of the Apptainer definition."""
    header, sections, current = {}, {}, None
    for line in DEFINITION.read_text().splitlines():
        if line.startswith("%"):
            current = sections.setdefault(line[1:].strip(), [])
        elif line.strip() and not line.startswith("#"):
            if current is None:
                key, value = line.split(":", 1)
                header[key] = value.strip()
            else:
                current.append(line.strip())
    return header, sections


def commands() -> dict[str, list[str]]:
    """Shell commands of each recipe."""
    docker = [part.strip() for word, rest in dockerfile() if word == "RUN" for part in rest.split("&&")]
    return {"Dockerfile": docker, "semo.def": definition()[1]["post"]}


def test_recipes_parse() -> None:
    instructions = dockerfile()
    assert {word for word, _ in instructions} <= INSTRUCTIONS
    assert instructions[0][0] == "FROM" and instructions[-1][0] == "CMD"
    header, sections = definition()
    assert header["Bootstrap"] == "docker" and set(sections) <= SECTIONS
    for command in [*commands()["Dockerfile"], *commands()["semo.def"]]:
        assert shlex.split(command), command


def test_both_build_on_the_python_of_the_environment() -> None:
    """One base image by name, with no registry in front of it, whose Python is environment.yml's."""
    base = definition()[0]["From"]
    assert base == dockerfile()[0][1]
    python = re.search(r"- python=([\d.]+)", (ROOT / "environment.yml").read_text()).group(1)
    assert re.fullmatch(rf"python:{re.escape(python)}-[a-z-]+", base)


@pytest.mark.parametrize("recipe", ["Dockerfile", "semo.def"])
def test_versions_are_those_of_the_constraints(recipe: str) -> None:
    """Every installation obeys constraints.txt, and no recipe states a version of its own that differs."""
    installs = [command for command in commands()[recipe] if "pip install" in command]
    assert len(installs) == 2
    assert all("-c constraints.txt" in command for command in installs)
    for stated in re.findall(r"[\w.-]+==[\w.]+", " ".join(commands()[recipe])):
        assert pins().get(name_of(stated)) == stated


def test_both_install_the_same() -> None:
    docker, apptainer = ([c for c in found if c.startswith(("apt-get", "python"))] for found in commands().values())
    assert docker == apptainer


def test_copied_files_exist_and_are_not_ignored() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    copied = [rest.split()[0] for word, rest in dockerfile() if word == "COPY"]
    copied += [line.split()[0] for line in definition()[1]["files"]]
    for name in copied:
        assert (ROOT / name).exists(), name
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in ignored), name
    for name in ("Snakefile", "workflow", "profiles", "data/portraits-mini", "data/fetch.py", "reports/tables"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in ignored), name


def test_the_workflow_names_the_image_that_the_definition_builds() -> None:
    image = re.search(r'^container: "(.+)"$', (ROOT / "Snakefile").read_text(), re.MULTILINE).group(1)
    assert f"apptainer build {image} container/semo.def" in DEFINITION.read_text()
    assert Path(image).parent == Path("container")
