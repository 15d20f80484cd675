# SeMo's stages, each from the one before; ablation runs, which are stage 1 alone with one setting changed; models of a
# figure alone; rivals.


rule train:
    input:
        manifests=training_manifests,
        init=previous_stage,
    output:
        "<results>/train/semo/{stage}/model/pipeline.json",
    log:
        "<logs>/train/semo-{stage}.log",
    benchmark:
        "<benchmarks>/train/semo-{stage}.tsv"
    params:
        stage="{stage}",
        preset=config["preset"],
        steps=training_steps,
        seed=config["seed"],
        device=config["device"],
        clips=lambda wildcards, input: folders(input.manifests),
        init=lambda wildcards, input: f"--init {folders(input.init)}" if input.init else "",
        settings=preset_settings,
        launcher=launcher,
        options=training_options,
        source=source("semo.train", "semo/presets"),
        out=subpath(output[0], ancestor=2),
    threads: (1 if config["preset"] == "smoke" else 2) * config["training"]["processes"]
    priority: 10  # the chain of stages is the longest path: ablations fill the cores beside it
    resources:
        mem_mb=needs.memory_mb(config["preset"], "train"),
        runtime=needs.runtime_min(config["preset"], "train"),
        gpu=config["training"]["processes"] if config["device"] != "cpu" else 0,
    conda:
        "../../environment.yml"
    message:
        "Train SeMo {wildcards.stage}, {params.steps} steps"
    shell:
        "python workflow/scripts/begin.py {params.out} {params:q} {input}"
        " && {params.launcher} {params.stage} --preset {params.preset} --steps {params.steps} --seed {params.seed}"
        " --clips {params.clips} --out {params.out} --device {params.device}"
        f" --threads $(({{threads}} / {config['training']['processes']}))"
        " {params.options} {params.init} --set {params.settings} 2>&1 | tee {log}"


use rule train as train_ablation with:
    input:
        manifests=training_manifests,
        init=[],
    output:
        f"<results>/train/{ablation_space.wildcard_pattern}/stage1/model/pipeline.json",
    log:
        f"<logs>/train/{ablation_space.wildcard_pattern}.log",
    benchmark:
        f"<benchmarks>/train/{ablation_space.wildcard_pattern}.tsv"
    params:
        stage="stage1",
        preset=config["preset"],
        steps=BUDGETS["ablation_steps"],
        seed=lambda wildcards: RUN.ablations[wildcards.ablation].seed,
        device=config["device"],
        clips=lambda wildcards, input: folders(input.manifests),
        init="",
        settings=preset_settings,
        launcher=launcher,
        options=training_options,
        source=source("semo.train", "semo/presets"),
        out=subpath(output[0], ancestor=2),
    threads: config["training"]["processes"]
    message:
        "Train ablation {wildcards.ablation}, {params.steps} steps"


# Stage 2 with and without masked history, without the data set that figure drift draws on.
use rule train as train_drift with:
    input:
        manifests=drift_manifests,
        init=previous_stage,
    output:
        "<results>/train/drift/{history}/model/pipeline.json",
    log:
        "<logs>/train/drift-{history}.log",
    benchmark:
        "<benchmarks>/train/drift-{history}.tsv"
    params:
        stage="stage2",
        preset=config["preset"],
        steps=BUDGETS["drift_steps"],
        seed=config["seed"],
        device=config["device"],
        clips=lambda wildcards, input: folders(input.manifests),
        init=lambda wildcards, input: f"--init {folders(input.init)}" if input.init else "",
        settings=preset_settings,
        launcher=launcher,
        options=training_options,
        source=source("semo.train", "semo/presets"),
        out=subpath(output[0], ancestor=2),
    threads: config["training"]["processes"]
    priority: 0
    message:
        "Train stage 2 for figure drift ({wildcards.history}), {params.steps} steps"


# Rivals from scratch, each by its own paper's losses, all with the same number of pairs.
rule train_rival:
    input:
        manifests=training_manifests,
    output:
        "<results>/train/{rival}/{size}/model/config.json",
    log:
        "<logs>/train/{rival}-{size}.log",
    benchmark:
        "<benchmarks>/train/{rival}-{size}.tsv"
    wildcard_constraints:
        size="mini|official",
    params:
        steps=BUDGETS["rival_steps"],
        seed=config["seed"],
        device=config["device"],
        clips=lambda wildcards, input: folders(input.manifests),
        source=recipe_source,
        out=subpath(output[0], ancestor=2),
    threads: 1
    resources:
        mem_mb=needs.memory_mb(config["preset"], "train"),
        runtime=needs.runtime_min(config["preset"], "train"),
        gpu=1 if config["device"] != "cpu" else 0,
    conda:
        "../../environment.yml"
    message:
        "Train {wildcards.rival} ({wildcards.size}), {params.steps} steps"
    shell:
        "python workflow/scripts/begin.py {params.out} {params:q} {input}"
        " && python -m baselines.training {wildcards.rival} --size {wildcards.size} --steps {params.steps}"
        " --seed {params.seed} --clips {params.clips} --out {params.out} --threads {threads}"
        " --device {params.device} 2>&1 | tee {log}"
