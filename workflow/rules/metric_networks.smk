# The small networks of the bundled tier, trained again: `snakemake metric_networks`. The shipped ones in
# semo/weights/metrics came from the same commands; nothing else of the workflow depends on these files.

METRIC_NETWORKS = "<results>/metric-networks"
METRIC_SUBSETS = ["broadcast", "street", "studio"]


localrules:
    metric_networks,


rule metric_networks:
    input:
        expand(f"{METRIC_NETWORKS}/corpus-{{network}}.safetensors", network=["frame", "clip", "av", "perceptual"]),


# 128 px, the size of the training clips: mouths are seen at that size and at 64 px.
rule metric_clips:
    input:
        "data/portraits-mini/corpus.tsv",
        "data/portraits-mini/cross.tsv",
    output:
        f"{METRIC_NETWORKS}/clips/{{subset}}/manifest.tsv",
    log:
        "<logs>/metric-networks/clips-{subset}.log",
    params:
        out=subpath(output[0], parent=True),
    wildcard_constraints:
        subset="|".join(METRIC_SUBSETS),
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    conda:
        "../../environment.yml"
    message:
        "Prepare portraits-mini-{wildcards.subset} at 128 px"
    shell:
        "python -m semo.clips --dataset portraits-mini-{wildcards.subset} --frame-size 128 --out {params.out}"
        " > {log} 2>&1"


rule metric_network:
    input:
        clips=expand(f"{METRIC_NETWORKS}/clips/{{subset}}/manifest.tsv", subset=METRIC_SUBSETS),
        frame_net=lambda wildcards: (
            [] if wildcards.network == "frame" else f"{METRIC_NETWORKS}/corpus-frame.safetensors"
        ),
    output:
        f"{METRIC_NETWORKS}/corpus-{{network}}.safetensors",
    log:
        "<logs>/metric-networks/{network}.log",
    benchmark:
        "<benchmarks>/metric-networks/{network}.tsv"
    params:
        clips=lambda wildcards, input: folders(input.clips),
        run=f"{METRIC_NETWORKS}/runs/{{network}}",
        frame_net=lambda wildcards, input: f"--frame-net {input.frame_net}" if input.frame_net else "",
        source=source("semo.features.train"),
    wildcard_constraints:
        network="frame|clip|av|perceptual",
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    conda:
        "../../environment.yml"
    message:
        "Train the metric network corpus-{wildcards.network}"
    shell:
        "python -m semo.features.train corpus-{wildcards.network} --clips {params.clips} --run {params.run}"
        " --out {output} {params.frame_net} > {log} 2>&1"
