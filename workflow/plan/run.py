"""What a run consists of: which data, which training stages, which methods, which of them is measured where."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from plan.methods import Plugin, chosen, controls
from plan.settings import SettingsError
from plan.shown import roles_of_tasks

STAGES = ("stage1", "stage1b", "stage2", "reflow")
TASKS = {"reconstruct": ("reconstruct", "cross"), "talk": ("talk",)}  # what a method declares -> what is measured
ABLATION_ROLE = "hdtf"  # Tables 5-7 are on HDTF
RELEASED = "semo/weights/semo-mini"
FIGURE_MODELS = {"drift": ("drift/mask", "drift/nomask"), "objects": ("objects",)}  # trained for a figure alone
HISTORIES = {"mask": 0.2, "nomask": 0.0}  # Fig. 9: largest share hidden of the frames before a window, in stage 2


@dataclass(frozen=True)
class Planned:
    """One row of the tables: a plugin with weights, and the datasets each of its tasks is measured on."""

    plugin: str
    weights: str | None
    places: dict[str, tuple[str, ...]]
    size: str

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self.places)


@dataclass(frozen=True)
class Ablation:
    """One training run of ablations.tsv: its settings as `key=value`, and its seed."""

    settings: tuple[str, ...]
    seed: int


class Run:
    """The plan of one config. `config`, `datasets` (entries of datasets.yaml) and `ablations` (rows) are checked."""

    def __init__(
        self,
        config: dict,
        datasets: dict[str, dict],
        ablations: list[dict],
        plugins: dict[str, Plugin],
        root: Path,
    ) -> None:
        self.config = config
        self.budgets = config["budgets"]
        self.results = config["results"]
        self.roles = self._roles(datasets)
        self.datasets = tuple(dict.fromkeys(self.roles.values()))
        self.stages = tuple(stage for stage in STAGES if self.budgets[f"{stage}_steps"] > 0)
        self.shown_stage = self._shown_stage()
        self.ablations = self._ablations(ablations)
        self.released_size = _frame_size(root / RELEASED / "pipeline.json")
        if config["init"] == "released" and self.released_size != config["frame_size"]:
            raise SettingsError(
                f"config: init is released, but {RELEASED} "
                + (f"makes {self.released_size} pixels" if self.released_size else "is not here")
                + f", not frame_size {config['frame_size']}; set init: scratch."
            )
        self.rivals = tuple(chosen(plugins, config["rivals"]))
        self.trained_rivals = tuple(r for r in self.rivals if plugins[r].trainable and self.budgets["rival_steps"] > 0)
        self.methods = self._methods(plugins, root)

    @property
    def size(self) -> str:
        """Of every method's networks: `mini` for a CPU, or `official` as published."""
        return "mini" if self.config["preset"] in ("smoke", "mini") else "official"

    @property
    def reports(self) -> str:
        """The committed report belongs to the default results; every other run keeps its own inside its results."""
        return "reports" if self.results == "results" else f"{self.results}/reports"

    def _roles(self, datasets: dict[str, dict]) -> dict[str, str]:
        roles = self.config["datasets"]
        for role, name in roles.items():
            if name not in datasets:
                raise SettingsError(
                    f"config: datasets.{role} names {name!r}, which workflow/config/datasets.yaml does not have; "
                    f"it has {', '.join(datasets)}."
                )
        enabled = {role: name for role, name in roles.items() if datasets[name].get("enabled", True)}
        if not enabled:
            raise SettingsError(
                f"config: none of the datasets {', '.join(dict.fromkeys(roles.values()))} is enabled in "
                "workflow/config/datasets.yaml; obtain one as its entry says and set enabled: true"
                f"{_places(datasets[name] for name in roles.values())}."
            )
        return enabled

    def _shown_stage(self) -> str:
        """The stage after which SeMo stands in the tables."""
        stage = self.stages[-1] if self.config["model"] == "last" else self.config["model"]
        if stage not in self.stages:
            raise SettingsError(
                f"config: model is {stage}, but budgets.{stage}_steps is 0; set model: last, or train that stage."
            )
        return stage

    def _ablations(self, rows: list[dict]) -> dict[str, Ablation]:
        """Every run of the table with two seeds: the config's, and the next one under `<run>-seed1`."""
        known = [row["run"] for row in rows]
        wanted = self.budgets["ablations"]
        unknown = [] if wanted == "all" else [run for run in wanted if run not in known]
        if unknown:
            raise SettingsError(
                f"config: budgets.ablations names {unknown[0]!r}, but workflow/config/ablations.tsv has "
                f"{', '.join(known)}."
            )
        self.chosen_ablations = tuple(known if wanted == "all" else wanted)
        planned = {}
        for row in rows:
            settings = tuple(f"{key}={value}" for key, value in row.items() if key not in ("table", "run"))
            for offset, suffix in ((0, ""), (1, "-seed1")):
                planned[row["run"] + suffix] = Ablation(settings, self.config["seed"] + offset)
        return planned

    def _methods(self, plugins: dict[str, Plugin], root: Path) -> dict[str, Planned]:
        model = f"{self.results}/train/semo/{self.shown_stage}/model"
        everywhere = dict.fromkeys(("reconstruct", "cross", "talk"), self.datasets)
        shown = self._shown(roles_of_tasks(root / "reports/tables"))

        def planned(
            method: str,
            weights: str | None,
            tasks: tuple[str, ...] | None = None,
            places: dict[str, tuple[str, ...]] = everywhere,
        ) -> Planned:
            declared = plugins[method].tasks if tasks is None else tasks
            measured = {task: places[task] for name in declared for task in TASKS[name]}
            return Planned(method, weights, measured, self.size)

        missing = [name for name in ("copy-reference", "codec", "semo") if name not in plugins]
        if missing:
            raise SettingsError(f"baselines/{missing[0].replace('-', '_')}/method.py is missing; restore it from git.")
        done = self.stages[: self.stages.index(self.shown_stage) + 1]
        semo_tasks = ("reconstruct", "talk") if "stage2" in done else ("reconstruct",)
        methods = {
            "copy-reference": planned("copy-reference", None),
            "codec": planned("codec", model),
            "semo": planned("semo", model, semo_tasks),
        }
        methods |= {name: planned(name, model, places=shown) for name in controls(plugins)}
        if self.released_size == self.config["frame_size"] and self.config["scale"] != "smoke":
            methods["semo-released"] = planned("semo", RELEASED)
        for rival in self.rivals:
            methods[rival] = planned(rival, self._rival_weights(rival, plugins[rival], root), places=shown)
        datasets = (self.roles[ABLATION_ROLE],) if ABLATION_ROLE in self.roles else ()
        for run in self.ablations:
            weights = f"{self.results}/train/ablation-{run}/stage1/model"
            methods[f"ablation-{run}"] = Planned(
                "semo", weights, dict.fromkeys(TASKS["reconstruct"], datasets), self.size
            )
        return methods

    def _shown(self, roles: dict[str, set[str]]) -> dict[str, tuple[str, ...]]:
        """Task -> data sets on which a table shows it; all of them for a task that no table shows."""
        places = {}
        for task in (task for tasks in TASKS.values() for task in tasks):
            named = {name for role, name in self.roles.items() if role in roles.get(task, self.roles)}
            places[task] = tuple(name for name in self.datasets if name in named)
        return places

    def _rival_weights(self, rival: str, plugin: Plugin, root: Path) -> str | None:
        """The folder of what this run trains, else of official weights that were fetched; None where neither is.

        Official weights are not fetched by the run, since most of them ask for a person: without them the method says
        why it cannot run.
        """
        if rival in self.trained_rivals:
            return f"{self.results}/train/{rival}/{self.size}/model"
        folders = [f"data/weights/{name}" for name in plugin.weights if self.size == "official"]
        return next((folder for folder in folders if (root / folder / "fetched.json").is_file()), None)

    def complete(self, method: str) -> str | None:
        """The file that says that the method's weights are complete, None where it has none."""
        planned = self.methods[method]
        if planned.weights is None:
            return None
        if planned.weights.startswith("data/"):
            return f"{planned.weights}/fetched.json"
        return f"{planned.weights}/{'config' if planned.plugin in self.trained_rivals else 'pipeline'}.json"

    def figure_models(self, figure: str) -> list[str]:
        """Folders of the models that are trained for a figure alone; none where the config leaves them out."""
        if not self.budgets.get(f"{figure}_steps") or (figure == "drift" and "stage2" not in self.stages):
            return []
        return [f"{self.results}/train/{name}/model" for name in FIGURE_MODELS.get(figure, ())]

    @property
    def unseen(self) -> str | None:
        """The data set of the last role, on which figure drift trains nothing; None where there is no other one."""
        last = list(self.roles.values())[-1]
        return last if len(self.datasets) > 1 else None

    def samples(self, method: str) -> bool:
        """Whether the method draws with SeMo's samplers, whose steps the config sets; rivals have their own."""
        return self.methods[method].plugin not in self.rivals

    def measured(self, grid: bool = False) -> list[tuple[str, str, str]]:
        """(task, dataset, method) of every evaluation: of the run, or with `grid` of the whole ablation grid."""
        methods = [name for name in self.methods if name.startswith("ablation-") == grid]
        if not grid:
            methods += [f"ablation-{run}" for run in self.chosen_ablations]
        return [
            (task, dataset, method)
            for method in methods
            for task, datasets in self.methods[method].places.items()
            for dataset in datasets
        ]

    def described(self, grid: bool = False) -> dict:
        """The resolved config with the methods measured: what the report reads."""
        methods = dict.fromkeys(method for _, _, method in self.measured(grid))
        return {
            **self.config,
            "enabled_roles": self.roles,
            "stages": self.stages,
            "unseen": self.unseen,
            "methods": {name: asdict(self.methods[name]) | {"tasks": self.methods[name].tasks} for name in methods},
        }


def _places(entries: Iterable[dict]) -> str:
    """Where the folders named by environment variables should be, as the end of a sentence."""
    paths = sorted({entry["path"] for entry in entries if "$" in entry["path"]})
    return f", or let {', '.join(paths)} name its folder" if paths else ""


def _frame_size(pipeline: Path) -> int | None:
    """Pixels that a model folder makes, None where there is no model."""
    return json.loads(pipeline.read_text())["frame_size"] if pipeline.is_file() else None
