# Rendered clips of moving objects and stage 1 trained on them, for the figure of that name; no job where objects_steps is 0.
# Without mask: with it a short training hardly uses the motion, and then the figure could tell nothing.


rule render_objects:
    output:
        manifest="<results>/clips/objects-{kind}/manifest.tsv",
        cross="<results>/clips/objects-{kind}/cross.tsv",
        refused="<results>/clips/objects-{kind}/refused.tsv",
    log:
        "<logs>/clips/objects-{kind}.log",
    benchmark:
        "<benchmarks>/clips/objects-{kind}.tsv"
    wildcard_constraints:
        kind="one|two",
    params:
        frame_size=config["frame_size"],
        seed=config["seed"],
        source=source("semo.objects"),
        out=subpath(output.manifest, parent=True),
    resources:
        mem_mb=1000,
        runtime=needs.runtime_min(config["preset"], "prepare"),
    conda:
        "../../environment.yml"
    message:
        "Clips of objects-{wildcards.kind}, {params.frame_size} pixels"
    shell:
        "python -m semo.objects --kind {wildcards.kind} --frame-size {params.frame_size} --seed {params.seed}"
        " --out {params.out} > {log} 2>&1"


use rule train as train_objects with:
    input:
        manifests=expand("<results>/clips/objects-{kind}/manifest.tsv", kind=["one", "two"]),
        init=[],
    output:
        "<results>/train/objects/model/pipeline.json",
    log:
        "<logs>/train/objects.log",
    benchmark:
        "<benchmarks>/train/objects.tsv"
    params:
        stage="stage1",
        preset=config["preset"],
        steps=BUDGETS["objects_steps"],
        seed=config["seed"],
        device=config["device"],
        clips=lambda wildcards, input: folders(input.manifests),
        init="",
        settings=lambda wildcards: f"{preset_settings(wildcards)} mask_max=0.0",
        launcher=launcher,
        options=training_options,
        source=source("semo.train", "semo/presets"),
        out=subpath(output[0], ancestor=2),
    threads: config["training"]["processes"]
    priority: 0
    message:
        "Train SeMo on moving objects, {params.steps} steps"
