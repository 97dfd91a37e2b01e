"""
Draw the synthetic dataset of the demo, laid out like the hosts that publish the real data.

OUTPUT  data/<dataset>/mirror/<host>/<path>   (for real data: a folder with a note, nothing drawn)
"""


rule draw_world:
    output:
        mirror=directory(f"{DATA}/mirror"),
    log:
        f"{LOGS}/draw_world/all.log",
    benchmark:
        f"{LOGS}/draw_world/all.benchmark.tsv"
    threads: workflow.cores or 1
    params:
        code=code("draw_world"),
        values=named(PARAMS.stage_values("draw_world")),
        synthetic=PARAMS.data.synthetic,
        summary=f"{LOGS}/draw_world/all.json",
    message:
        "Draw the synthetic dataset"
    shell:
        """
        python -m pipeline.stages.draw_world \\
            --mirror {output.mirror:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """
