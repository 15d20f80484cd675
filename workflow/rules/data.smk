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


if config["shard_clips"]:

    # Any number at once, on any machine; each cuts the videos that fall to it and writes one file.
    rule prepare_shard:
        input:
            clips_input,
        output:
            "<results>/clips/{dataset}/shards/{shards}/{shard}/part.json",
        log:
            "<logs>/clips/{dataset}/{shards}-{shard}.log",
        benchmark:
            "<benchmarks>/clips/{dataset}/{shards}-{shard}.tsv"
        params:
            preset=config["preset"],
            settings=preset_settings,
            device=config["device"],
            entry=dataset_entry,
            videos=folder_listing,
            source=source("semo.shards"),
            out=subpath(output[0], ancestor=4),
        resources:
            mem_mb=needs.memory_mb(config["preset"], "shard"),
            runtime=needs.runtime_min(config["preset"], "prepare"),
            gpu=1 if config["device"] != "cpu" else 0,
        conda:
            "../../environment.yml"
        message:
            "Shard {wildcards.shard} of {wildcards.shards} of {wildcards.dataset}"
        shell:
            "python -m semo.shards make --dataset {wildcards.dataset} --shard {wildcards.shard} --of {wildcards.shards}"
            " --preset {params.preset} --set {params.settings} --device {params.device} --out {params.out}"
            " > {log} 2>&1"

    rule gather_shards:
        input:
            shard_parts,
        output:
            manifest="<results>/clips/{dataset}/manifest.tsv",
            cross="<results>/clips/{dataset}/cross.tsv",
            refused="<results>/clips/{dataset}/refused.tsv",
            index="<results>/clips/{dataset}/shards.json",
        log:
            "<logs>/clips/{dataset}.log",
        params:
            preset=config["preset"],
            settings=preset_settings,
            shards=lambda wildcards, input: len(input),
            source=source("semo.shards"),
            out=subpath(output.manifest, parent=True),
        resources:
            mem_mb=4000,
            runtime=needs.runtime_min(config["preset"], "prepare"),
        conda:
            "../../environment.yml"
        message:
            "Index of {params.shards} shards of {wildcards.dataset}"
        shell:
            "python -m semo.shards gather --dataset {wildcards.dataset} --of {params.shards} --preset {params.preset}"
            " --set {params.settings} --out {params.out} > {log} 2>&1"

else:

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
