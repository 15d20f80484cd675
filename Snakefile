configfile: "workflow/config/mini.yaml"


report: "workflow/report/workflow.rst"


# Used with --software-deployment-method apptainer alone; container/semo.def builds it.
container: "container/semo.sif"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/objects.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/metric_networks.smk"


localrules:
    reproduce_all,
    ablations,
    clips,


# Tables 1-7, the figures and the report page. reports/tables.md is in git, so it alone would stop a fresh clone: its tables are named too.
rule reproduce_all:
    default_target: True
    input:
        tables("<results>/tables/{table}.tsv"),
        figures("<reports>/figures/{figure}.png"),
        "<reports>/tables.md",
        "<reports>/audit.md",
        "<reports>/index.html",
        "<results>/tables/summary.json",


# The whole grid of ablations.tsv with two seeds: hours. Its results are committed.
rule ablations:
    input:
        "reports/released/ablations.tsv",


# Clips of every enabled dataset, whether a role uses it or not.
rule clips:
    input:
        enabled("<results>/clips/{dataset}/manifest.tsv"),
