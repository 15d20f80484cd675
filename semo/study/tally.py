"""Counts the answers of a study: win rates with intervals, and how much raters agree."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from semo.errors import DatasetError
from semo.stats import Estimate, estimate
from semo.study import DIMENSIONS
from semo.study.design import BROKEN

TELLING = ("realism", "overall")  # questions in which nobody who looks prefers the spoilt video
SIDES = ("left", "right")


@dataclass(frozen=True)
class Answer:
    """One comparison by one rater: who won `dimension` on `clip`."""

    rater: str
    clip: str
    winner: str
    loser: str
    dimension: str


@dataclass(frozen=True)
class Tally:
    """`wins`: dimension -> method -> share of its comparisons won, people being raters. `agreement`: dimension ->
    Krippendorff's alpha over the comparisons that several raters made, None where there are none, and their number.
    `excluded`: rater -> reason."""

    study: str
    raters: int
    comparisons: int
    excluded: dict[str, str]
    wins: dict[str, dict[str, Estimate]]
    agreement: dict[str, tuple[float | None, int]]

    def as_json(self) -> dict[str, Any]:
        wins = {d: {m: asdict(e) for m, e in methods.items()} for d, methods in self.wins.items()}
        agreement = {d: {"alpha": alpha, "comparisons": items} for d, (alpha, items) in self.agreement.items()}
        facts = {"study": self.study, "raters": self.raters, "comparisons": self.comparisons}
        return facts | {"excluded": self.excluded, "wins": wins, "agreement": agreement}


def tally(files: Sequence[Path], key_file: Path) -> Tally:
    """Read the answers of one study and count them. Raises DatasetError for a file that is not of this study."""
    key = _read(key_file)
    if not {"study", "videos", "forms"} <= key.keys():
        raise DatasetError(f"{key_file}: is not the key of a study; it is written beside the page as NAME.key.json")
    kept: list[Answer] = []
    raters: set[str] = set()
    excluded: dict[str, str] = {}
    for file in files:
        rater, answers, failed = _answers(file, key)
        if rater in raters or rater in excluded:
            excluded.setdefault(f"{rater} ({file.name})", "the same answers were given before")
        elif failed:
            excluded[rater] = failed
        else:
            raters.add(rater)
            kept += answers
    if not kept:
        told = "; ".join(f"{rater}: {reason}" for rater, reason in excluded.items())
        raise DatasetError(f"no answer can be counted{': ' + told if told else ''}")
    wins = {dimension: _wins(kept, dimension) for dimension in DIMENSIONS}
    agreement = {dimension: _agreement(kept, dimension) for dimension in DIMENSIONS}
    return Tally(key["study"], len(raters), len(kept) // len(DIMENSIONS), excluded, wins, agreement)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DatasetError(f"{file}: is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{file}: is not a file of the study's page")
    return content


def _answers(file: Path, key: dict[str, Any]) -> tuple[str, list[Answer], str]:
    """The rater, the comparisons of methods, and why the rater cannot be counted, empty where it can."""
    content = _read(file)
    if content.get("study") != key["study"]:
        raise DatasetError(
            f"{file}: holds answers to the study {content.get('study')!r}, the key is of {key['study']!r}"
        )
    try:
        rater, form = str(content["rater"]), key["forms"][int(content["form"]) - 1]
        answers, checks, wrong = [], 0, 0
        for given in content["answers"]:
            trial = form[given["trial"]]
            shown = {side: key["videos"][given[side]] for side in SIDES}
            if any(shown[side] != {"clip": trial["clip"], "method": trial[side]} for side in SIDES):
                raise ValueError(f"trial {given['trial']} did not show these videos")
            if given["choice"] not in SIDES or given["dimension"] not in DIMENSIONS:
                raise ValueError(f"trial {given['trial']} has no answer that the page can give")
            winner, loser = (trial[side] for side in (SIDES if given["choice"] == "left" else SIDES[::-1]))
            if trial["check"]:
                checks += 1
                wrong += winner == BROKEN and given["dimension"] in TELLING
            else:
                answers.append(Answer(rater, trial["clip"], winner, loser, given["dimension"]))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{file}: is damaged or was changed ({error}); ask for the file as the page saved it"
        ) from error
    if not checks and any(trial["check"] for trial in form):
        return rater, answers, "stopped before the first attention check"
    return rater, answers, f"preferred a spoilt video in {wrong} answers" if wrong else ""


def _wins(answers: Iterable[Answer], dimension: str) -> dict[str, Estimate]:
    outcomes: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for answer in answers:
        if answer.dimension == dimension:
            outcomes[answer.winner].append((1.0, answer.rater))
            outcomes[answer.loser].append((0.0, answer.rater))
    found = {method: estimate(*map(list, zip(*rows, strict=True))) for method, rows in sorted(outcomes.items())}
    return dict(sorted(found.items(), key=lambda item: -item[1].mean))


def _agreement(answers: Iterable[Answer], dimension: str) -> tuple[float | None, int]:
    units: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for answer in answers:
        if answer.dimension == dimension:
            units[answer.clip, *sorted((answer.winner, answer.loser))].append(answer.winner)
    several = {unit: winners for unit, winners in units.items() if len(winners) > 1}
    # which of the two won, in the order of their names: only so is "the first" the same value in all comparisons
    return krippendorff_alpha([[winner == unit[1] for winner in winners] for unit, winners in several.items()]), len(
        several
    )


def krippendorff_alpha(units: Sequence[Sequence[bool]]) -> float | None:
    """Krippendorff's alpha of yes/no judgements: 1 for full agreement, 0 for chance. Each unit has 2 or more.

    None where there is no unit or every judgement is the same, so that chance cannot be told from agreement.
    """
    total = sum(len(unit) for unit in units)
    yes = sum(sum(unit) for unit in units)
    if not total or yes in (0, total):
        return None
    disagreements = sum(2 * sum(unit) * (len(unit) - sum(unit)) / (len(unit) - 1) for unit in units) / total
    expected = 2 * yes * (total - yes) / (total * (total - 1))
    return 1 - disagreements / expected
