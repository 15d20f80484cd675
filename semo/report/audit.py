"""The paper's own numbers held against each other: what they say together, with the arithmetic.

Reads `reports/paper/*.tsv` alone; every sentence is computed from those cells. A check that finds nothing is silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

from semo.metrics import metric
from semo.report.definitions import ROLE_NAMES, Table, load_paper, load_tables, read_tsv
from semo.report.markdown import escape, grid
from semo.stats import kendall_tau

OURS = "semo"
NAMED = ("row", "method", "role")
SAME = 3  # equal cells, besides the one that differs, from which on two rows are the same model on the same data
PARTICIPANTS, VIDEOS = 20, 20  # section 4.2
ABSTRACT_FID = {"semo": "26.8", "hallo2": "27.4"}  # the abstract's and the introduction's "26.8 against 27.4"


@dataclass(frozen=True)
class Printed:
    """One row of one of the paper's tables: cells by metric, as printed."""

    table: int
    row: str
    label: str
    role: str
    cells: dict[str, str]

    def __getitem__(self, name: str) -> float:
        return float(self.cells[name])

    @property
    def place(self) -> str:
        return f"Table {self.table}, {self.label}"


@dataclass(frozen=True)
class Finding:
    """A title, and Markdown lines below it."""

    title: str
    lines: list[str]


def write_audit(definitions: Path) -> str:
    """The page `audit.md`: all findings from `definitions`/paper, in the order of `CHECKS`."""
    rows = printed_rows(definitions)
    study = definitions / "paper" / "figure8.tsv"
    findings = [finding for check in CHECKS if (finding := check(rows))]
    if study.is_file() and (finding := study_shares(read_tsv(study))):
        findings.append(finding)
    lines = [
        "# The paper's numbers held against each other",
        "",
        "Computed by `python -m semo.report audit` from the cells of `reports/paper/`, which are the paper's as"
        " printed. It says what these numbers imply, not why: where one cell alone stands out, a copying slip is"
        " likely.",
        "",
    ]
    for number, finding in enumerate(findings, 1):
        lines += [f"## {number}. {finding.title}", "", *finding.lines, ""]
    return "\n".join(lines)


def printed_rows(definitions: Path) -> list[Printed]:
    """Every row with numbers of the paper's tables."""
    rows = []
    for table in load_tables(definitions / "tables"):
        rows += [_printed(table, row) for row in load_paper(definitions / "paper", table) if "role" in row]
    return rows


def _printed(table: Table, row: dict[str, str]) -> Printed:
    cells = {name: cell for name, cell in row.items() if name not in NAMED and cell}
    return Printed(table.number, row["row"], row["method"], row["role"], cells)


def one_model_two_values(rows: list[Printed]) -> Finding | None:
    """Rows of several tables that agree in all metrics but one are one model; the one has two values."""
    found: dict[tuple[str, ...], list[Printed]] = {}
    sentences = {}
    for first, second in combinations(rows, 2):
        if first.table == second.table or first.role != second.role:
            continue
        shared = [name for name in first.cells if name in second.cells]
        differing = [name for name in shared if first[name] != second[name]]
        if len(differing) != 1 or len(shared) - 1 < SAME:
            continue
        name = differing[0]
        key = (first.place, name, first.cells[name], second.cells[name])
        found.setdefault(key, []).append(second)
        equal = ", ".join(f"{_label(other)} {first.cells[other]}" for other in shared if other != name)
        sentences[key] = (
            f"({_data(first)}) have the same {equal}, but {_label(name)} **{first.cells[name]}** and "
            f"**{second.cells[name]}**. {_rank_with(first, second[name], name, rows)}"
        )
    lines = [f"- {key[0]} and {'; '.join(row.place for row in found[key])} {text}" for key, text in sentences.items()]
    return Finding("The same model with two values of one metric", lines) if lines else None


def _rank_with(row: Printed, value: float, name: str, rows: list[Printed]) -> str:
    """Where the row would stand in its own table with the other table's value."""
    others = [r for r in rows if (r.table, r.role) == (row.table, row.role) and r is not row and name in r.cells]
    better = [r for r in others if _better(r[name], value, name)]
    before = [r for r in others if _better(r[name], row[name], name)]
    names = ", ".join(f"{r.label} ({r.cells[name]})" for r in better)
    rank = f"With the second value it ranks {len(better) + 1} of {len(others) + 1} in Table {row.table}"
    return f"{rank}, not {len(before) + 1}: behind {names}." if len(better) != len(before) else f"{rank} either way."


