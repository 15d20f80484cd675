"""`python -m semo.report tables | figures | release`: turn a results folder into what people read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from semo.report.definitions import ReportError
from semo.report.tables import Inputs, load_inputs, write_tables

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        inputs = load_inputs(args.config, args.results, args.definitions, args.ablations)
        print(_do(args, inputs))
    except (ReportError, OSError) as error:
        print(f"semo.report: {error}", file=sys.stderr)
        return 1
    return 0


def _do(args: argparse.Namespace, inputs: Inputs) -> str:
    if args.command == "tables":
        paths = write_tables(inputs, args.out, ROOT)
        return f"{len(paths)} files written; read {args.out / 'tables.md'}"
    if args.command == "release":
        from semo.report.released import release

        return f"{release(inputs.results, args.out, ROOT)} values -> {args.out}"
    from semo.report.figures import draw

    drawn = draw(inputs, args.out / "figures", args.only)
    return f"{len(drawn)} figures in {args.out / 'figures'}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m semo.report", description=(__doc__ or "").split(":", 1)[1].strip())
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("tables", "tables.md, speed.md, results/tables/"),
        ("figures", "figures/*.png"),
        ("release", "freeze the ablation runs of a long run as TSV"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--config", type=Path, required=True, help="resolved config (YAML)")
        command.add_argument("--results", type=Path, default=Path("results"))
        command.add_argument("--out", type=Path, required=True, help="file.tsv" if name == "release" else "folder")
        command.add_argument("--definitions", type=Path, default=ROOT / "reports", help="tables/, paper/, released/")
        command.add_argument("--ablations", type=Path, default=ROOT / "workflow/config/ablations.tsv")
        if name == "figures":
            command.add_argument("--only", nargs="+", metavar="NAME", help="some figures instead of all")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
