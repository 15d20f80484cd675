"""Tables from a small fake results tree: a golden page, partial results, reasons, escaping, released rows."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from semo.report.__main__ import ROOT, main
from semo.report.definitions import (
    Column,
    ReportError,
    load_ablations,
    load_paper,
    load_table,
    load_tables,
    read_tsv,
)
from semo.report.markdown import NO_BREAK, Notes, counted, escape, shared_counts
from semo.report.measurements import Results
from semo.report.rows import Cell, run_block
from semo.report.tables import build, load_inputs, page, write_page
from tests.unit.fake_results import ROLES, complete_run, config, measured, trained

GOLDEN = Path(__file__).parent / "golden" / "tables.md"
ABLATIONS = "table\trun\tmotion_tokens\tmotion_dim\tmask_max\tmotion_norm\n" + "\n".join(
    f"{table}\t{run}\t1\t{dim}\t0.9\tbatch"
    for table, run, dim in (("5", "T1D4", 4), ("5", "T1D32", 32), ("5,7", "T1D512", 512), ("7", "T1D512-nomask", 512))
)
DEFINITIONS = {
    1: dict(title="Capabilities", kind="capabilities", task="talk", columns=["unsupervised", "long_term", "real_time"]),
    2: dict(
        title="Reconstruction",
        kind="methods",
        task="reconstruct",
        roles=["hdtf", "mead"],
        columns=["fid", "psnr", "l1"],
        ours=["psnr_moving", {"metric": "psnr_cross", "task": "cross"}],
        paper_notes=["A note."],
    ),
    5: dict(
        title="Dimension",
        kind="ablations",
        task="reconstruct",
        roles=["hdtf"],
        columns=["psnr", "ssim"],
        reference="T1D512",
    ),
}
PAPER = {
    1: "row\tmethod\tunsupervised\tlong_term\treal_time\nsemo\tSeMo (Ours)\tyes\tyes\tyes\n",
    2: "row\tmethod\trole\tfid\tpsnr\tl1\n"
    "fomm\tFOMM\thdtf\t24.690\t25.572\t73.484\n"
    "semo\tSeMo (Ours)\thdtf\t21.431\t29.12\t57.849\n",
    5: "row\tmethod\trole\tpsnr\tssim\nT1D512\tT1D512\thdtf\t29.12\t0.871\n",
}
RELEASED = (
    "run\tseed\ttask\trole\tdataset\tmetric\tvalue\tlow\thigh\tclips\tpeople\n"
    "T1D4\t0\treconstruct\thdtf\tmini-broadcast\tpsnr\t24.0\t23.0\t25.0\t30\t10\n"
    "T1D4\t1\treconstruct\thdtf\tmini-broadcast\tpsnr\t24.5\t23.5\t25.5\t30\t10\n"
    "T1D512\t0\treconstruct\thdtf\tmini-broadcast\tpsnr\t26.0\t25.0\t27.0\t30\t10\n"
)


@pytest.fixture
def tree(tmp_path):
    """Results, definitions and ablations; returns a function that loads them with a config."""
    results, definitions = tmp_path / "results", tmp_path / "definitions"
    for name in ("tables", "paper", "released"):
        (definitions / name).mkdir(parents=True)
    for number, content in DEFINITIONS.items():
        (definitions / "tables" / f"table{number}.yaml").write_text(yaml.safe_dump({"number": number, **content}))
        (definitions / "paper" / f"table{number}.tsv").write_text(PAPER[number])
    (tmp_path / "ablations.tsv").write_text(ABLATIONS + "\n")

    def load(made: dict):
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(made))
        return load_inputs(tmp_path / "config.yaml", results, definitions, tmp_path / "ablations.tsv")

    load.results, load.definitions = results, definitions
    return load


def table_section(text: str, number: int) -> str:
    return text.split(f"## Table {number}.")[1].split("\n## ")[0]


def test_golden_page(tree, monkeypatch):
    """`SEMO_GOLDEN=write pytest tests/unit/test_report.py` writes the page anew; read the difference."""
    monkeypatch.setattr("semo.report.tables.figure_captions", lambda: {"a_strip": "Fig. 5: a strip."})
    inputs = tree(complete_run(tree.results))
    (tree.definitions / "released" / "ablations.tsv").write_text(RELEASED)
    (tree.definitions / "released" / "ablations.json").write_text(json.dumps({"summary": "10,000 steps, 2 seeds"}))
    text = page(build(inputs), inputs)
    if os.environ.get("SEMO_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_two_runs_differ_in_speed_only(tree, tmp_path):
    pages = []
    for seconds in (6.0, 12.0):
        inputs = tree(complete_run(tree.results))
        for beside in (tree.results / "metrics").rglob("*.json"):
            content = json.loads(beside.read_text())
            content["run"] |= {"seconds": seconds * 5, "cpu_seconds": seconds / 2, "peak_memory_mib": seconds}
            beside.write_text(json.dumps(content))
        out = tmp_path / f"out{seconds}" / "tables.md"
        write_page(inputs, out, ROOT)
        pages.append(
            (out.read_text(), out.with_name("speed.md").read_text(), (tree.results / "tables/summary.json").read_text())
        )
    assert pages[0][0] == pages[1][0]
    assert pages[0][2] == pages[1][2]
    assert pages[0][1] != pages[1][1]


def test_nothing_was_measured(tree):
    inputs = tree(config({"copy-reference": ("reconstruct",), "codec": ("reconstruct",), "semo": ("reconstruct",)}))
    text = page(build(inputs), inputs)
    assert "not run: not measured in this run" in table_section(text, 2)
    assert "24.690" in table_section(text, 2), "the paper's numbers stand there in any case"
    assert "not run: not in this run's budget" in table_section(text, 5)
    section = table_section(text, 1)
    assert "| SeMo | not run<sup>a</sup> |" in section and "<sup>a</sup> not run: not measured in this run" in section


def test_no_cell_is_empty(tree):
    inputs = tree(complete_run(tree.results))
    (tree.results / "metrics/reconstruct/mini-studio/semo.tsv").unlink()
    (tree.results / "metrics/cross/mini-broadcast/codec.tsv").unlink()
    for line in page(build(inputs), inputs).splitlines():
        if line.startswith("|"):
            assert all(cell.strip() for cell in line.strip("|").replace("\\|", "").split("|")), line


def test_a_method_that_could_not_run_says_why(tree):
    made = complete_run(tree.results)
    reason = "the weights of this method are not on this machine; see its README for where to get them"
    measured(tree.results, "reconstruct", ROLES["hdtf"], "semo", status="unavailable", reason=reason)
    measured(tree.results, "reconstruct", ROLES["mead"], "semo", status="unavailable", reason="no GPU")
    inputs = tree(made)
    section = table_section(page(build(inputs), inputs), 2)
    assert "| not run<sup>a</sup> |" in section and f"- <sup>a</sup> not run: {reason}" in section
    assert "not run: no GPU" in section


def test_roles_without_data_and_missing_stage(tree):
    made = config(
        {"copy-reference": ("reconstruct", "talk"), "codec": ("reconstruct",), "semo": ("reconstruct", "cross")}
    )
    made["enabled_roles"] = {"hdtf": ROLES["hdtf"]}
    measured(tree.results, "reconstruct", ROLES["hdtf"], "copy-reference")
    text = page(build(tree(made)), tree(made))
    assert "MEAD: no data set enabled" in text and "not run: data set not enabled" in text


def test_bold_is_the_best_of_compared_rows_only(tree):
    made = complete_run(tree.results)
    made["methods"]["rival"] = {"plugin": "rival", "tasks": ["reconstruct", "cross"]}
    measured(tree.results, "reconstruct", ROLES["hdtf"], "rival", level=3.0)
    inputs = tree(made)
    table = load_table(tree.definitions / "tables" / "table2.yaml")
    block = run_block(table, "hdtf", inputs.results, inputs.ablations)
    best = {(row.id, column.metric) for row in block.rows for column, cell in row.cells.items() if cell.best}
    found = {("rival", metric) for metric in ("fd_corpus", "psnr", "l1", "psnr_moving")}
    assert best == found, "bounds and released rows never"


def test_columns_take_the_networks_of_the_tier(tree):
    """Another tier fills the same column under another name, or says that it cannot."""
    made = complete_run(tree.results)
    for tier, title, cell in (
        ("bundled", "FD-corpus ↓<br><sub>n 12/6</sub>", "42.0<br>"),
        ("compact", "FD-squeeze ↓", "not run<sup>"),
        ("reference", "FID ↓", "not run<sup>"),
    ):
        inputs = tree(made | {"tier": tier})
        section = table_section(page(build(inputs), inputs), 2)
        assert f"| Method | {title} |" in section and f"| SeMo | {cell}" in section
        assert "not run: too few clips" in section or tier == "bundled"
        assert "| Method | FID ↓ | PSNR ↑ | L1 ↓ |" in section, "the paper's block keeps its own columns"


def test_a_missing_network_is_the_reason_in_its_cells(tree):
    made = complete_run(tree.results) | {"tier": "reference"}
    side = tree.results / "metrics" / "reconstruct" / ROLES["hdtf"] / "semo.json"
    reason = "the network inception-2015-12-05 is not on this machine: run `semo fetch inception-2015-12-05`"
    side.write_text(json.dumps(json.loads(side.read_text()) | {"not_run": {"fid": reason}}))
    section = table_section(page(build(tree(made)), tree(made)), 2)
    assert "| SeMo | not run<sup>a</sup> |" in section and "is not on this machine: run \\`semo fetch" in section


def test_lower_is_better_for_l1(tree):
    inputs = tree(complete_run(tree.results))
    section = table_section(page(build(inputs), inputs), 2)
    assert "L1 ×1000 ↓" in section and "PSNR ↑" in section
    assert "| L1 ↓ |" in section, "the paper's L1 has a scale of its own"


def test_released_rows_stand_apart(tree):
    inputs = tree(complete_run(tree.results))
    (tree.definitions / "released" / "ablations.tsv").write_text(RELEASED)
    section = table_section(page(build(inputs), inputs), 5)
    assert "T1D4 (released) | 24.25<br><sub>± 0.25</sub>" in section
    assert f"T1D512 (released) | **26.00**<br><sub>[25.00,{NO_BREAK}27.00]</sub>" in section
    assert section.index("**This run**") < section.index("Long run (released)") < section.index("Paper, their data")
    this_run = section.split("Long run")[0]
    assert "26.00" not in this_run


def test_videos_made_elsewhere_become_a_row(tree):
    made = complete_run(tree.results)
    measured(tree.results, "reconstruct", ROLES["hdtf"], "their-method", level=2.5, plugin="external")
    measured(tree.results, "reconstruct", ROLES["hdtf"], "leftover", level=9.0)
    inputs = tree(made)
    section = table_section(page(build(inputs), inputs), 2)
    assert "| their-method |" in section
    assert "leftover" not in section, "a row of an earlier plan is not shown"


def test_a_busy_machine_does_not_change_the_verdict(tree):
    made = complete_run(tree.results)
    for dataset in ROLES.values():
        measured(tree.results, "talk", dataset, "semo", seconds=600.0, cpu_seconds=6.0)
    inputs = tree(made)
    assert "4 × 16 | yes |" in table_section(page(build(inputs), inputs), 1)
    for dataset in ROLES.values():
        measured(tree.results, "talk", dataset, "semo", seconds=600.0, cpu_seconds=6.0, threads=4)
    inputs = tree(made)
    assert "4 × 16 | no |" in table_section(page(build(inputs), inputs), 1), "threads wait for each other: wall time"


def test_speed_page(tree, tmp_path):
    write_page(tree(complete_run(tree.results)), tmp_path / "tables.md", ROOT)
    speed = (tmp_path / "speed.md").read_text()
    assert re.search(r"\| talk \| SeMo \| 100\.0 \| 120\.0 \| 1 \| yes \|", speed)
    assert "| semo | stage1 | 3,000 | 60 | 100 |" in speed


def test_every_figure_is_on_the_page(tree):
    from semo.report.figures import names

    inputs = tree(complete_run(tree.results))
    text = page(build(inputs), inputs)
    assert all(f"(figures/{name}.png)" in text for name in names())


def test_escaping():
    assert escape("a|b *c* _d_ <e>\n`f`") == r"a\|b \*c\* \_d\_ &lt;e&gt; \`f\`"
    notes = Notes()
    assert [notes.letter(reason) for reason in ("x|y", "r", "x|y")] == ["a", "b", "a"]
    assert notes.lines() == [r"- <sup>a</sup> not run: x\|y", "- <sup>b</sup> not run: r"]


def test_counts_that_a_column_shares_stand_in_its_head():
    alike = [Cell(value=1.0, clips=3, people=2), Cell(value=2.0, clips=3, people=2), Cell(reason="failed")]
    assert shared_counts(alike) == "n 3/2"
    assert shared_counts([*alike, Cell(value=1.0, clips=2, people=2)]) == ""
    column, notes = Column("psnr", "reconstruct"), Notes()
    assert counted(alike[0], column, notes, "n 3/2") == "1.00"
    assert counted(alike[0], column, notes, "n 4/2") == "1.00<br><sub>n 3/2</sub>"


def test_a_label_cannot_break_the_table(tree):
    made = complete_run(tree.results)
    measured(tree.results, "reconstruct", ROLES["hdtf"], "semo", label="Se|Mo **x**")
    inputs = tree(made)
    section = table_section(page(build(inputs), inputs), 2)
    assert r"| Se\|Mo \*\*x\*\* |" in section


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colums": ["psnr"]}, "unknown key 'colums'"),
        ({"columns": ["pnsr"]}, "no column 'pnsr'"),
        ({"kind": "other"}, "kind must be one of"),
    ],
)
def test_wrong_definitions(tmp_path, change, message):
    path = tmp_path / "table9.yaml"
    good = {"number": 9, "title": "t", "kind": "methods", "task": "reconstruct", "columns": ["psnr"]}
    path.write_text(yaml.safe_dump(good | change))
    with pytest.raises(ReportError, match=message):
        load_table(path)


def test_wrong_inputs(tmp_path, capsys):
    (tmp_path / "ragged.tsv").write_text("a\tb\n1\n")
    with pytest.raises(ReportError, match="line 2: 1 cells"):
        read_tsv(tmp_path / "ragged.tsv")
    (tmp_path / "config.yaml").write_text("scale: mini\n")
    code = main(
        ["page", "--config", str(tmp_path / "config.yaml"), "--results", str(tmp_path), "--out", str(tmp_path / "t.md")]
    )
    assert code == 1 and "`datasets` is missing" in capsys.readouterr().err
    assert not (tmp_path / "t.md").exists()


def test_metrics_without_their_record(tree):
    inputs = tree(complete_run(tree.results))
    (tree.results / "metrics/reconstruct/mini-broadcast/semo.json").unlink()
    with pytest.raises(ReportError, match=r"semo\.json is missing"):
        build(inputs)


def test_release_and_show(tree, tmp_path):
    """What `release` writes is what the tables read."""
    made = complete_run(tree.results)
    for task in ("reconstruct", "cross"):
        measured(tree.results, task, ROLES["hdtf"], "ablation-T1D4-seed1", 1.5)
    made["methods"]["ablation-T1D4-seed1"] = {"plugin": "semo", "tasks": ["reconstruct", "cross"]}
    tree(made)
    out = tree.definitions / "released" / "ablations.tsv"
    arguments = ["--config", str(tmp_path / "config.yaml"), "--results", str(tree.results), "--out", str(out)]
    assert main(["release", *arguments]) == 0
    seeds = {(line["run"], line["seed"]) for line in read_tsv(out)}
    assert ("T1D4", "0") in seeds and ("T1D4", "1") in seeds
    inputs = tree(made)
    section = table_section(page(build(inputs), inputs), 5)
    assert "T1D4 (released) | 21.15<br><sub>± 0.25</sub>" in section
    assert "800 steps, 2 seeds" in section


# ---- the definitions and the paper's numbers kept in git


def test_paper_numbers_join_definitions():
    tables = load_tables(ROOT / "reports/tables")
    assert [table.number for table in tables] == [1, 2, 3, 4, 5, 6, 7]
    runs = {a.run for a in load_ablations(ROOT / "workflow/config/ablations.tsv")}
    for table in tables:
        paper = load_paper(ROOT / "reports/paper", table)
        assert paper, table.name
        for line in paper:
            assert all(line.values())
            assert table.kind != "ablations" or line["row"] in runs
            for column in table.columns:
                assert column.ours or line[column.metric]


def test_paper_numbers_as_printed():
    """Spot checks against the paper, and the cells that three tables share."""
    rows = {n: read_tsv(ROOT / f"reports/paper/table{n}.tsv") for n in range(1, 8)}
    assert {n: len(r) for n, r in rows.items()} == {1: 6, 2: 18, 3: 6, 4: 6, 5: 7, 6: 4, 7: 2}
    tpsmm = next(r for r in rows[2] if (r["row"], r["role"]) == ("tpsmm", "mead"))
    assert (tpsmm["fvd"], tpsmm["psnr"], tpsmm["l1"]) == ("136.651", "34.805", "69.224")
    ours = next(r for r in rows[4] if r["row"] == "semo")
    assert (ours["fid"], ours["sync_c"], ours["sync_d"]) == ("26.860", "6.147", "8.574")
    shared = [next(r for r in rows[n] if r["row"] == "T1D512") for n in (5, 6, 7)]
    for metric in ("fid", "fvd", "lpips", "psnr", "ssim"):
        assert len({float(r[metric]) for r in shared}) == 1
    assert {r["row"]: r["fid"] for r in rows[7]} == {"T1D512": "21.431", "T1D512-nomask": "21.326"}


def test_results_read_what_is_there(tmp_path):
    complete_run(tmp_path)
    results = Results(config({"semo": ("reconstruct",)}), tmp_path)
    assert results.measured("reconstruct", ROLES["hdtf"], "absent") is None
    assert [(t.run, t.stage) for t in results.training][:3] == [
        ("semo", "stage1"),
        ("semo", "stage1b"),
        ("semo", "stage2"),
    ]
    assert results.training[0].last("motion_use_db") == 1.25 and results.training[2].last("motion_use_db") is None


def test_rivals_at_toy_size_are_not_the_published_models(tree):
    """They stand in the paper's order under their own names; the page says what they are and where they fall short."""
    rivals, tasks = {"lia": "LIA-mini", "fomm": "FOMM-mini"}, ("reconstruct", "cross")
    for method, level in (("copy-reference", 0.0), ("lia", -0.5), ("fomm", 1.0), ("semo", 2.0)):
        named = {"label": rivals[method]} if method in rivals else {}
        for dataset in ROLES.values():
            measured(tree.results, "reconstruct", dataset, method, level, **named)
    for run, stage, use in (("fomm", "mini", 3.0), ("lia", "mini", 0.1), ("semo", "stage1", 1.0)):
        trained(tree.results, run, stage, 100, use)
        record = {"steps": 100, "batch": 32 if run == "semo" else 8, "perceptual": "corpus network (bundled)"}
        (tree.results / "train" / run / stage / "config.json").write_text(json.dumps(record))
    inputs = tree(config({"copy-reference": tasks, **dict.fromkeys(rivals, tasks), "semo": tasks}))
    text = " ".join(table_section(page(build(inputs), inputs), 2).split())
    assert text.index("| FOMM-mini |") < text.index("| LIA-mini |") < text.index("| SeMo |")
    assert "FOMM-mini: the architecture at toy size, trained in this run; not run here: the published FOMM." in text
    assert "each on 800 pairs of frames; SeMo's first stage alone saw 3,200. Network of their perceptual loss:" in text
    assert "corpus network (bundled), which FD-corpus and PD-corpus are measured with as well" in text
    assert "LIA-mini hardly uses the driving frame after so few pairs: motion of other clips costs it +0.10 dB" in text
    assert "LIA-mini is no better than copy-reference on the moving pixels of mini-broadcast" in text
    assert "FOMM-mini is no better" not in text and "FOMM-mini hardly" not in text
