"""
Download the published annotations, list the clips they need, download the videos: a job for each
shard and, where a subset's sources mix archives with others, for each pass over them.

INPUT   data/<dataset>/mirror/ (demo), or the addresses and folders in params.yaml
OUTPUT  data/<dataset>/annotations/raw/, clips.csv, videos/<job>/, videos/<job>.csv

The folder videos/<job>/ is no output that Snakemake knows of, or it would be deleted before the job
runs again: what it holds is not to be downloaded twice. Where its table is, it is whole.
"""


rule download_annotations:
    input:
        mirror=f"{DATA}/mirror",
    output:
        raw=directory(f"{DATA}/annotations/raw"),
    log:
        f"{LOGS}/download_annotations/all.log",
    benchmark:
        f"{LOGS}/download_annotations/all.benchmark.tsv"
    retries: 1
    resources:
        connections=1,
    params:
        code=code("download_annotations"),
        files=recorded(PARAMS.data.annotation_files),
        lock=LOCK,
        summary=f"{LOGS}/download_annotations/all.json",
    message:
        "Download the annotations"
    shell:
        """
        python -m pipeline.stages.download_annotations \\
        --mirror {input.mirror:q} \\
        --raw {output.raw:q} \\
        --lock {params.lock:q} \\
        --summary {params.summary:q} \\
        >{log:q} 2>&1
        """


rule list_clips:
    input:
        raw=f"{DATA}/annotations/raw",
    output:
        clips=f"{DATA}/clips.csv",
    log:
        f"{LOGS}/list_clips/all.log",
    benchmark:
        f"{LOGS}/list_clips/all.benchmark.tsv"
    params:
        code=code("list_clips"),
        values=named(PARAMS.stage_values("list_clips")),
        subsets=recorded(PARAMS.data.subsets),
        pretrained=recorded(PARAMS.data.pretrained),
        shards=PARAMS.data.num_shards,
        summary=f"{LOGS}/list_clips/all.json",
    message:
        "List the clips to have"
    shell:
        """
        python -m pipeline.stages.list_clips \\
            --raw {input.raw:q} \\
            --clips {output.clips:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """


rule download:
    input:
        mirror=f"{DATA}/mirror",
        raw=f"{DATA}/annotations/raw",
        clips=f"{DATA}/clips.csv",
        earlier=lambda wildcards: expand(
            f"{DATA}/videos/{{job}}.csv", job=PARAMS.jobs_before(wildcards.job)
        ),
    output:
        report=f"{DATA}/videos/{{job}}.csv",
    log:
        f"{LOGS}/download/{{job}}.log",
    benchmark:
        f"{LOGS}/download/{{job}}.benchmark.tsv"
    retries: 1
    resources:
        connections=PARAMS.download.connections,
    params:
        code=code("download"),
        subsets=recorded(PARAMS.data.subsets),
        folder=f"{DATA}/videos",
        videos=f"{DATA}/videos/{{job}}",
        lock=lambda wildcards: f"locks/{PARAMS.dataset}/{wildcards.job.partition('_')[0]}.csv",
        summary=f"{LOGS}/download/{{job}}.json",
    message:
        "Download the videos of {wildcards.job}"
    shell:
        """
        python -m pipeline.stages.download \\
        --clips {input.clips:q} \\
        --raw {input.raw:q} \\
        --job {wildcards.job:q} \\
        --earlier {params.folder:q} \\
        --videos {params.videos:q} \\
        --report {output.report:q} \\
        --mirror {input.mirror:q} \\
        --lock {params.lock:q} \\
        --summary {params.summary:q} \\
        >{log:q} 2>&1
        """


rule all_videos:
    input:
        expand(f"{DATA}/videos/{{job}}.csv", job=PARAMS.every_job),
    localrule: True
