"""Reads and checks the configuration and plans the run; helpers for the rules. Functions only."""

import ast
import json
import os
import re
import sys
from pathlib import Path

import pandas as pd
import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.utils import Paramspace

sys.path.insert(0, str(Path(workflow.basedir, "workflow")))
from plan import digest, machine, methods, needs, settings, shards
from plan.networks import Networks
from plan.run import HISTORIES, RELEASED, STAGES, Run

ROOT = Path(workflow.basedir)
SCHEMAS = ROOT / "workflow" / "schemas"

machine.use_this_python()

try:
    config.update(settings.typed(config))
    settings.check(config, SCHEMAS / "config.schema.yaml", "config")
    DATASETS = settings.read_entries(ROOT / "workflow/config/datasets.yaml", "datasets", SCHEMAS)
    WEIGHTS = settings.read_entries(ROOT / "workflow/config/weights.yaml", "weights", SCHEMAS)
    ABLATIONS = settings.read_ablations(ROOT / "workflow/config/ablations.tsv", SCHEMAS)
    PLUGINS = methods.discover(ROOT / "baselines")
    RUN = Run(config, DATASETS, ABLATIONS, PLUGINS, ROOT)
    NETWORKS = Networks(config, WEIGHTS, ROOT)
except (ValueError, OSError) as error:
    raise WorkflowError(str(error)) from None

if workflow.is_main_process:
    for note in NETWORKS.notes:
        logger.warning(note)

BUDGETS = config["budgets"]
# One folder per ablation run: ablation-{ablation}.
ablation_space = Paramspace(pd.DataFrame({"ablation": list(RUN.ablations)}), filename_params="*", param_sep="-")
TABLES = sorted(path.stem for path in (ROOT / "reports/tables").glob("*.yaml"))
FIGURES = sorted(path.stem for path in (ROOT / "semo/report/figures").glob("[a-z]*.py"))


pathvars:
    results=config["results"],
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",
    reports=RUN.reports,


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS)),
    weight="|".join(map(re.escape, WEIGHTS)) or "none",
    method="|".join(map(re.escape, RUN.methods)),
    ablation="|".join(map(re.escape, RUN.ablations)),
    stage="|".join(STAGES),
    history="|".join(HISTORIES),
    shards="[0-9]+",
    shard="[0-9][0-9][0-9][0-9][0-9]",
    rival="|".join(map(re.escape, RUN.trained_rivals)) or "none",
    task="reconstruct|cross|talk",
    table="|".join(map(re.escape, TABLES)) or "none",
    figure="|".join(map(re.escape, FIGURES)) or "none",


if workflow.nodes is None and workflow.is_main_process:  # on a cluster the scheduler knows its machines
    problem = machine.misfit(
        needs.memory_mb(config["preset"], "train"),
        needs.disk_mb(RUN, DATASETS, ROOT),
        ROOT / config["results"],
        config["scale"],
        config["device"],
    )
    if problem and not workflow.output_settings.dryrun:  # the plan of a run elsewhere can be looked at anywhere
        raise WorkflowError(problem)
    if problem:
        logger.warning(f"This run cannot start here: {problem}")
    # --cores 8 on two cores would run four jobs of two threads at a time, each many times slower.
    if workflow.global_resources["_cores"].value:
        workflow.register_resource("_cores", min(workflow.global_resources["_cores"].value, machine.cores()))
    workflow.register_resource("mem_mb", machine.memory_mb())


def source(*names):
    """Digest of code: a rule reruns when what its modules do changes, not when a comment does."""
    return digest.source(ROOT, *names)


def tables(pattern):
    return expand(pattern, table=TABLES)


def figures(pattern):
    return expand(pattern, figure=FIGURES)


def stages(pattern):
    return expand(pattern, stage=RUN.stages)


def enabled(pattern):
    return expand(pattern, dataset=[name for name, entry in DATASETS.items() if entry.get("enabled", True)])


def measured(pattern, grid=False):
    """The pattern for every (task, dataset, method) that is measured."""
    return [expand(pattern, task=t, dataset=d, method=m)[0] for t, d, m in RUN.measured(grid)]


def networks_here(wildcards):
    """Metrics are measured again when a network from outside has come; the bundled ones come with the project."""
    if config["tier"] == "bundled":
        return "bundled"
    mirrors = [Path(folder) for folder in os.environ.get("SEMO_WEIGHTS", "").split(os.pathsep) if folder]
    folders = [folder for folder in (ROOT / "data/weights", *mirrors) if folder.is_dir()]
    return " ".join(digest.listing(folder) for folder in folders) or "none"


def dataset_entry(wildcards):
    return json.dumps(DATASETS[wildcards.dataset], sort_keys=True)


def weight_entry(wildcards):
    return json.dumps(WEIGHTS[wildcards.weight], sort_keys=True)


