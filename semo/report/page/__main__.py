"""`python -m semo.report.page`: write the report page of one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from semo.errors import WriteError
from semo.report.definitions import ReportError
from semo.report.page.write import write_page
from semo.report.tables import load_inputs

ROOT = Path(__file__).resolve().parents[3]


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        inputs = load_inputs(args.config, args.results, args.definitions, args.ablations)
        written = write_page(inputs, args.out, ROOT, args.rules)
    except (ReportError, WriteError, OSError) as error:
        print(f"semo.report.page: {error}", file=sys.stderr)
        return 1
    print(f"{written.tables} tables, {written.videos} videos, {written.megabytes:.1f} MB -> {args.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m semo.report.page", description="Write the report page of one run.")
    parser.add_argument("--config", type=Path, required=True, help="resolved config (YAML or JSON)")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--rules", type=Path, help="graph of the workflow's rules (`snakemake --rulegraph dot`)")
    parser.add_argument("--out", type=Path, required=True, metavar="index.html", help="page/ is written beside it")
    parser.add_argument("--definitions", type=Path, default=ROOT / "reports", help="tables/, paper/, released/")
    parser.add_argument("--ablations", type=Path, default=ROOT / "workflow/config/ablations.tsv")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
