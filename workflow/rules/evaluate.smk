# Metrics of every (task, dataset, method): one row per clip, and the values of whole sets beside them.


rule evaluate:
    input:
        run="<results>/generated/{task}/{dataset}/{method}/run.json",
        manifest="<results>/clips/{dataset}/manifest.tsv",
    output:
        table="<results>/metrics/{task}/{dataset}/{method}.tsv",
        record="<results>/metrics/{task}/{dataset}/{method}.json",
    log:
        "<logs>/evaluate/{task}-{dataset}-{method}.log",
    benchmark:
        "<benchmarks>/evaluate/{task}-{dataset}-{method}.tsv"
    params:
        generated=subpath(input.run, parent=True),
        clips=subpath(input.manifest, parent=True),
        tier=config["tier"],
        networks=networks_here,
        features=f"{config['results']}/features",
        device=config["device"],
        source=source("semo.evaluate", "semo/metrics", "semo/features", "semo/weights/metrics"),
    resources:
        mem_mb=2500,
        runtime=needs.runtime_min(config["preset"], "evaluate"),
        gpu=1 if config["device"] != "cpu" else 0,
    conda:
        "../../environment.yml"
    message:
        "Evaluate {wildcards.task} {wildcards.dataset} {wildcards.method}"
    shell:
        "python -m semo.evaluate --task {wildcards.task} --generated {params.generated} --clips {params.clips}"
        " --out {output.table} --tier {params.tier} --features {params.features} --device {params.device}"
        " --threads {threads} > {log} 2>&1"
