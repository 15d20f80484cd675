"""Fetch or check one data set or network; DVC and Snakemake call the same line.

    python data/fetch.py portraits-mini-street      checks the shipped files against their sha256
    python data/fetch.py hdtf                       fetches what is not here yet (semo/corpora)
    python data/fetch.py --weight yunet             finds it in a mirror folder or downloads it

Writes `fetched.json` beside the files once everything is right; otherwise one sentence and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from semo.corpora import Options, recipe
from semo.datasets import DATASETS_FILE, PROJECT, Dataset, candidates, read_dataset
from semo.errors import DatasetError, MediaError
from semo.prepare import file_sha256
from semo.progress import progress
from semo.registry import STORE, WEIGHTS_FILE, fetch_weight, locate, read_weight
from semo.video_writer import replaced_when_complete

NOTHING_SPECIAL = Options()


def check_dataset(dataset: Dataset, out: Path, options: Options = NOTHING_SPECIAL) -> dict:
    """Fetch a data set, or check that it is here and whole; record it in `out/<id>/fetched.json`.

    Raises DatasetError.
    """
    if dataset.source == "fetched" and not dataset.enabled:
        raise DatasetError(f"data set {dataset.id} is not enabled: it would be fetched from {dataset.page} into "
                           f"{dataset.path} ({dataset.licence}); set enabled: true in workflow/config/datasets.yaml")
    if dataset.source == "restricted" and not dataset.enabled:
        raise DatasetError(f"data set {dataset.id} may not be passed on: obtain it from {dataset.page} under its terms "
                           f"({dataset.licence}), place its videos in {dataset.path}, and set enabled: true in "
                           "workflow/config/datasets.yaml")
    obtained = recipe(dataset.recipe).obtain(dataset, out / dataset.id, options) if dataset.recipe else {}
    found, pairs, refused = candidates(dataset)
    if dataset.source == "shipped":
        with progress(len(found) + len(pairs), "files", f"check {dataset.id}") as bar:
            for item in (*found, *pairs):
                if not item.file.is_file():
                    raise DatasetError(f"{item.file}: the shipped file is missing; restore it with git")
                expected = getattr(item, "sha256", None)
                if expected and file_sha256(item.file) != expected:
                    raise DatasetError(f"{item.file}: differs from the shipped file; restore it with git")
                bar.advance()
    record = {"dataset": dataset.id, "source": dataset.source, "licence": dataset.licence, "clips": len(found),
              "pairs": len(pairs), "refused": len(refused), "splits": dataset.splits, **obtained}
    with replaced_when_complete(out / dataset.id / "fetched.json") as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n")
    (out / dataset.id / "absent.json").unlink(missing_ok=True)
    return record


def note_absence(out: Path, name: str, reason: str) -> None:
    """Record in `out/<name>/absent.json` that something optional is not here, so that DVC's stage has its folder."""
    (out / name).mkdir(parents=True, exist_ok=True)
    with replaced_when_complete(out / name / "absent.json") as partial:
        partial.write_text(json.dumps({"name": name, "reason": reason}, indent=1) + "\n")
    print(f"{name}: {reason}")


def at_hand(options: argparse.Namespace) -> bool:
    """Whether the network lies in the store or a mirror folder; an unknown name is an error all the same."""
    read_weight(options.weight, options.weights)
    try:
        return bool(locate(options.weight, options.weights_dir, options.weights, options.out or STORE))
    except DatasetError:
        return False


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Fetch or check a data set or a network.")
    parser.add_argument("dataset", nargs="?", help="entry of datasets.yaml")
    parser.add_argument("--weight", help="entry of weights.yaml")
    parser.add_argument("--path", help="folder of the data set; overrides its entry and enables it")
    parser.add_argument("--weights-dir", type=Path, help="mirror folder with networks, searched before downloading")
    parser.add_argument("--datasets", type=Path, default=DATASETS_FILE, help="table of data sets")
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FILE, help="table of networks")
    parser.add_argument("--out", type=Path, help="folder for what is fetched (data/raw or data/weights)")
    parser.add_argument("--retry", action="store_true", help="try again what an earlier run found to be gone")
    parser.add_argument("--accept-missing", action="store_true",
                        help="what cannot be downloaded this time is recorded as unavailable and done without")
    parser.add_argument("--if-enabled", action="store_true",
                        help="leave a note instead of an error for a data set that is not enabled, and for a network "
                             "that no folder has: nothing is downloaded")
    options = parser.parse_args(arguments)
    if (options.dataset is None) == (options.weight is None):
        parser.error("name one data set, or one network by --weight")
    try:
        if options.weight:
            if options.if_enabled and not at_hand(options):
                return note_absence(options.out or STORE, options.weight, "not on this machine, fetched when needed")
            folder = fetch_weight(options.weight, options.weights_dir, options.weights, options.out or STORE)
            (folder / "absent.json").unlink(missing_ok=True)
            print(f"{options.weight}: complete in {folder}")
        else:
            dataset = read_dataset(options.dataset, options.datasets, options.path)
            if options.if_enabled and not dataset.enabled:
                return note_absence(options.out or PROJECT / "data" / "raw", dataset.id, "not enabled")
            record = check_dataset(dataset, options.out or PROJECT / "data" / "raw",
                                   Options(options.retry, options.accept_missing))
            gone = f", {record['unavailable']} videos unavailable" if record.get("unavailable") else ""
            print(f"{dataset.id}: {record['clips']} clips, {record['pairs']} cross pairs{gone}")
    except (DatasetError, MediaError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(f"error: {error.filename or options.out}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
