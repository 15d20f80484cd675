"""What the workflow plans, from dry runs in a copy whose modules are stand-ins."""

import re
from pathlib import Path

import pytest
from plan import machine
from plan.methods import ALWAYS, NEVER, controls, discover
from plan.run import TASKS

from .conftest import BUDGETS, ROOT, Project, make_project

PLUGINS = discover(ROOT / "baselines")
CONTROLS = controls(PLUGINS)
RIVALS = {name: plugin for name, plugin in PLUGINS.items() if name not in (*ALWAYS, *NEVER, *CONTROLS)}
PLACES = {"reconstruct": 3, "cross": 3, "talk": 2}  # data sets on which the tables show the tasks of rivals
METHOD = """
class Method:
    name = "Fake"
    tasks = ("reconstruct",)
    weights = ()
"""
FAKES = {
    "baselines/fake_method/method.py": METHOD,
    "reports/tables/fake_table.yaml": "title: fake\n",
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(tmp_path_factory.mktemp("dag") / "project")


def counts(output: str) -> dict[str, int]:
    """The job table of a dry run: rule -> number of jobs."""
    lines = output.split("Job stats:")[1].split("\n\n")[0].splitlines()[3:]
    return {line.split()[0]: int(line.split()[1]) for line in lines if line.strip()}


def test_default_run_plans_everything(planned: Project) -> None:
    output = planned.dry_run()
    jobs = counts(output)
    assert jobs.pop("total") == sum(jobs.values())
    ablations, rivals = len(BUDGETS["ablations"]), RIVALS.values()
    measured = 3 * 3 * 3 + 2 * ablations  # copy-reference, codec, semo on three tasks and data sets; ablations
    measured += len(CONTROLS) * PLACES["talk"]
    measured += sum(PLACES[task] for rival in rivals for declared in rival.tasks for task in TASKS[declared])
    assert jobs == {
        "prepare_clips": 3,
        "resolve_config": 1,
        "train": 4,
        "train_ablation": ablations,
        "train_drift": 2,
        "render_objects": 2,
        "train_objects": 1,
        "train_rival": sum(rival.trainable for rival in rivals),
        "generate": measured,
        "evaluate": measured,
        "table": 2,
        "figure": 3,
        "page": 1,
        "audit": 1,
        "rule_graph": 1,
        "report_page": 1,
        "reproduce_all": 1,
    }
    assert f"Train SeMo stage1, {BUDGETS['stage1_steps']} steps" in output
    assert f"Train SeMo on moving objects, {BUDGETS['objects_steps']} steps" in output
    assert f"Generate cross portraits-mini-broadcast ablation-{BUDGETS['ablations'][0]}" in output
    assert "Generate talk portraits-mini-broadcast ablation-" not in output


def test_a_committed_page_does_not_stop_a_fresh_clone(planned: Project) -> None:
    page = planned.path / "reports/tables.md"
    page.write_text("tables of an earlier run\n")
    try:
        assert counts(planned.dry_run())["evaluate"] > 3 * 3 * 3
    finally:
        page.unlink()


def test_results_of_a_long_run_in_git_are_shown_not_made_again(project: Project) -> None:
    """They are what the rule of the whole grid writes: as inputs of the tables they would train it first."""
    before = counts(project.dry_run())
    (project.path / "reports/released/ablations.tsv").write_text("run\tseed\n")
    assert counts(project.dry_run()) == before


def test_other_scales_write_elsewhere(planned: Project) -> None:
    output = planned.dry_run("--configfile", "workflow/config/smoke.yaml")
    assert "Write results/smoke/reports/tables.md" in output
    assert "Train ablation T1D4, 4 steps" in output
    assert "train_drift" not in counts(output)
    output = planned.dry_run("ablations", "--configfile", "workflow/config/grid.yaml")
    assert counts(output)["train_ablation"] == 30
    assert "train" not in counts(output)


def test_stage_2_is_trained_with_and_without_masked_history(planned: Project) -> None:
    """Both trainings differ in the mask alone and leave out the data set of the last role."""
    output = planned.dry_run("--config", "budgets={stage1b_steps: 0}", "--printshellcmds")
    commands = [line for line in output.splitlines() if "semo.train" in line and "results/train/drift/" in line]
    seen = "--clips results/clips/portraits-mini-broadcast results/clips/portraits-mini-street --out"
    trained = {}
    for command in commands:
        run, settings = command.split(" && ")[1].split(" --set ")
        assert f"stage2 --preset mini --steps {BUDGETS['drift_steps']} --seed 0 {seen} results/train/drift/" in run
        assert run.endswith("--init results/train/semo/stage1/model") and "--threads $((1 / 1))" in run
        trained[run.split("/drift/")[1].split()[0]] = settings.split(" 2>&1")[0]
    assert trained == {"mask": "frame_size=64 stage2.mask_max=0.2", "nomask": "frame_size=64 stage2.mask_max=0.0"}


@pytest.mark.parametrize("setting", ["drift_steps: 0", "stage2_steps: 0"])
def test_without_its_budget_or_stage_2_nothing_is_trained_for_drift(planned: Project, setting: str) -> None:
    assert "train_drift" not in counts(planned.dry_run("--config", f"budgets={{{setting}}}", "model=last"))


def test_objects_are_rendered_for_their_figure_alone(planned: Project) -> None:
    model = "results/train/objects/model/pipeline.json"
    output = planned.dry_run(model, "--printshellcmds")
    assert counts(output) == {"render_objects": 2, "train_objects": 1, "total": 3}
    for command in (
        "python -m semo.objects --kind two --frame-size 64 --seed 0 --out results/clips/objects-two ",
        f"python -m semo.train stage1 --preset mini --steps {BUDGETS['objects_steps']} --seed 0"
        " --clips results/clips/objects-one results/clips/objects-two --out results/train/objects ",
        "mask_max=0.0",
    ):
        assert command in output, command
    assert "train_objects" in counts(planned.dry_run("reports/figures/objects.png"))
    assert "train_objects" not in counts(planned.dry_run("reports/figures/curves.png"))
    jobs = counts(planned.dry_run("--config", "budgets={objects_steps: 0}"))
    assert not {"render_objects", "train_objects"} & jobs.keys() and jobs["figure"] == 3


@pytest.mark.skipif(machine.cores() < 2, reason="Snakemake gives no job more threads than the machine has cores")
def test_every_process_of_a_training_has_a_thread(planned: Project) -> None:
    output = planned.dry_run("--config", "training={processes: 2, parts: 2}", "--printshellcmds")
    threads = re.findall(r"semo[.]train .* --threads [$]\(\((\d+) / 2\)\)", output)
    assert len(threads) == 4 + 2 + 1 + len(BUDGETS["ablations"]) and min(map(int, threads)) >= 2


def test_rivals_are_trained_with_equal_steps(planned: Project) -> None:
    output = planned.dry_run("--config", "rivals=[fomm, tpsmm]", "--printshellcmds")
    assert counts(output)["train_rival"] == 2
    for job in (
        f"Train fomm (mini), {BUDGETS['rival_steps']} steps",
        f"Train tpsmm (mini), {BUDGETS['rival_steps']} steps",
        "Generate cross portraits-mini-studio tpsmm",
        "--weights results/train/fomm/mini/model --size mini",
    ):
        assert job in output, job
    assert "Generate talk portraits-mini-studio fomm" not in output


TALKER = """
from baselines.blocks.talk import TalkMethod


class Method(TalkMethod):
    name = "Talker"
    weights = ("talker",)
"""


def test_a_talking_rival_is_trained_and_measured_where_a_table_shows_it(project: Project) -> None:
    folder = project.path / "baselines/talker"
    folder.mkdir()
    (folder / "method.py").write_text(TALKER)
    for name in ("training", "config"):
        (folder / f"{name}.py").write_text("STAGES = ()\n")
    output = project.dry_run("--config", "rivals=[talker]", "--printshellcmds")
    assert f"Train talker (mini), {BUDGETS['rival_steps']} steps" in output
    for dataset in ("portraits-mini-broadcast", "portraits-mini-street"):
        for method in ("talker", "other-motion", "mean-motion"):
            assert f"Evaluate talk {dataset} {method}" in output
    assert "talk portraits-mini-studio talker" not in output and "talk portraits-mini-studio mean-motion" not in output
    assert "Generate talk portraits-mini-studio semo" in output
    assert "reconstruct portraits-mini-street talker" not in output
    commands = {method: next(line for line in output.splitlines() if f"--method {method} " in line)
                for method in ("semo", "talker", "other-motion")}  # fmt: skip
    assert "--weights results/train/talker/mini/model --size mini" in commands["talker"]
    assert "--weights results/train/semo/stage2/model" in commands["other-motion"]
    assert "--steps" not in commands["talker"], "the config's steps are those of SeMo's samplers"
    assert "--steps 1 --motion-steps 8" in commands["semo"] and "--steps 1" in commands["other-motion"]


def test_a_run_without_rivals_trains_none(planned: Project) -> None:
    for arguments in (("--config", "rivals=none"), ("--configfile", "workflow/config/smoke.yaml")):
        output = planned.dry_run(*arguments)
        assert "train_rival" not in counts(output)
        assert "fomm" not in output


def test_official_rivals_take_what_was_fetched(project: Project) -> None:
    """Weights that are not here are no job that could fail: their method says why it did not run."""
    arguments = ("--configfile", "workflow/config/small.yaml", "--config", "rivals=[fomm, tpsmm]", "--printshellcmds")
    folder = project.path / "data/weights/tpsmm"
    folder.mkdir(parents=True)
    (folder / "fetched.json").write_text("{}")
    output = project.dry_run(*arguments)
    jobs = counts(output)
    assert not {"train_rival", "fetch_weight"} & jobs.keys()
    assert "--method tpsmm --plugin tpsmm --weights data/weights/tpsmm --size official" in output
    assert "--method fomm --plugin fomm  --size official" in output


def test_lint_is_clean(planned: Project) -> None:
    assert "in a good condition" in planned.run("snakemake", "--lint")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("frame_sise=64", "config has the unknown key 'frame_sise'; did you mean 'frame_size'?"),
        ("budgets={ablations: [T3D3]}", "config: budgets.ablations names 'T3D3'"),
        ("preset=base eval=1", "config has the unknown key 'eval'"),
    ],
)
def test_a_bad_config_stops_before_any_job(planned: Project, setting: str, sentence: str) -> None:
    output = planned.dry_run("--config", *setting.split(" ", 1) if "{" not in setting else (setting,), check=False)
    assert sentence in output
    assert "Traceback" not in output
    assert "Job stats" not in output