def clips_input(wildcards):
    """What says that the data set is here: the shipped corpus, or the record of a finished fetch; its networks and split."""
    entry = DATASETS[wildcards.dataset]
    if entry["source"] == "shipped":
        return [f"{entry['path']}/corpus.tsv", f"{entry['path']}/cross.tsv"]
    detector = entry.get("weights") if entry.get("detector") == "yunet" else None
    needed = [detector] if detector in WEIGHTS else []
    needed += ["silero-vad"] if entry.get("sound", {}).get("vad") == "silero" else []
    found = [f"data/weights/{name}/fetched.json" for name in needed]
    found += [entry["splits"]["file"]] if "splits" in entry else []
    return found if entry["source"] == "folder" else [f"data/raw/{wildcards.dataset}/fetched.json", *found]


def folder_listing(wildcards):
    """A new, changed or removed video of a user's folder prepares its clips again."""
    entry = DATASETS[wildcards.dataset]
    folder = Path(os.path.expandvars(entry["path"]))
    return digest.listing(folder) if entry["source"] == "folder" and folder.is_dir() else "none"


def shard_parts(wildcards):
    clips, _ = shards.expected(DATASETS[wildcards.dataset], ROOT)
    count = shards.shard_count(clips, config["shard_clips"])
    return [f"<results>/clips/{wildcards.dataset}/shards/{count}/{shard:05d}/part.json" for shard in range(count)]


def launcher(wildcards):
    """How a training starts: as it is, or once for each of its processes."""
    processes = config["training"]["processes"]
    several = f"accelerate launch --multi_gpu --num_machines 1 --num_processes {processes} --mixed_precision no" \
        " --dynamo_backend no --main_process_port 0"
    return f"{several if processes > 1 else 'python'} -m semo.train"


def training_options(wildcards):
    training = config["training"]
    return f"--parts {training['parts']} --checkpoint-minutes {training['checkpoint_minutes']}" \
        + " --compile" * training["compile"]


def training_manifests(wildcards):
    return expand("<results>/clips/{dataset}/manifest.tsv", dataset=RUN.datasets)


def drift_manifests(wildcards):
    return expand("<results>/clips/{dataset}/manifest.tsv", dataset=[d for d in RUN.datasets if d != RUN.unseen])


def preset_settings(wildcards):
    """What is laid over the preset: frame_size is one constant for everything, some runs have settings of their own."""
    ablation, history = wildcards.get("ablation"), wildcards.get("history")
    changed = RUN.ablations[ablation].settings if ablation else ()
    changed += (f"stage2.mask_max={HISTORIES[history]}",) if history else ()
    return " ".join((f"frame_size={config['frame_size']}", *NETWORKS.settings, *changed))


def folders(files):
    """The folders of some files, as one text for a command line."""
    return " ".join(str(Path(file).parent) for file in files)


def training_steps(wildcards):
    return BUDGETS[f"{wildcards.stage}_steps"]


def previous_stage(wildcards):
    """The model a stage, else stage 2, starts from: the stage before, the released one, or none."""
    before = RUN.stages[: RUN.stages.index(wildcards.get("stage", "stage2"))]
    if before:
        return [f"<results>/train/semo/{before[-1]}/model/pipeline.json"]
    return [f"{RELEASED}/pipeline.json"] if config["init"] == "released" else []


def method_weights(wildcards):
    """The file that says that the method's weights are complete."""
    return [found] if (found := RUN.complete(wildcards.method)) else []


def weights_option(wildcards):
    weights = RUN.methods[wildcards.method].weights
    return f"--weights {weights}" if weights else ""


def sampler_steps(wildcards):
    """Steps of SeMo's samplers; rivals are drawn with the steps of their own."""
    if not RUN.samples(wildcards.method):
        return ""
    return f"--steps {BUDGETS['sampler_steps']} --motion-steps {BUDGETS['motion_sampler_steps']}"


def method_source(wildcards):
    folder = PLUGINS[RUN.methods[wildcards.method].plugin].folder
    return source("semo.generate", f"baselines.{folder}.method")


def recipe_source(wildcards):
    folder = PLUGINS[wildcards.rival].folder
    return source("baselines.training", f"baselines.{folder}.training", f"baselines.{folder}.config")


def figure_models(wildcards):
    """The models that are trained for a figure alone."""
    return [f"{folder}/pipeline.json" for folder in RUN.figure_models(wildcards.figure)]


def figure_source(wildcards):
    return source("semo.report", f"semo.report.figures.{wildcards.figure}")


def figure_caption(wildcards):
    """The first line of the figure's module, as on the other pages."""
    parsed = ast.parse((ROOT / f"semo/report/figures/{wildcards.figure}.py").read_text())
    return (ast.get_docstring(parsed) or wildcards.figure).split("\n")[0]


def table_title(wildcards):
    return yaml.safe_load((ROOT / f"reports/tables/{wildcards.table}.yaml").read_text())["title"]


def paper_tables(wildcards):
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "reports/paper").glob("*.tsv"))


def released_results():
    """Digest of the results of long runs. As files they would be inputs of a rule, which would run for hours again."""
    return source("reports/released")
