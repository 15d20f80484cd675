# Tables, figures and the page that holds them.


rule resolve_config:
    output:
        "<results>/{plan}.json",
    log:
        "<logs>/report/{plan}.log",
    wildcard_constraints:
        plan="config|grid",
    params:
        config=lambda wildcards: json.dumps(RUN.described(wildcards.plan == "grid"), indent=1, sort_keys=True),
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../environment.yml"
    message:
        "Write the resolved config"
    shell:
        "printf '%s\\n' {params.config:q} > {output} 2> {log}"


rule table:
    input:
        config="<results>/config.json",
        definition="reports/tables/{table}.yaml",
        paper=paper_tables,
        metrics=measured("<results>/metrics/{task}/{dataset}/{method}.tsv"),
    output:
        tidy=report(
            "<results>/tables/{table}.tsv",
            category="Tables",
            labels={"table": "{table}"},
            caption="../report/table.rst",
        ),
        csv="<results>/tables/{table}.csv",
        latex="<results>/tables/{table}.tex",
    log:
        "<logs>/report/{table}.log",
    params:
        results=subpath(input.config, parent=True),
        title=table_title,
        released=released_results(),
        source=source("semo.report", "semo/metrics"),
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../environment.yml"
    message:
        "Table {wildcards.table}"
    shell:
        "python -m semo.report table --definition {input.definition} --results {params.results}"
        " --config {input.config} --out {output.tidy} > {log} 2>&1"


rule figure:
    input:
        config="<results>/config.json",
        metrics=measured("<results>/metrics/{task}/{dataset}/{method}.tsv"),
        stages=stages("<results>/train/semo/{stage}/model/pipeline.json"),
        models=figure_models,
    output:
        report(
            "<reports>/figures/{figure}.png",
            category="Figures",
            labels={"figure": "{figure}"},
            caption="../report/figure.rst",
        ),
    log:
        "<logs>/report/{figure}.log",
    params:
        results=subpath(input.config, parent=True),
        caption=figure_caption,
        released=released_results(),
        source=figure_source,
    resources:
        mem_mb=2000,
        runtime=20,
    conda:
        "../../environment.yml"
    message:
        "Figure {wildcards.figure}"
    shell:
        "python -m semo.report figure {wildcards.figure} --results {params.results} --config {input.config}"
        " --out {output} > {log} 2>&1"


rule page:
    input:
        config="<results>/config.json",
        tables=tables("<results>/tables/{table}.tsv"),
        stages=stages("<results>/train/semo/{stage}/model/pipeline.json"),
        figures=figures("<reports>/figures/{figure}.png"),
    output:
        page="<reports>/tables.md",
        speed="<reports>/speed.md",
        summary="<results>/tables/summary.json",
        speed_table="<results>/tables/speed.tsv",
    log:
        "<logs>/report/page.log",
    params:
        results=subpath(input.config, parent=True),
        released=released_results(),
        source=source("semo.report"),
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../environment.yml"
    message:
        "Write {output.page}"
    shell:
        "python -m semo.report page --results {params.results} --config {input.config} --out {output.page} > {log} 2>&1"


rule audit:
    input:
        tables=expand("reports/tables/{table}.yaml", table=TABLES),
        paper=paper_tables,
    output:
        "<reports>/audit.md",
    log:
        "<logs>/report/audit.log",
    params:
        source=source("semo.report"),
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../environment.yml"
    message:
        "Audit the paper's numbers"
    shell:
        "python -m semo.report audit --out {output} > {log} 2>&1"


# Asks Snakemake itself, with this run's config; a run does not fail for want of the picture. A dry run may be planned on
# any machine of a cluster, but prints its notes before the graph.
rule rule_graph:
    output:
        "<results>/rulegraph.dot",
    log:
        "<logs>/report/rulegraph.log",
    params:
        config=json.dumps(config, sort_keys=True),
        source=source("Snakefile", "workflow/rules", "workflow/plan"),
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../environment.yml"
    message:
        "Graph of the rules"
    shell:
        "printf '%s' {params.config:q} > {output}.json"
        " && snakemake --dry-run reproduce_all --rulegraph dot --forceall --cores 1 --configfile {output}.json 2> {log}"
        " | grep -A 99999 ^digraph > {output}"
        " || true; rm -f {output}.json"


rule report_page:
    input:
        config="<results>/config.json",
        rules="<results>/rulegraph.dot",
        audit="<reports>/audit.md",
        definitions=tables("reports/tables/{table}.yaml"),
        paper=paper_tables,
        metrics=measured("<results>/metrics/{task}/{dataset}/{method}.tsv"),
        stages=stages("<results>/train/semo/{stage}/model/pipeline.json"),
        figures=figures("<reports>/figures/{figure}.png"),
    output:
        page="<reports>/index.html",
        folder=directory("<reports>/page"),
    log:
        "<logs>/report/index.log",
    params:
        results=subpath(input.config, parent=True),
        released=released_results(),
        source=source("semo.report.page", "semo/report/page"),
    resources:
        mem_mb=1500,
        runtime=10,
    conda:
        "../../environment.yml"
    message:
        "Write {output.page}"
    shell:
        "python -m semo.report.page --results {params.results} --config {input.config} --rules {input.rules}"
        " --out {output.page} > {log} 2>&1"


rule release_ablations:
    input:
        config="<results>/grid.json",
        metrics=measured("<results>/metrics/{task}/{dataset}/{method}.tsv", grid=True),
    output:
        table="reports/released/ablations.tsv",
        record="reports/released/ablations.json",
    log:
        "<logs>/report/release.log",
    params:
        results=subpath(input.config, parent=True),
        source=source("semo.report"),
    resources:
        mem_mb=1000,
        runtime=10,
    conda:
        "../../environment.yml"
    message:
        "Write {output.table}"
    shell:
        "python -m semo.report release --results {params.results} --config {input.config}"
        " --out {output.table} > {log} 2>&1"
