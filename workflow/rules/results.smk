"""
Gather the table, and record in DVC what was built.

INPUT   results/<dataset>/variants/<variant>/{metrics.json,per_class_ap.csv,errors.json,history.csv,detections.parquet}
OUTPUT  results/<dataset>/{metrics.json,report/,recorded.txt}
"""

RESULT_FILES = expand(
    f"{RESULTS}/variants/{{variant}}/{{file}}",
    variant=PARAMS.variants,
    file=[
        "model.pt",
        "best.pt",
        "history.csv",
        "detections.parquet",
        "metrics.json",
        "per_class_ap.csv",
        "errors.json",
    ],
)


rule report:
    input:
        raw=f"{DATA}/annotations/raw",
        index=INDEX,
        frames=FRAMES,
        coverage=f"{DATA}/coverage.csv",
        evaluated=expand(
            f"{RESULTS}/variants/{{variant}}/{{file}}",
            variant=PARAMS.variants,
            file=[
                "metrics.json",
                "per_class_ap.csv",
                "errors.json",
                "detections.parquet",
                "history.csv",
            ],
        ),
    output:
        metrics=f"{RESULTS}/metrics.json",
        report=directory(f"{RESULTS}/report"),
    log:
        f"{LOGS}/report/all.log",
    benchmark:
        f"{LOGS}/report/all.benchmark.tsv"
    params:
        code=code("report"),
        values=named(PARAMS.stage_values("report")),
        variants={variant: PARAMS.train_values(variant) for variant in PARAMS.variants},
        index=f"{DATA}/index",
        frames=f"{DATA}/frames",
        results=RESULTS,
        summary=f"{LOGS}/report/all.json",
    message:
        "Gather the table and the report"
    shell:
        """
        python -m pipeline.stages.report \\
            --results {params.results:q} \\
            --raw {input.raw:q} \\
            --index {params.index:q} \\
            --frames {params.frames:q} \\
            --coverage {input.coverage:q} \\
            --out {output.report:q} \\
            --metrics {output.metrics:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """


rule record:
    input:
        rules.report.output.metrics,
        rules.report.output.report,
        rules.all_pretrained.input,  # also those that no variant uses: DVC expects them
    output:
        stamp=f"{RESULTS}/recorded.txt",
    log:
        f"{LOGS}/record/all.log",
    benchmark:
        f"{LOGS}/record/all.benchmark.tsv"
    localrule: True
    params:
        logs=LOGS,
    message:
        "Record the build in DVC"
    shell:
        """
        python -m pipeline.stages.record \\
            --logs {params.logs:q} \\
            --stamp {output.stamp:q} \\
            > {log:q} 2>&1
        cat {log:q} >&2
        """