def not_best(rows: list[Printed]) -> Finding | None:
    """Columns of the comparisons in which SeMo does not lead."""
    cells, columns = [], 0
    for own in (row for row in rows if row.row == OURS):
        rivals = [r for r in rows if (r.table, r.role) == (own.table, own.role) and r is not own]
        for name in own.cells:
            columns += 1
            ahead = [r for r in rivals if name in r.cells and _better(r[name], own[name], name)]
            if ahead:
                leaders = ", ".join(f"{escape(r.label)} {r.cells[name]}" for r in ahead)
                cells.append([str(own.table), _data(own), _label(name), own.cells[name], leaders])
    if not cells:
        return None
    text = f"The text says that SeMo outperforms the others; in {len(cells)} of {columns} columns it does not lead."
    header = ["Table", "Data", "Metric", "SeMo", "Better"]
    return Finding("Where SeMo is not best", [text, "", *grid(header, cells, numbers=False)])


def l1_against_psnr(rows: list[Printed]) -> Finding | None:
    """A mean absolute error cannot exceed the root mean square error, which PSNR gives; no scale of L1 fits."""
    having = [row for row in rows if {"psnr", "l1"} <= row.cells.keys()]
    if not having:
        return None
    cells = []
    for row in having:
        bound = 10 ** (-row["psnr"] / 20)
        scale = row["l1"] / bound
        cells.append(
            [_data(row), escape(row.label), row.cells["psnr"], f"{bound:.4f}", row.cells["l1"], f"{scale:.0f}"]
        )
    least = max(row["l1"] / 10 ** (-row["psnr"] / 20) for row in having)
    lines = [
        "L1 is a mean absolute error, PSNR gives the root mean square error of pixels in [0, 1]:"
        " RMSE = 10^(-PSNR/20), and L1 ≤ RMSE whatever the pictures are. So pixels would have to range over at least"
        f" L1 / RMSE, up to {least:.0f}"
        + (": more than 255, and than 765, the sum of three colours. " if least > 765 else ". ")
        + "(PSNR averaged over frames lies a little above that of the mean error, not by such factors.)",
        "",
        *grid(["Data", "Method", "PSNR", "RMSE", "L1 printed", "L1 / RMSE"], cells),
        "",
    ]
    for role in dict.fromkeys(row.role for row in having):
        of_role = {row.label: row for row in having if row.role == role}
        agreement = kendall_tau(
            {label: row["psnr"] for label, row in of_role.items()},
            {label: -row["l1"] for label, row in of_role.items()},
        )
        if agreement:
            name = ROLE_NAMES.get(role, role)
            lines.append(f"- {name}: the rankings by PSNR and by L1 agree with Kendall's τ {agreement[0]:+.2f}.")
    return Finding("L1 follows PSNR on no scale", lines)


def abstract_fid(rows: list[Printed]) -> Finding | None:
    """Which cells the abstract's two FID values are, and who leads the rest of that table."""
    found = {
        name: [r for r in rows if r.row == name and r.cells.get("fid", "").startswith(start)]
        for name, start in ABSTRACT_FID.items()
    }
    pairs = [(a, b) for a in found[OURS] for b in found["hallo2"] if (a.table, a.role) == (b.table, b.role)]
    if not pairs:
        return None
    own, other = pairs[0]
    lines = [
        f"The abstract's FID of {ABSTRACT_FID[OURS]} against {ABSTRACT_FID['hallo2']} is Table {own.table}, "
        f"{_data(own)} alone ({own.cells['fid']} and {other.cells['fid']}, {escape(other.label)})"
        + (f"; {own.cells['fid']} rounds to {own['fid']:.1f}." if f"{own['fid']:.1f}" != ABSTRACT_FID[OURS] else ".")
    ]
    leads = [name for name in own.cells if name in other.cells and _better(other[name], own[name], name)]
    if leads:
        told = ", ".join(f"{_label(name)} ({other.cells[name]} against {own.cells[name]})" for name in leads)
        lines.append(f"In that table {escape(other.label)} leads in {told}.")
    return Finding("The FID of the abstract", lines)


