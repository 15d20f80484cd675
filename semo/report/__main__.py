"""`python -m semo.report table | figure | page | release | audit`: turn a results folder into what people read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from semo.report.audit import write_audit
from semo.report.definitions import ReportError, load_table
from semo.report.tables import Inputs, load_inputs, write_page, write_table, write_text

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        if args.command == "audit":
            write_text(args.out, write_audit(args.definitions))
            print(f"written: {args.out}")
            return 0
        inputs = load_inputs(args.config, args.results, args.definitions, args.ablations)
        print(_do(args, inputs))
    except (ReportError, OSError) as error:
        print(f"semo.report: {error}", file=sys.stderr)
        return 1
    return 0


def _do(args: argparse.Namespace, inputs: Inputs) -> str:
    if args.command == "table":
        return f"{write_table(load_table(args.definition), inputs, args.out)} cells -> {args.out}"
    if args.command == "page":
        return "written: " + ", ".join(str(path) for path in write_page(inputs, args.out, ROOT))
    if args.command == "release":
        from semo.report.released import release

        return f"{release(inputs.results, args.out, ROOT)} values -> {args.out}"
    from semo.report.figures import draw

    draw(args.name, inputs, args.out)
    return f"figure -> {args.out}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m semo.report", description=(__doc__ or "").split(":", 1)[1].strip())
    commands = parser.add_subparsers(dest="command", required=True)
    for name, out, text in (
        ("table", "table.tsv", "one table as tidy TSV"),
        ("figure", "figure.png", "one figure"),
        ("page", "tables.md", "all tables as Markdown; speed.md beside it; summary.json and speed.tsv in the results"),
        ("release", "file.tsv", "freeze the ablation runs of a long run; provenance beside it"),
    ):
        command = commands.add_parser(name, help=text)
        if name == "figure":
            command.add_argument("name", help="a file of semo/report/figures/")
        if name == "table":
            command.add_argument("--definition", type=Path, required=True, help="a file of reports/tables/")
        command.add_argument("--config", type=Path, required=True, help="resolved config (YAML or JSON)")
        command.add_argument("--results", type=Path, default=Path("results"))
        command.add_argument("--out", type=Path, required=True, metavar=out)
        command.add_argument("--definitions", type=Path, default=ROOT / "reports", help="tables/, paper/, released/")
        command.add_argument("--ablations", type=Path, default=ROOT / "workflow/config/ablations.tsv")
    audit = commands.add_parser("audit", help="the paper's own numbers held against each other")
    audit.add_argument("--out", type=Path, required=True, metavar="audit.md")
    audit.add_argument("--definitions", type=Path, default=ROOT / "reports", help="tables/, paper/")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
