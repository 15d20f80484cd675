"""The workflow itself, once, with the real modules, on a few people of the shipped corpus."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from .conftest import COPIED, ROOT, Project

pytestmark = pytest.mark.workflow_run
CORPUS = ROOT / "data/portraits-mini"
PEOPLE = {"train": 6, "seen": 1, "test": 2}  # kept of each subset


def real_project(path: Path) -> Project:
    """The project as it is, without its data."""
    path.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", "figures", "tables.md", "speed.md", "index.html", "page")
    for name in (*COPIED, "semo"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, path / name)
    shutil.copytree(ROOT / "reports", path / "reports", ignore=ignore)
    (path / "data").mkdir()
    shutil.copy(ROOT / "data/fetch.py", path / "data/fetch.py")
    return Project(path)


def rows_of(path: Path) -> list[dict]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def shrink_corpus(target: Path) -> None:
    """A portraits-mini of a few people: its tables are filtered, its videos linked."""
    rows = rows_of(CORPUS / "corpus.tsv")
    kept: list[dict] = []
    for subset in dict.fromkeys(row["subset"] for row in rows):
        for split, people in PEOPLE.items():
            of_split = [row for row in rows if row["subset"] == subset and row["split"] == split]
            chosen = list(dict.fromkeys(row["identity"] for row in of_split))[:people]
            kept += [row for row in of_split if row["identity"] in chosen]
    clips = {row["clip"] for row in kept}
    pairs = [row for row in rows_of(CORPUS / "cross.tsv") if {row["source_clip"], row["driving_clip"]} <= clips]
    target.mkdir()
    for folder in [path for path in CORPUS.iterdir() if path.is_dir()]:
        (target / folder.name).symlink_to(folder)
    for name, table, columns in (("corpus", kept, rows[0]), ("cross", pairs, rows_of(CORPUS / "cross.tsv")[0])):
        with open(target / f"{name}.tsv", "w", newline="") as stream:
            writer = csv.DictWriter(stream, list(columns), delimiter="\t", lineterminator="\n")
            writer.writeheader()
            writer.writerows(table)


def tables(project: Project) -> dict[str, bytes]:
    """Every table of numbers that does not time anything."""
    folder = project.path / "results/smoke/tables"
    return {path.name: path.read_bytes() for path in folder.glob("*.tsv") if path.name != "speed.tsv"}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Project:
    if not (CORPUS / "corpus.tsv").is_file():
        pytest.skip("data/portraits-mini has no corpus.tsv")
    project = real_project(tmp_path_factory.mktemp("smoke") / "project")
    shrink_corpus(project.path / "data/portraits-mini")
    project.update_yaml("workflow/config/smoke.yaml", lambda config: config.update(rivals=["fomm"]))
    project.snakemake("reproduce_all", "--configfile", "workflow/config/smoke.yaml")
    return project


def test_smoke_makes_every_table_and_figure(smoke: Project) -> None:
    made = {path.stem for path in (smoke.path / "results/smoke/tables").glob("table*.tsv")}
    assert made == {path.stem for path in (ROOT / "reports/tables").glob("*.yaml")}
    page = (smoke.path / "results/smoke/reports/tables.md").read_text()
    assert "not run" in page
    figures = {path.stem for path in (smoke.path / "results/smoke/reports/figures").glob("*.png")}
    assert figures == {path.stem for path in (ROOT / "semo/report/figures").glob("[a-z]*.py")}
    assert json.loads((smoke.path / "results/smoke/tables/summary.json").read_text())
    report = (smoke.path / "results/smoke/reports/index.html").read_text()
    assert report.count("<article") == len(made) and 'class="rules"' in report
    assert list((smoke.path / "results/smoke/reports/page/videos").glob("talk-*.mp4"))
    assert not (smoke.path / "reports/tables.md").exists()


def test_a_rival_is_trained_and_keeps_its_own_name(smoke: Project) -> None:
    """What this run trained is FOMM-mini; FOMM is the paper's row alone."""
    trained = json.loads((smoke.path / "results/smoke/train/fomm/mini/model/config.json").read_text())
    assert trained["training"]["steps"] == 2 and trained["training"]["perceptual"]
    rows = [row for row in rows_of(smoke.path / "results/smoke/tables/table2.tsv") if row["row"] == "fomm"]
    assert {(row["source"], row["label"]) for row in rows} == {("run", "FOMM-mini"), ("paper", "FOMM")}
    assert any(row["source"] == "run" and row["metric"] == "psnr_moving" and row["value"] for row in rows)
    page = (smoke.path / "results/smoke/reports/tables.md").read_text()
    assert "not run here: the published FOMM." in " ".join(page.split())


def test_a_second_smoke_run_does_nothing(smoke: Project) -> None:
    output = smoke.snakemake("reproduce_all", "--configfile", "workflow/config/smoke.yaml")
    assert "Nothing to be done" in output


def test_generation_again_gives_identical_tables(smoke: Project) -> None:
    """Training, generation and metrics of one chain, made anew from the same config."""
    before = tables(smoke)
    shutil.rmtree(smoke.path / "results/smoke/train/ablation-T1D4")
    for task in ("reconstruct", "cross"):
        shutil.rmtree(smoke.path / f"results/smoke/generated/{task}/portraits-mini-street/ablation-T1D4")
        (smoke.path / f"results/smoke/metrics/{task}/portraits-mini-street/ablation-T1D4.tsv").unlink()
    smoke.snakemake("reproduce_all", "--configfile", "workflow/config/smoke.yaml", "--forcerun", "table")
    assert before
    assert tables(smoke) == before
