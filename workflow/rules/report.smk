# Tables, figures and the page that holds them.


rule resolve_config:
    output:
        "<results>/config.json",
    log:
        "<logs>/report/config.log",
    params:
        config=json.dumps(RUN.described(), indent=1, sort_keys=True),
    shell:
        "printf '%s\\n' {params.config:q} > {output} 2> {log}"


rule table:
    input:
        config="<results>/config.json",
        definition="reports/tables/{table}.yaml",
        paper=paper_tables,
        metrics=measured("<results>/metrics/{task}/{dataset}/{method}.tsv"),
    output:
        report(
            "<results>/tables/{table}.tsv",
            category="Tables",
            labels={"table": "{table}"},
            caption="../report/table.rst",
        ),
    log:
        "<logs>/report/{table}.log",
    params:
        results=subpath(input.config, parent=True),
        source=source("semo.report"),
    resources:
        mem_mb=1000,
    shell:
        "python -m semo.report table --definition {input.definition} --results {params.results}"
        " --config {input.config} --out {output} > {log} 2>&1"


rule figure:
    input:
        config="<results>/config.json",
        metrics=measured("<results>/metrics/{task}/{dataset}/{method}.tsv"),
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
        source=source("semo.report"),
    resources:
        mem_mb=2000,
    shell:
        "python -m semo.report figure {wildcards.figure} --results {params.results} --config {input.config}"
        " --out {output} > {log} 2>&1"


rule page:
    input:
        config="<results>/config.json",
        tables=tables("<results>/tables/{table}.tsv"),
        figures=figures("<reports>/figures/{figure}.png"),
    output:
        page="<reports>/tables.md",
        summary="<results>/tables/summary.json",
    log:
        "<logs>/report/page.log",
    params:
        results=subpath(input.config, parent=True),
        source=source("semo.report"),
    shell:
        "python -m semo.report page --results {params.results} --config {input.config} --out {output.page} > {log} 2>&1"


rule release_ablations:
    input:
        metrics=measured("<results>/metrics/{task}/{dataset}/{method}.tsv", grid=True),
    output:
        "reports/released/ablations.tsv",
    log:
        "<logs>/report/release.log",
    params:
        config=json.dumps(RUN.described(grid=True), sort_keys=True),
        results=config["results"],
        source=source("semo.report"),
    shell:
        "python -m semo.report release --results {params.results} --config <(printf '%s' {params.config:q})"
        " --out {output} > {log} 2>&1"
