"""
Fetch the published annotations, list the clips they need, fetch the videos shard by shard.

INPUT   data/<dataset>/mirror/ (demo), or the addresses and folders in params.yaml
OUTPUT  data/<dataset>/annotations/raw/, clips.csv, videos/<shard>/, videos/<shard>.csv
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
        parts=[part.model_dump() for part in PARAMS.data.parts],
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
    output:
        videos=directory(f"{DATA}/videos/{{shard}}"),
        report=f"{DATA}/videos/{{shard}}.csv",
    log:
        f"{LOGS}/download/{{shard}}.log",
    retries: 1
    params:
        parts=[part.model_dump() for part in PARAMS.data.parts],
        lock=f"locks/{PARAMS.dataset}/{{shard}}.csv",
        summary=f"{LOGS}/download/{{shard}}.json",
    message:
        "Download the videos of shard {wildcards.shard}"
    shell:
        "python -m pipeline.stages.download --clips {input.clips} --raw {input.raw}"
        " --shard {wildcards.shard} --videos {output.videos} --report {output.report}"
        " --mirror {input.mirror} --lock {params.lock} --summary {params.summary} > {log} 2>&1"


rule all_videos:
    input:
        expand(f"{DATA}/videos/{{shard}}.csv", shard=PARAMS.shards),
    localrule: True
