"""
Keep the seconds that matter and turn them into frames, shard by shard.

INPUT   data/<dataset>/videos/<job>/, videos/<job>.csv, clips.csv
OUTPUT  data/<dataset>/clips/<shard>/, clips/<shard>.csv
        data/<dataset>/frames/<shard>.tar, frames/<shard>.parquet, frames/<shard>.csv
"""


def videos_of(shard):
    """What a shard has downloaded, pass by pass."""
    return [f"{DATA}/videos/{jobs[PARAMS.shards.index(shard)]}" for jobs in PARAMS.jobs]


rule cut_clips:
    input:
        clips=f"{DATA}/clips.csv",
        downloaded=lambda wildcards: [f"{each}.csv" for each in videos_of(wildcards.shard)],
    output:
        cut=directory(f"{DATA}/clips/{{shard}}"),
        report=f"{DATA}/clips/{{shard}}.csv",
    log:
        f"{LOGS}/cut_clips/{{shard}}.log",
    benchmark:
        f"{LOGS}/cut_clips/{{shard}}.benchmark.tsv"
    params:
        code=code("cut_clips"),
        values=named(PARAMS.stage_values("cut_clips")),
        videos=lambda wildcards: videos_of(wildcards.shard),
        summary=f"{LOGS}/cut_clips/{{shard}}.json",
    message:
        "Cut the clips of shard {wildcards.shard}"
    shell:
        """
        python -m pipeline.stages.cut_clips \\
            --clips {input.clips:q} \\
            --shard {wildcards.shard:q} \\
            --videos {params.videos:q} \\
            --downloaded {input.downloaded:q} \\
            --cut {output.cut:q} \\
            --report {output.report:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """


rule extract_frames:
    input:
        clips=f"{DATA}/clips.csv",
        cut=f"{DATA}/clips/{{shard}}",
        cut_report=f"{DATA}/clips/{{shard}}.csv",
    output:
        tar=f"{DATA}/frames/{{shard}}.tar",
        index=f"{DATA}/frames/{{shard}}.parquet",
        report=f"{DATA}/frames/{{shard}}.csv",
    log:
        f"{LOGS}/extract_frames/{{shard}}.log",
    benchmark:
        f"{LOGS}/extract_frames/{{shard}}.benchmark.tsv"
    resources:
        mem_mb=1500,
    params:
        code=code("extract_frames"),
        values=named(PARAMS.stage_values("extract_frames")),
        summary=f"{LOGS}/extract_frames/{{shard}}.json",
    message:
        "Extract the frames of shard {wildcards.shard}"
    shell:
        """
        python -m pipeline.stages.extract_frames \\
            --clips {input.clips:q} \\
            --cut {input.cut:q} \\
            --cut-report {input.cut_report:q} \\
            --tar {output.tar:q} \\
            --index {output.index:q} \\
            --report {output.report:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """


rule all_clips:
    input:
        expand(f"{DATA}/clips/{{shard}}.csv", shard=PARAMS.shards),
    localrule: True


rule all_frames:
    input:
        expand(f"{DATA}/frames/{{shard}}.tar", shard=PARAMS.shards),
    localrule: True
