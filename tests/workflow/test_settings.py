"""Configs that cannot be used are refused in one sentence that names the place."""

import copy
from pathlib import Path

import pytest
import yaml
from plan import machine, settings
from plan.methods import Plugin, chosen, discover
from plan.run import RELEASED, Run

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "workflow/schemas"
CONFIG = yaml.safe_load((ROOT / "workflow/config/mini.yaml").read_text())
ABLATIONS = settings.read_ablations(ROOT / "workflow/config/ablations.tsv", SCHEMAS)
DATASETS = settings.read_entries(ROOT / "workflow/config/datasets.yaml", "datasets", SCHEMAS)
PLUGINS = discover(ROOT / "baselines")


def changed(path: str, value: object) -> dict:
    """The mini config with one value replaced, or removed where `value` is None."""
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split(".")
    place = config
    for name in parents:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return config


@pytest.mark.parametrize("scale", ["smoke", "real", "mini", "small", "paper"])
def test_every_scale_fits_the_schema(scale: str) -> None:
    config = yaml.safe_load((ROOT / f"workflow/config/{scale}.yaml").read_text())
    settings.check(config, SCHEMAS / "config.schema.yaml", "config")
    assert config["scale"] == scale
    assert set(config["datasets"].values()) <= set(DATASETS)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("sede", 1, "config has the unknown key 'sede'; did you mean 'seed'?"),
        ("budgets.stage1_step", 1, "config: budgets has the unknown key 'stage1_step'; did you mean 'stage1_steps'?"),
        ("frame_size", 60, "config: frame_size is 60, but must be a multiple of 16."),
        ("seed", None, "config lacks the key 'seed'."),
        ("scale", "huge", "config: scale is 'huge', but must be one of smoke, real, mini, small, paper."),
        ("budgets.stage1_steps", "many", "config: budgets.stage1_steps is 'many', but must be of type integer."),
    ],
)
def test_bad_config_is_one_sentence(path: str, value: object, sentence: str) -> None:
    with pytest.raises(settings.SettingsError) as refused:
        settings.check(changed(path, value), SCHEMAS / "config.schema.yaml", "config")
    assert str(refused.value) == sentence


