"""
Fetch the published annotations, list the clips they need, fetch the videos: a batch for each shard
and, where a subset's sources mix archives with others, for each round of them.

INPUT   data/<dataset>/mirror/ (demo), or the addresses and folders in params.yaml
OUTPUT  data/<dataset>/annotations/raw/, clips.csv, videos/<batch>/, videos/<batch>.csv

The folder videos/<batch>/ is no output that Snakemake knows of, or it would be deleted before the
job runs again: what it holds is not to be downloaded twice. Where its table is, it is whole.
"""


rule download_annotations:
    input:
        code=code("download_annotations"),
        mirror=f"{DATA}/mirror",
    output:
        raw=directory(f"{DATA}/annotations/raw"),
    log:
        f"{LOGS}/download_annotations/all.log",
    retries: 1
    params:
        files=[file.model_dump() for file in PARAMS.data.annotation_files],
        lock=LOCK,
        summary=f"{LOGS}/download_annotations/all.json",
    message:
        "Download the annotations"
    shell:
        "python -m pipeline.stages.download_annotations --mirror {input.mirror} --raw {output.raw}"
        " --lock {params.lock} --summary {params.summary} > {log} 2>&1"


rule list_clips:
    input:
        code=code("list_clips"),
        raw=f"{DATA}/annotations/raw",
    output:
        clips=f"{DATA}/clips.csv",
    log:
        f"{LOGS}/list_clips/all.log",
    params:
        values=PARAMS.stage_values("list_clips"),
        subsets=[subset.model_dump() for subset in PARAMS.data.subsets],
        pretrained=[each.model_dump() for each in PARAMS.data.pretrained.values()],
        shards=PARAMS.data.num_shards,
        summary=f"{LOGS}/list_clips/all.json",
    message:
        "List the clips to have"
    shell:
        "python -m pipeline.stages.list_clips --raw {input.raw} --clips {output.clips}"
        " --summary {params.summary} > {log} 2>&1"


rule download:
    input:
        code=code("download"),
        mirror=f"{DATA}/mirror",
        raw=f"{DATA}/annotations/raw",
        clips=f"{DATA}/clips.csv",
        earlier=lambda wildcards: expand(
            f"{DATA}/videos/{{batch}}.csv",
            batch=PARAMS.batches_before(wildcards.batch),
        ),
    output:
        report=f"{DATA}/videos/{{batch}}.csv",
    log:
        f"{LOGS}/download/{{batch}}.log",
    retries: 1
    params:
        subsets=[subset.model_dump() for subset in PARAMS.data.subsets],
        folder=f"{DATA}/videos",
        lock=lambda wildcards: f"locks/{PARAMS.dataset}/{wildcards.batch.partition('_')[0]}.csv",
        summary=f"{LOGS}/download/{{batch}}.json",
    message:
        "Download the videos of {wildcards.batch}"
    shell:
        "python -m pipeline.stages.download --clips {input.clips} --raw {input.raw}"
        " --batch {wildcards.batch} --earlier {params.folder}"
        " --videos {params.folder}/{wildcards.batch} --report {output.report}"
        " --mirror {input.mirror} --lock {params.lock} --summary {params.summary} > {log} 2>&1"


rule all_videos:
    input:
        expand(f"{DATA}/videos/{{batch}}.csv", batch=PARAMS.every_batch),
    localrule: True
