"""The profile for SLURM, as far as it can be tried without one; make test-slurm has the rest."""

from __future__ import annotations

import re

import yaml
from plan import needs

from .conftest import ROOT

PROFILE = yaml.safe_load((ROOT / "profiles/slurm/profile.yaml").read_text())
RULES = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))


def test_every_rule_that_is_sent_says_what_it_needs() -> None:
    local = set(re.findall(r"^    (\w+),$", (ROOT / "Snakefile").read_text(), re.MULTILINE))
    local |= set(re.findall(r"localrules:\n    (\w+),", RULES))
    for rule in re.split(r"(?m)^(?=rule )", RULES)[1:]:
        name = re.match(r"rule (\w+)", rule).group(1)
        if name not in local:
            assert "mem_mb=" in rule and "runtime=" in rule, name


def test_groups_are_of_rules_that_exist() -> None:
    known = set(re.findall(r"^rule (\w+):", RULES, re.MULTILINE))
    assert set(PROFILE["groups"]) <= known
    assert set(PROFILE["group-components"]) == set(PROFILE["groups"].values())
    assert not any(name.startswith("train") for name in PROFILE["groups"])  # hours: each is sent alone
    assert PROFILE["retries"] >= 1 and PROFILE["set-resource-scopes"] == {"gpu": "local"}


def test_larger_presets_are_given_more_time() -> None:
    for job in ("train", "generate"):
        minutes = [needs.runtime_min(preset, job) for preset in ("smoke", "mini", "small", "base")]
        assert minutes == sorted(minutes) and minutes[0] < minutes[-1] == needs.runtime_min("unknown", job)