def saturation(rows: list[Printed]) -> Finding | None:
    """Ablations read as saturating: every step of the column, and its direction."""
    lines = []
    for number in sorted({row.table for row in rows if row.row.startswith("T1D") and row.cells.get("psnr")}):
        sizes = {
            int(r.row[3:]): r for r in rows if r.table == number and r.row.startswith("T1D") and r.row[3:].isdigit()
        }
        if len(sizes) < 3:
            continue
        ordered = [sizes[size] for size in sorted(sizes)]
        steps = [f"{a.label} → {b.label} {b['psnr'] - a['psnr']:+.3f} dB" for a, b in pairwise(ordered)]
        always = all(
            _better(b[name], a[name], name) or b[name] == a[name]
            for name in ordered[0].cells
            for a, b in pairwise(ordered)
        )
        lines.append(
            f"- Table {number}, PSNR: {'; '.join(steps)}. "
            + ("Every metric improves with every step: no saturation is shown. " if always else "")
            + "Each row is a single run, so steps of this size cannot be told from the luck of a seed."
        )
    return Finding("Does the motion dimension saturate?", lines) if lines else None


def masking(rows: list[Printed]) -> Finding | None:
    """The ablation of masking, metric by metric."""
    masked = next((r for r in rows if r.table == 7 and r.row == "T1D512"), None)
    plain = next((r for r in rows if r.table == 7 and r.row == "T1D512-nomask"), None)
    if not masked or not plain:
        return None
    better = {
        r.label: [n for n in masked.cells if _better(r[n], o[n], n)] for r, o in ((masked, plain), (plain, masked))
    }
    lines = [
        f"- better {escape(label)}: "
        + ", ".join(f"{_label(n)} ({masked.cells[n]} with, {plain.cells[n]} without)" for n in names)
        for label, names in better.items()
        if names
    ]
    lines += [
        "",
        "The case for masking is a figure of another person's motion, without a number; our column PSNR cross is one.",
    ]
    return Finding("Masking in Table 7", lines)


def study_shares(rows: list[dict[str, str]]) -> Finding | None:
    """Sums and intervals of the user study's shares."""
    from scipy.stats import binomtest

    answers = PARTICIPANTS * VIDEOS
    cells = []
    for aspect in dict.fromkeys(row["aspect"] for row in rows):
        shares = [float(row["share"]) for row in rows if row["aspect"] == aspect]
        spans = []
        for share in shares:
            many, few = (binomtest(round(share * n), n).proportion_ci(method="wilson") for n in (answers, PARTICIPANTS))
            spans.append((share, f"{many.low:.2f}–{many.high:.2f}", f"{few.low:.2f}–{few.high:.2f}"))
        cells.append([
            aspect,
            ", ".join(f"{share:.2f}" for share, _, _ in spans),
            f"{sum(shares):.2f}",
            ", ".join(span for _, span, _ in spans),
            ", ".join(span for _, _, span in spans),
        ])  # fmt: skip
    if not cells:
        return None
    header = ["Aspect", "Shares printed", "Sum", f"95 % interval, {answers} answers", f"{PARTICIPANTS} answers"]
    return Finding(
        "The user study of Figure 8",
        [
            f"{PARTICIPANTS} people chose the best for {VIDEOS} videos; the abstract's 81 % are realism alone. Where"
            " the sum is below 1 the rest would be the legend's “Other”. The first intervals (Wilson) take all answers"
            " as independent, the second only people: the truth lies between. Bars with overlapping intervals are not"
            " told apart.",
            "",
            *grid(header, cells, numbers=False),
        ],
    )


CHECKS: tuple[Callable[[list[Printed]], Finding | None], ...] = (
    one_model_two_values,
    not_best,
    l1_against_psnr,
    abstract_fid,
    saturation,
    masking,
)


def _better(a: float, b: float, name: str) -> bool:
    return a > b if metric(name).better == "higher" else a < b


def _label(name: str) -> str:
    return metric(name).title


def _data(row: Printed) -> str:
    return ROLE_NAMES.get(row.role, row.role)
