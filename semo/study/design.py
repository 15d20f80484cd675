"""Which two videos are shown side by side, in which order and on which side: balanced and drawn from one seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

BROKEN = "broken"  # stands in for a method in trials that check attention


@dataclass(frozen=True)
class Trial:
    """One clip by two methods. A check shows a spoilt video, `BROKEN`, beside a method's: the other one is right."""

    clip: str
    left: str
    right: str

    @property
    def check(self) -> bool:
        return BROKEN in (self.left, self.right)


def make_forms(
    methods: Sequence[str], clips: Sequence[str], forms: int, per_form: int, checks: int, seed: int
) -> list[list[Trial]]:
    """`forms` lists of `per_form` trials and `checks` attention checks.

    Over all forms every pair of methods is shown equally often (to one), each with either method on the left equally
    often (to one) and with clips in turn; the order within a form is random.
    Raises ValueError for fewer than two methods, no clip or a form without trials.
    """
    if len(set(methods)) < 2 or not clips:
        raise ValueError(
            f"a study compares at least 2 methods on at least 1 clip, not {len(set(methods))} on {len(clips)}"
        )
    if forms < 1 or per_form < 1:
        raise ValueError(f"a study needs at least 1 form with 1 trial, not {forms} with {per_form}")
    rng = np.random.default_rng(seed)
    pairs = list(combinations(sorted(set(methods)), 2))
    order = {pair: list(rng.permutation(sorted(clips))) for pair in pairs}
    pairs = [pairs[i] for i in rng.permutation(len(pairs))]
    made = []
    for form in range(forms):
        trials = [_trial(pairs, order, form * per_form + i) for i in range(per_form)]
        trials += [_check(sorted(set(methods)), sorted(clips), form * checks + i) for i in range(checks)]
        made.append([trials[i] for i in rng.permutation(len(trials))])
    return made


def _trial(pairs: list[tuple[str, str]], order: dict[tuple[str, str], list], number: int) -> Trial:
    pair = pairs[number % len(pairs)]
    turn = number // len(pairs)
    first, second = pair if turn % 2 == 0 else pair[::-1]
    return Trial(str(order[pair][turn % len(order[pair])]), first, second)


def _check(methods: list[str], clips: list[str], number: int) -> Trial:
    shown = methods[number % len(methods)], BROKEN
    left, right = shown if number % 2 == 0 else shown[::-1]
    return Trial(clips[number % len(clips)], left, right)
