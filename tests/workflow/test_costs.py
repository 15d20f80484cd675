"""What a run costs and which networks it takes, without Snakemake; the count of jobs against Snakemake's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from plan import costs, methods, needs, settings
from plan.networks import Networks
from plan.run import Run

from .conftest import ROOT, Project
from .test_dag import counts

CONFIGS, SCHEMAS = ROOT / "workflow/config", ROOT / "workflow/schemas"
MINI = yaml.safe_load((CONFIGS / "mini.yaml").read_text())
WEIGHTS = yaml.safe_load((CONFIGS / "weights.yaml").read_text())["weights"]
DATASETS = settings.read_entries(CONFIGS / "datasets.yaml", "datasets", SCHEMAS)


def run_of(root: Path, **budgets: object) -> Run:
    config = MINI | {"budgets": MINI["budgets"] | budgets}
    rows = settings.read_ablations(CONFIGS / "ablations.tsv", SCHEMAS)
    return Run(config, DATASETS, rows, methods.discover(root / "baselines"), root)


RATES = costs.read_rates(ROOT)


def lines(run: Run, root: Path = ROOT, rates: dict = RATES, **config: object) -> dict[str, costs.Cost]:
    """The estimate, by name."""
    run.config = run.config | config
    batch = costs.batches(run.config["preset"], ROOT)
    return {line.name: line for line in costs.estimate(run, DATASETS, rates, batch, root)}


def test_jobs_are_those_that_snakemake_counts(project: Project) -> None:
    planned = counts(project.dry_run())
    estimated = lines(run_of(project.path), project.path).values()
    assert sum(line.jobs for line in estimated) == planned.pop("total")
    kinds = {line.rule for line in estimated} - {"other"}
    assert {kind: sum(line.jobs for line in estimated if line.rule == kind) for kind in kinds if kind in planned} == {
        kind: planned[kind] for kind in kinds if kind in planned
    }


def test_cost_is_rate_times_amount_and_names_what_nobody_measured() -> None:
    rates = RATES | {"core_seconds": {"mini": {"train": {"stage1": 1.5}}}}
    run = run_of(ROOT, ablations=[], rival_steps=0)
    found = lines(run, rates=rates)
    assert found["train stage1"].core_hours == pytest.approx(1.5 * run.budgets["stage1_steps"] / 3600)
    assert found["train stage2"].core_hours is None
    told = dict(costs.table(list(found.values()), rates))
    missing = told["not measured"].split(", ")
    assert "train stage2" in missing and "train stage1" not in missing
    assert told["core-hours"].startswith(f"{sum(line.core_hours or 0 for line in found.values()):.1f} ")
    assert "GPU-hours" not in told


def test_every_method_of_the_default_run_is_measured() -> None:
    run = run_of(ROOT)
    told = dict(costs.table(list(lines(run).values()), RATES))
    assert told["not measured"] == "tables, figures, pages"


def test_models_of_figure_drift_cost_what_stage_2_costs() -> None:
    run = run_of(ROOT)
    found = lines(run)["train drift"]
    assert (found.rule, found.jobs) == ("train_drift", 2)
    rate = RATES["core_seconds"]["mini"]["train"]["stage2"]
    assert found.core_hours == pytest.approx(2 * run.budgets["drift_steps"] * rate / 3600)
    assert not any("drift" in name for name in lines(run_of(ROOT, drift_steps=0)))


def test_the_data_set_unseen_by_figure_drift_is_that_of_the_last_role() -> None:
    run = run_of(ROOT)
    assert run.unseen == run.described()["unseen"] == "portraits-mini-studio"
    rows, plugins = settings.read_ablations(CONFIGS / "ablations.tsv", SCHEMAS), methods.discover(ROOT / "baselines")
    alone = dict.fromkeys(MINI["datasets"], "portraits-mini-street")
    assert Run(MINI | {"datasets": alone}, DATASETS, rows, plugins, ROOT).unseen is None


def test_no_rate_is_made_up_for_a_preset_that_was_not_measured() -> None:
    found = lines(run_of(ROOT), preset="small")
    assert all(line.core_hours is None for name, line in found.items() if not name.startswith("prepare"))


def test_cost_of_the_papers_run() -> None:
    """The arithmetic by hand, from the rates of the file."""
    config = MINI | yaml.safe_load((CONFIGS / "paper.yaml").read_text())
    entry = {"path": "x", "expected": {"clips": 36000, "hours": 100}}
    prepared = costs.preparation("set", entry, config, RATES, Path("/nowhere"))
    assert prepared.jobs == 256 and prepared.bytes == 100 * 3600 * 25 * 4 * 32 * 32 * 2
    assert prepared.core_hours == pytest.approx(100 / RATES["cpu"]["prepare_times_real_time"])
    trained = costs.training("stage1", 400000, config, RATES, {"stage1": 256})
    flops = RATES["flops"]["base"]["stage1"] * 400000 * 256
    assert trained.gpu_hours == pytest.approx(flops / RATES["gpu"]["flops_per_s"] / 3600)
    told = dict(costs.table([prepared, trained], RATES))
    assert "assumed, not measured" in told["GPU-hours"] and told["jobs"].startswith("257 ")
    unknown = costs.training("stage1", 1, config | {"preset": "other"}, RATES, {"stage1": 1})
    assert unknown.gpu_hours is None and "train stage1" in dict(costs.table([unknown], RATES))["not measured"]


def test_videos_of_a_shipped_set_are_counted(tmp_path: Path) -> None:
    entry = {"source": "shipped", "path": "set", "subset": "a"}
    (tmp_path / "set").mkdir()
    (tmp_path / "set/corpus.tsv").write_text("subset\tsplit\na\ttest\na\ttest\na\ttrain\nb\ttest\n")
    (tmp_path / "set/cross.tsv").write_text("subset\na\nb\n")
    assert [needs.test_videos(entry, task, 0, tmp_path) for task in ("reconstruct", "cross", "talk")] == [2, 1, 2]
    assert needs.test_videos(entry, "talk", 1, tmp_path) == 1
    assert needs.test_videos({"source": "folder", "path": "x"}, "talk", 7, tmp_path) == 7


def mirror(folder: Path, name: str, beside: bool = False) -> Path:
    """A folder with files of the sizes that weights.yaml states."""
    place = folder if beside else folder / name
    place.mkdir(parents=True, exist_ok=True)
    for file in WEIGHTS[name]["files"]:
        with open(place / file["name"], "wb") as stream:
            stream.truncate(file.get("bytes", 1))
    return place


WANTED = {"codec": ["sd-vae", "taef2", "patch-pca"], "audio": ["whisper-base", "logmel"]}


def test_networks_fall_back_in_the_order_of_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    nothing = Networks(WANTED, WEIGHTS, tmp_path)
    assert nothing.settings == ["codec.kind=patch-pca", "codec.path=null", "stage2.audio=logmel",
                                "stage2.audio_path=null"]  # fmt: skip
    assert nothing.notes == [
        "codec: sd-vae, taef2 are not on this machine (`semo fetch sd-vae`, `semo fetch taef2`); "
        "patch-pca is used instead.",
        "audio: whisper-base is not on this machine (`semo fetch whisper-base`); logmel is used instead.",
    ]
    place = mirror(tmp_path / "mirror", "taef2", beside=True)
    monkeypatch.setenv("SEMO_WEIGHTS", str(tmp_path / "mirror"))
    tiny = Networks(WANTED, WEIGHTS, tmp_path)
    assert tiny.settings[:2] == ["codec.kind=taef2", f"codec.path={place}"]
    assert f"taef2 in {place} is used instead" in tiny.notes[0]
    mirror(tmp_path / "mirror", "sd-vae")
    mirror(tmp_path / "mirror", "whisper-base")
    assert Networks(WANTED, WEIGHTS, tmp_path).notes == []


def test_a_file_of_another_size_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = mirror(tmp_path, "taef2")
    monkeypatch.setenv("SEMO_WEIGHTS", str(tmp_path))
    (place / "taef2_encoder.pth").write_bytes(b"cut short")
    assert Networks(WANTED, WEIGHTS, tmp_path / "root").settings[0] == "codec.kind=patch-pca"


def test_a_config_without_a_way_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    sentence = "codec: sd-vae is not on this machine .*; or add patch-pca to the list, which needs no file"
    with pytest.raises(settings.SettingsError, match=sentence):
        Networks(WANTED | {"codec": ["sd-vae"]}, WEIGHTS, tmp_path)


def test_the_preset_stays_as_it_is_by_default() -> None:
    assert Networks(MINI, WEIGHTS, ROOT).settings == []


def test_small_can_be_planned_without_a_gpu(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEMO_WEIGHTS", raising=False)
    output = project.dry_run("--configfile", "workflow/config/small.yaml", "--config", "rivals=none", "-p")
    assert "codec: sd-vae, taef2 are not on this machine" in output
    assert "--set frame_size=256 codec.kind=patch-pca codec.path=null stage2.audio=logmel" in output
    assert "Train SeMo reflow" in output
