"""The audit finds what is inconsistent in the paper's tables, and is silent where tables agree."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from semo.report import audit
from semo.report.__main__ import main
from semo.report.audit import printed_rows, write_audit

REPORTS = Path(__file__).resolve().parents[2] / "reports"
TABLE2 = ["row\tmethod\trole\tfid\tfvd\tlpips\tpsnr\tssim\tl1", "fomm\tFOMM\thdtf\t20\t200\t0.06\t20\t0.80\t90"]


@pytest.fixture
def definitions(tmp_path: Path) -> Path:
    """The project's table definitions beside a paper without inconsistencies."""
    shutil.copytree(REPORTS / "tables", tmp_path / "tables")
    (tmp_path / "paper").mkdir()
    return tmp_path


def write(definitions: Path, number: int, *lines: str) -> None:
    (definitions / "paper" / f"table{number}.tsv").write_text("\n".join(lines) + "\n")


def test_the_papers_findings_are_those_of_its_cells():
    text = write_audit(REPORTS)
    for sentence in (
        "SSIM **0.912** and **0.871**. With the second value it ranks 3 of 6 in Table 2, not 1: behind MRAA (0.891), "
        "TPSMM (0.901).",
        "in 7 of 30 columns it does not lead",
        "| 2 | HDTF | PSNR | 29.12 | MRAA 29.411, TPSMM 29.51 |",
        "| MEAD | TPSMM | 34.805 | 0.0182 | 69.224 | 3806 |",
        "26.860 rounds to 26.9",
        "T1D512 → T1D768 +0.265 dB",
        "better w/o mask: FID (21.431 with, 21.326 without), FVD",
        "| lip-sync | 0.35, 0.32, 0.31 | 0.98 |",
    ):
        assert sentence in text, sentence


def test_committed_page_is_current():
    assert (REPORTS / "audit.md").read_text() == write_audit(REPORTS)


def test_consistent_tables_have_no_finding(definitions):
    own = "semo\tSeMo (Ours)\thdtf\t10\t100\t0.03\t30\t0.90\t0.02"
    write(definitions, 2, *TABLE2, own)
    write(
        definitions,
        6,
        "row\tmethod\trole\tfid\tfvd\tlpips\tpsnr\tssim",
        "T1D512\tT1D512\thdtf\t10\t100\t0.03\t30.0\t0.90",
    )
    rows = printed_rows(definitions)
    for check in (audit.one_model_two_values, audit.not_best, audit.abstract_fid, audit.saturation, audit.masking):
        assert check(rows) is None, check.__name__


def test_rank_either_way(definitions):
    write(definitions, 2, *TABLE2, "semo\tSeMo (Ours)\thdtf\t10\t100\t0.03\t30\t0.92\t0.02")
    write(
        definitions,
        6,
        "row\tmethod\trole\tfid\tfvd\tlpips\tpsnr\tssim",
        "T1D512\tT1D512\thdtf\t10\t100\t0.03\t30\t0.91",
    )
    finding = audit.one_model_two_values(printed_rows(definitions))
    assert finding is not None and "ranks 1 of 2 in Table 2 either way" in finding.lines[0]


def test_markup_in_names_is_escaped(definitions):
    write(
        definitions,
        2,
        *TABLE2,
        "semo\tSeMo (Ours)\thdtf\t30\t100\t0.03\t30\t0.90\t0.02",
    )
    write(definitions, 2, TABLE2[0], "fomm\t<b>*FOMM*\thdtf\t20\t200\t0.06\t20\t0.80\t90",
          "semo\tSeMo\thdtf\t30\t100\t0.03\t30\t0.90\t0.02")  # fmt: skip
    assert "&lt;b&gt;\\*FOMM\\* 20" in write_audit(definitions)


def test_command_writes_the_page(tmp_path, capsys):
    assert main(["audit", "--out", str(tmp_path / "audit.md")]) == 0
    assert (tmp_path / "audit.md").read_text().startswith("# The paper's numbers")