@pytest.mark.parametrize(("key", "entry"), [("datasets", "mead"), ("weights", "yunet")])
def test_unknown_key_of_an_entry(key: str, entry: str, tmp_path: Path) -> None:
    data = yaml.safe_load((ROOT / f"workflow/config/{key}.yaml").read_text())
    data[key][entry]["licenze"] = "none"
    (tmp_path / "entries.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(
        settings.SettingsError, match=rf"{key}\.{entry} has the unknown key 'licenze'; did you mean 'licence'"
    ):
        settings.read_entries(tmp_path / "entries.yaml", key, SCHEMAS)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("5\tT1D4\t1\t4\t0.9\tbatch", "names the run 'T1D4' twice"),
        ("5\tT1D3\t1\tthree\t0.9\tbatch", "line 17: motion_dim is 'three'"),
        ("5\tT1D3\t1\t3\t0.9\tfancy", "line 17: motion_norm is 'fancy', but must be one of"),
    ],
)
def test_bad_ablation_row(row: str, sentence: str, tmp_path: Path) -> None:
    table = tmp_path / "ablations.tsv"
    table.write_text((ROOT / "workflow/config/ablations.tsv").read_text() + row + "\n")
    with pytest.raises(settings.SettingsError, match=sentence):
        settings.read_ablations(table, SCHEMAS)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("datasets.mead", "gone", "datasets.mead names 'gone'"),
        ("budgets.ablations", ["T9D9"], "names 'T9D9'"),
        ("rivals", ["gone"], "rivals names 'gone'"),
        ("datasets", dict.fromkeys(CONFIG["datasets"], "hdtf"), "none of the datasets hdtf is enabled"),
    ],
)
def test_what_is_named_must_exist(path: str, value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Run(changed(path, value), DATASETS, ABLATIONS, PLUGINS, ROOT)


def test_plan_of_mini() -> None:
    run = Run(CONFIG, DATASETS, ABLATIONS, PLUGINS, Path("/nowhere"))
    measured = run.measured()
    assert len(measured) == len(set(measured))
    assert ("talk", "portraits-mini-studio", "semo") in measured
    assert {m[:2] for m in measured if m[2] == "ablation-T1D4"} == {
        ("reconstruct", "portraits-mini-broadcast"),
        ("cross", "portraits-mini-broadcast"),
    }
    assert "semo-released" not in run.methods
    assert run.methods["semo"].weights == "results/train/semo/stage2/model"
    grid = {method for _, _, method in run.measured(grid=True)}
    assert grid == {f"ablation-{row['run']}{seed}" for row in ABLATIONS for seed in ("", "-seed1")}
    assert run.ablations["T1D4-seed1"].seed == run.ablations["T1D4"].seed + 1


def test_the_tables_show_the_stage_that_the_config_names() -> None:
    shown = {model: Run(changed("model", model), DATASETS, ABLATIONS, PLUGINS, ROOT) for model in ("last", "stage1b")}
    assert shown["last"].methods["semo"].weights == "results/train/semo/reflow/model"
    assert "talk" in shown["last"].methods["semo"].tasks
    assert shown["stage1b"].methods["semo"].weights == "results/train/semo/stage1b/model"
    assert "talk" not in shown["stage1b"].methods["semo"].tasks, "it has no motion generator yet"
    with pytest.raises(ValueError, match="model is stage2, but budgets.stage2_steps is 0"):
        Run(changed("budgets.stage2_steps", 0), DATASETS, ABLATIONS, PLUGINS, ROOT)


def test_rivals_and_controls_are_measured_where_tables_show_the_task() -> None:
    both = Plugin("both", ("reconstruct", "talk"), ())
    run = Run(CONFIG | {"rivals": ["both"]}, DATASETS, ABLATIONS, {**PLUGINS, "both": both}, ROOT)
    datasets = CONFIG["datasets"]
    shown = {task: {d for t, d, m in run.measured() if (t, m) == (task, "both")} for task in ("cross", "talk")}
    assert shown == {"cross": set(datasets.values()), "talk": {datasets["hdtf"], datasets["dh_facevid"]}}
    assert {t[:2] for t in run.measured() if t[2] == "mean-motion"} == {("talk", d) for d in shown["talk"]}
    assert run.methods["other-motion"].weights == run.methods["semo"].weights
    assert run.described()["methods"]["both"]["tasks"] == ("reconstruct", "cross", "talk")


def test_a_task_of_no_table_is_measured_everywhere(tmp_path: Path) -> None:
    both = Plugin("both", ("reconstruct", "talk"), ())
    run = Run(CONFIG | {"rivals": ["both"]}, DATASETS, ABLATIONS, {**PLUGINS, "both": both}, tmp_path)
    assert {d for t, d, m in run.measured() if (t, m) == ("talk", "both")} == set(CONFIG["datasets"].values())


def test_released_weights_are_a_row_where_they_fit(tmp_path: Path) -> None:
    folder = tmp_path / RELEASED
    folder.mkdir(parents=True)
    (folder / "pipeline.json").write_text('{"frame_size": 64}')
    methods = Run(CONFIG, DATASETS, ABLATIONS, PLUGINS, tmp_path).methods
    assert methods["semo-released"].weights == RELEASED
    assert "semo-released" not in Run(changed("frame_size", 128), DATASETS, ABLATIONS, PLUGINS, tmp_path).methods
    with pytest.raises(settings.SettingsError, match="makes 64 pixels, not frame_size 128"):
        Run(changed("frame_size", 128) | {"init": "released"}, DATASETS, ABLATIONS, PLUGINS, tmp_path)


def test_a_folder_is_enabled_where_it_is_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = yaml.safe_load((ROOT / "workflow/config/real.yaml").read_text())
    for folder, there in ((None, False), (tmp_path / "gone", False), (tmp_path, True)):
        monkeypatch.setenv("SEMO_MEDIA", str(folder)) if folder else monkeypatch.delenv("SEMO_MEDIA", raising=False)
        entries = settings.read_entries(ROOT / "workflow/config/datasets.yaml", "datasets", SCHEMAS)
        if there:
            assert set(Run(real, entries, ABLATIONS, PLUGINS, ROOT).datasets) == set(real["datasets"].values())
        else:
            with pytest.raises(settings.SettingsError, match=r"set enabled: true, or let \$SEMO_MEDIA name its folder"):
                Run(real, entries, ABLATIONS, PLUGINS, ROOT)


def test_a_disabled_dataset_is_left_out() -> None:
    run = Run(changed("datasets.mead", "mead"), DATASETS, ABLATIONS, PLUGINS, ROOT)
    assert run.roles == {"hdtf": "portraits-mini-broadcast", "dh_facevid": "portraits-mini-street"}


def test_rivals() -> None:
    plugins = {**PLUGINS, "fomm": Plugin("fomm", ("reconstruct",), ())}
    assert chosen(plugins, "none") == []
    assert "fomm" in chosen(plugins, "all")
    assert "external" not in chosen(plugins, "all")
    assert chosen(plugins, ["fomm"]) == ["fomm"]


def test_weights_of_rivals(tmp_path: Path) -> None:
    """Trained in the run; or, with no steps for that, official ones where they were fetched; or none."""
    plugins = {**PLUGINS, "fomm": Plugin("fomm", ("reconstruct",), ("fomm-vox",), trainable=True)}

    def planned(preset: str, steps: int) -> str | None:
        config = changed("budgets.rival_steps", steps) | {"rivals": ["fomm"], "preset": preset}
        return Run(config, DATASETS, ABLATIONS, plugins, tmp_path).methods["fomm"].weights

    assert planned("mini", 5) == "results/train/fomm/mini/model"
    assert planned("small", 5) == "results/train/fomm/official/model"
    assert planned("mini", 0) is None and planned("small", 0) is None
    (tmp_path / "data/weights/fomm-vox").mkdir(parents=True)
    (tmp_path / "data/weights/fomm-vox/fetched.json").write_text("{}")
    assert planned("mini", 0) is None
    assert planned("small", 0) == "data/weights/fomm-vox"


def test_a_run_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    assert machine.misfit(1, 1, tmp_path / "results", "mini") is None
    assert "needs 1000000.0 GB of memory" in machine.misfit(10**9, 1, tmp_path, "mini")
    assert "writes about 1000000.0 GB" in machine.misfit(1, 10**9, tmp_path, "mini")
    assert 1 <= machine.cores()
