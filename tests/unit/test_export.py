"""LaTeX and CSV of tables: what is printed, what is escaped, what cells without a number say."""

from __future__ import annotations

import csv
import io

from semo.report.definitions import Column, Table
from semo.report.export import escape, latex, wide_csv
from semo.report.rows import Block, Cell, Row

PSNR, SSIM = Column("psnr", "reconstruct"), Column("ssim", "reconstruct")
TABLE = Table(2, "Reconstruction & more", "methods", "reconstruct", ("hdtf",), (PSNR, SSIM), {}, "", (), ())
FULL = Cell(29.123456, 28.0, 30.5, clips=30, people=10, best=True)
ABSENT = Cell(reason="weights of A_B are 100% absent")
RUN = Block(
    "run", "hdtf", "portraits-mini-broadcast", (PSNR, SSIM),
    (Row("semo", "SeMo", "scratch", {PSNR: FULL, SSIM: ABSENT}),
     Row("codec", "codec", "bound", {PSNR: Cell(40.0, clips=30, people=10), SSIM: ABSENT})),
)  # fmt: skip
LONG = Block("released", "hdtf", "d", (PSNR,), (Row("a", "T1D4", "long run", {PSNR: Cell(20.0, spread=0.5)}),))
PAPER = Block("paper", "hdtf", "", (PSNR,), (Row("semo", "SeMo (Ours)", "paper", {PSNR: Cell(text="29.12")}),))


def test_latex_prints_values_intervals_and_reasons():
    text = latex(TABLE, [RUN, LONG, PAPER])
    assert r"SeMo & \textbf{29.12} {\scriptsize [28.00, 30.50]} & -- (1) \\" in text
    assert r"\textit{codec} & 40.00 & -- (1) \\" in text
    assert r"(1) not run: weights of A\_B are 100\% absent." in text
    assert r"T1D4 & 20.00 {\scriptsize $\pm$ 0.50} \\" in text
    assert r"SeMo (Ours) & 29.12 \\" in text
    assert r"& PSNR $\uparrow$ & SSIM $\uparrow$ \\" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    assert text.count("{") == text.count("}")
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 3
    assert len({line for line in text.splitlines() if r"\label" in line}) == 3


def test_escape_leaves_no_active_character():
    assert escape("a_b & 5% {x} #1 $y \\ ~^") == (
        r"a\_b \& 5\% \{x\} \#1 \$y \textbackslash{} \textasciitilde{}\textasciicircum{}"
    )


def test_csv_has_one_line_per_row_and_all_columns():
    rows = list(csv.DictReader(io.StringIO(wide_csv([RUN, LONG, PAPER]))))
    assert [row["label"] for row in rows] == ["SeMo", "codec", "T1D4", "SeMo (Ours)"]
    first = rows[0]
    assert float(first["psnr@reconstruct"]) == 29.123456 and first["psnr@reconstruct_people"] == "10"
    assert first["ssim@reconstruct"] == "not run: weights of A_B are 100% absent"
    assert (rows[2]["psnr@reconstruct_low"], rows[2]["psnr@reconstruct_high"]) == ("19.500000", "20.500000")
    assert rows[2]["ssim@reconstruct"] == "" and rows[3]["psnr@reconstruct"] == "29.12"
