"""
Detect the persons of each keyframe, then merge annotations, person boxes and frames into index files.

INPUT   data/<dataset>/annotations/raw/, clips.csv, videos/, clips/, frames/
OUTPUT  data/<dataset>/proposals/<split>.parquet, index/<split>.parquet,
        coverage.csv, coverage_by_class.csv, coverage.md
"""

FRAMES = expand(
    f"{DATA}/frames/{{shard}}.{{kind}}", shard=PARAMS.shards, kind=["tar", "parquet", "csv"]
)


rule detect_people:
    input:
        raw=f"{DATA}/annotations/raw",
        clips=f"{DATA}/clips.csv",
        frames=FRAMES,
    output:
        proposals=f"{DATA}/proposals/{{split}}.parquet",
    log:
        f"{LOGS}/detect_people/{{split}}.log",
    benchmark:
        f"{LOGS}/detect_people/{{split}}.benchmark.tsv"
    params:
        code=code("detect_people"),
        values=named(PARAMS.stage_values("detect_people")),
        subsets=lambda wildcards: recorded(PARAMS.subsets(wildcards.split)),
        frames=f"{DATA}/frames",
        lock=LOCK,
        summary=f"{LOGS}/detect_people/{{split}}.json",
    message:
        "Detect the persons of {wildcards.split}"
    shell:
        """
        python -m pipeline.stages.detect_people \\
            --raw {input.raw:q} \\
            --clips {input.clips:q} \\
            --frames {params.frames:q} \\
            --split {wildcards.split:q} \\
            --proposals {output.proposals:q} \\
            --lock {params.lock:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """


rule all_proposals:
    input:
        expand(f"{DATA}/proposals/{{split}}.parquet", split=PARAMS.splits),
    localrule: True


rule merge_annotations:
    input:
        raw=f"{DATA}/annotations/raw",
        clips=f"{DATA}/clips.csv",
        downloaded=expand(f"{DATA}/videos/{{job}}.csv", job=PARAMS.every_job),
        cut=expand(f"{DATA}/clips/{{shard}}.csv", shard=PARAMS.shards),
        frames=FRAMES,
        proposals=expand(f"{DATA}/proposals/{{split}}.parquet", split=PARAMS.splits),
    output:
        index=expand(f"{DATA}/index/{{split}}.parquet", split=PARAMS.splits),
        coverage=f"{DATA}/coverage.csv",
        by_class=f"{DATA}/coverage_by_class.csv",
        page=f"{DATA}/coverage.md",
    log:
        f"{LOGS}/merge_annotations/all.log",
    benchmark:
        f"{LOGS}/merge_annotations/all.benchmark.tsv"
    params:
        code=code("merge_annotations"),
        values=named(PARAMS.stage_values("merge_annotations")),
        subsets=recorded(PARAMS.data.subsets),
        classes=PARAMS.data.class_list,
        data=DATA,
        summary=f"{LOGS}/merge_annotations/all.json",
    message:
        "Merge the annotations"
    shell:
        """
        python -m pipeline.stages.merge_annotations \\
            --raw {input.raw:q} \\
            --clips {input.clips:q} \\
            --videos {params.data:q}/videos \\
            --cut {params.data:q}/clips \\
            --frames {params.data:q}/frames \\
            --proposals {params.data:q}/proposals \\
            --index {params.data:q}/index \\
            --coverage {output.coverage:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """
