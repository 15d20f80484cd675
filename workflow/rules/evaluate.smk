# Metrics: one row per clip for every (task, dataset, method).


rule evaluate:
    input:
        run="<results>/generated/{task}/{dataset}/{method}/run.json",
        manifest="<results>/clips/{dataset}/manifest.tsv",
    output:
        table="<results>/metrics/{task}/{dataset}/{method}.tsv",
        record="<results>/metrics/{task}/{dataset}/{method}.json",
    log:
        "<logs>/evaluate/{task}-{dataset}-{method}.log",
    params:
        generated=subpath(input.run, parent=True),
        clips=subpath(input.manifest, parent=True),
        source=source("semo.evaluate", "semo/metrics"),
    resources:
        mem_mb=1500,
    conda:
        "../../environment.yml"
    message:
        "Evaluate {wildcards.task} {wildcards.dataset} {wildcards.method}"
    shell:
        "python -m semo.evaluate --task {wildcards.task} --generated {params.generated} --clips {params.clips}"
        " --out {output.table} > {log} 2>&1"