def test_a_config_that_does_not_fit_stops_before_any_job(planned: Project) -> None:
    """Its plan can be looked at nevertheless."""
    arguments = ("--config", "budgets={eval_frames: 100000000}")
    output = planned.snakemake(*arguments, check=False)
    assert "scale mini writes about" in output
    assert "Job stats" not in output
    output = planned.dry_run(*arguments)
    assert "This run cannot start here: scale mini writes about" in output
    assert "Job stats" in output


def test_one_place_for_each_addition(project: Project) -> None:
    """A data set, method, table and ablation run each appear after one file or entry was added."""
    for name, text in FAKES.items():
        path = project.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with open(project.path / "workflow/config/ablations.tsv", "a") as table:
        table.write("6\tT9D9\t9\t9\t0.9\tbatch\n")
    entry = {"source": "folder", "path": "videos", "detector": "none", "licence": "mine", "enabled": True}
    project.update_yaml("workflow/config/datasets.yaml", lambda data: data["datasets"].update({"fake-set": entry}))

    output = project.dry_run("reproduce_all", "clips", "--config", "datasets={mead: fake-set}")
    for job in (
        "Generate reconstruct portraits-mini-street fake-method",
        "Evaluate cross fake-set fake-method",
        "Table fake_table",
        "Clips of fake-set",
    ):
        assert job in output, job
    assert "Generate talk portraits-mini-street fake-method" not in output
    assert "Clips of fake-set" in project.dry_run("clips")
    grid = project.dry_run("ablations", "--configfile", "workflow/config/grid.yaml")
    for job in (
        "Train ablation T9D9, ",
        "Train ablation T9D9-seed1",
        "Evaluate cross portraits-mini-broadcast ablation-T9D9",
    ):
        assert job in grid, job


def test_a_data_set_and_its_detector_are_fetched_when_used(project: Project) -> None:
    wanted = {"enabled": True, "sound": {"vad": "silero"}}
    project.update_yaml("workflow/config/datasets.yaml", lambda data: data["datasets"]["hdtf"].update(wanted))
    output = project.dry_run("clips")
    assert "Fetch data set hdtf" in output
    assert "Fetch weights yunet" in output
    assert "Fetch weights silero-vad" in output
    assert "Fetch data set mead" not in output
    (project.path / "data/splits/hdtf.tsv").unlink()
    assert "data/splits/hdtf.tsv" in project.dry_run("clips", check=False)


def test_a_method_without_tasks_is_refused(project: Project) -> None:
    folder = project.path / "baselines/broken"
    folder.mkdir()
    (Path(folder) / "method.py").write_text("class Method:\n    name = 'x'\n")
    assert 'baselines/broken/method.py: class Method lacks tasks = ("reconstruct", ...)' in project.dry_run(check=False)
