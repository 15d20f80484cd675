# Videos: one job per (task, dataset, method).


rule generate:
    input:
        manifest="<results>/clips/{dataset}/manifest.tsv",
        weights=method_weights,
    output:
        "<results>/generated/{task}/{dataset}/{method}/run.json",
    log:
        "<logs>/generate/{task}-{dataset}-{method}.log",
    benchmark:
        "<benchmarks>/generate/{task}-{dataset}-{method}.tsv"
    params:
        plugin=lambda wildcards: RUN.methods[wildcards.method].plugin,
        size=lambda wildcards: RUN.methods[wildcards.method].size,
        weights=weights_option,
        clips=subpath(input.manifest, parent=True),
        seed=config["seed"],
        max_clips=BUDGETS["eval_clips"],
        max_frames=BUDGETS["eval_frames"],
        steps=sampler_steps,
        device=config["device"],
        source=method_source,
        out=subpath(output[0], parent=True),
    threads: 1
    resources:
        mem_mb=needs.memory_mb(config["preset"], "generate"),
        runtime=needs.runtime_min(config["preset"], "generate"),
        gpu=1 if config["device"] != "cpu" else 0,
    conda:
        "../../environment.yml"
    message:
        "Generate {wildcards.task} {wildcards.dataset} {wildcards.method}"
    shell:
        "python workflow/scripts/begin.py {params.out} {params:q} {input}"
        " && python -m semo.generate --task {wildcards.task} --method {wildcards.method} --plugin {params.plugin}"
        " {params.weights} --size {params.size} --clips {params.clips} --out {params.out} --seed {params.seed}"
        " --max-clips {params.max_clips} --max-frames {params.max_frames}"
        " {params.steps} --device {params.device} --threads {threads} > {log} 2>&1"
