# Data sets and weights from outside, and the clips cut from them.


rule fetch_dataset:
    output:
        "data/raw/{dataset}/fetched.json",
    log:
        "<logs>/fetch/{dataset}.log",
    params:
        entry=dataset_entry,
    resources:
        mem_mb=1000,
        runtime=2880,
    conda:
        "../../environment.yml"
    message:
        "Fetch data set {wildcards.dataset}"
    shell:
        "python data/fetch.py {wildcards.dataset} 2>&1 | tee {log}"


rule fetch_weight:
    output:
        "data/weights/{weight}/fetched.json",
    log:
        "<logs>/fetch/weight-{weight}.log",
    params:
        entry=weight_entry,
    resources:
        mem_mb=1000,
        runtime=240,
    conda:
        "../../environment.yml"
    message:
        "Fetch weights {wildcards.weight}"
    shell:
        "python data/fetch.py --weight {wildcards.weight} 2>&1 | tee {log}"


rule prepare_clips:
    input:
        clips_input,
    output:
        manifest="<results>/clips/{dataset}/manifest.tsv",
        cross="<results>/clips/{dataset}/cross.tsv",
        refused="<results>/clips/{dataset}/refused.tsv",
    log:
        "<logs>/clips/{dataset}.log",
    benchmark:
        "<benchmarks>/clips/{dataset}.tsv"
    params:
        frame_size=config["frame_size"],
        entry=dataset_entry,
        videos=folder_listing,
        source=source("semo.prepare"),
        out=subpath(output.manifest, parent=True),
    resources:
        mem_mb=1500,
        runtime=needs.runtime_min(config["preset"], "prepare"),
    conda:
        "../../environment.yml"
    message:
        "Clips of {wildcards.dataset}, {params.frame_size} pixels"
    shell:
        "python -m semo.clips --dataset {wildcards.dataset} --frame-size {params.frame_size} --out {params.out}"
        " > {log} 2>&1"
