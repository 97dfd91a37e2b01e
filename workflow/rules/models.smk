"""
Pretrain or fetch the backbones, then train and evaluate one detector per variant.

INPUT   data/<dataset>/index/, frames/, clips.csv
OUTPUT  data/<dataset>/pretrained/<name>.pt
        results/<dataset>/variants/<variant>/{model.pt,best.pt,history.csv}
        results/<dataset>/variants/<variant>/{detections.parquet,detections/,metrics.json,per_class_ap.csv,errors.json}
"""


def cores_of(settings):
    """Return the cores that a training keeps busy: its own and those of its data workers."""
    return settings.threads + settings.workers


def variants_from(pretrained):
    """Return the number of variants that start from a backbone.

    The backbone that most variants wait for is made first.
    """
    return sum(PARAMS.train(variant).pretrained == pretrained for variant in PARAMS.variants)


def frames_per_clip(variant):
    """Return the frames of a clip.

    The longest training goes first, so that it does not run alone at the end.
    """
    return Sampling.parse(PARAMS.train(variant).sampling).num_frames


INDEX = expand(f"{DATA}/index/{{split}}.parquet", split=PARAMS.splits)


rule pretrain:
    input:
        clips=f"{DATA}/clips.csv",
        frames=FRAMES,
    output:
        model=f"{DATA}/pretrained/{{pretrained}}.pt",
    log:
        f"{LOGS}/pretrain/{{pretrained}}.log",
    benchmark:
        f"{LOGS}/pretrain/{{pretrained}}.benchmark.tsv"
    priority: lambda wildcards: variants_from(wildcards.pretrained)
    threads: cores_of(PARAMS.pretrain)
    resources:
        gpu=1,
    params:
        code=code("pretrain"),
        values=named(PARAMS.stage_values("pretrain")),
        source=lambda wildcards: recorded(PARAMS.data.pretrained[wildcards.pretrained]),
        frames=f"{DATA}/frames",
        state=f"{LOGS}/pretrain/{{pretrained}}.state.pt",
        lock=LOCK,
        summary=f"{LOGS}/pretrain/{{pretrained}}.json",
    message:
        "Pretrain {wildcards.pretrained}"
    shell:
        """
        python -m pipeline.stages.pretrain \\
        --name {wildcards.pretrained:q} \\
        --clips {input.clips:q} \\
        --frames {params.frames:q} \\
        --model {output.model:q} \\
        --processes {resources.gpu:q} \\
        --state {params.state:q} \\
        --lock {params.lock:q} \\
        --summary {params.summary:q} \\
        >{log:q} 2>&1
        """


rule all_pretrained:
    input:
        expand(f"{DATA}/pretrained/{{pretrained}}.pt", pretrained=PARAMS.data.pretrained),
    localrule: True


rule train:
    input:
        raw=f"{DATA}/annotations/raw",
        index=INDEX,
        frames=FRAMES,
        pretrained=lambda wildcards: f"{DATA}/pretrained/{PARAMS.train(wildcards.variant).pretrained}.pt",
    output:
        model=f"{RESULTS}/variants/{{variant}}/model.pt",
        best=f"{RESULTS}/variants/{{variant}}/best.pt",
        history=f"{RESULTS}/variants/{{variant}}/history.csv",
    log:
        f"{LOGS}/train/{{variant}}.log",
    benchmark:
        f"{LOGS}/train/{{variant}}.benchmark.tsv"
    priority: lambda wildcards: frames_per_clip(wildcards.variant)
    threads: lambda wildcards: cores_of(PARAMS.train(wildcards.variant))
    resources:
        gpu=1,  # processes of one training: `--set-resources train:gpu=8`
    params:
        code=code("train"),
        values=lambda wildcards: named(PARAMS.train_values(wildcards.variant)),
        index=f"{DATA}/index",
        frames=f"{DATA}/frames",
        state=f"{LOGS}/train/{{variant}}.state.pt",
        summary=f"{LOGS}/train/{{variant}}.json",
    message:
        "Train {wildcards.variant}"
    shell:
        """
        python -m pipeline.stages.train \\
            --variant {wildcards.variant:q} \\
            --raw {input.raw:q} \\
            --index {params.index:q} \\
            --frames {params.frames:q} \\
            --pretrained {input.pretrained:q} \\
            --model {output.model:q} \\
            --best {output.best:q} \\
            --history {output.history:q} \\
            --processes {resources.gpu:q} \\
            --state {params.state:q} \\
            --summary {params.summary:q} \\
            > {log:q} 2>&1
        """


rule evaluate:
    input:
        raw=f"{DATA}/annotations/raw",
        index=INDEX,
        frames=FRAMES,
        model=f"{RESULTS}/variants/{{variant}}/model.pt",
        best=f"{RESULTS}/variants/{{variant}}/best.pt",
        history=f"{RESULTS}/variants/{{variant}}/history.csv",
    output:
        detections=f"{RESULTS}/variants/{{variant}}/detections.parquet",
        csv=directory(f"{RESULTS}/variants/{{variant}}/detections"),
        metrics=f"{RESULTS}/variants/{{variant}}/metrics.json",
        per_class=f"{RESULTS}/variants/{{variant}}/per_class_ap.csv",
        errors=f"{RESULTS}/variants/{{variant}}/errors.json",
    log:
        f"{LOGS}/evaluate/{{variant}}.log",
    benchmark:
        f"{LOGS}/evaluate/{{variant}}.benchmark.tsv"
    threads: lambda wildcards: cores_of(PARAMS.train(wildcards.variant))
    resources:
        gpu=1,
    params:
        code=code("evaluate"),
        values=named(PARAMS.stage_values("evaluate")),
        weights=lambda wildcards, input: (
            input.model if PARAMS.evaluate.checkpoint == "last" else input.best
        ),
        index=f"{DATA}/index",
        frames=f"{DATA}/frames",
        results=f"{RESULTS}/variants/{{variant}}",
        summary=f"{LOGS}/evaluate/{{variant}}.json",
    message:
        "Evaluate {wildcards.variant}"
    shell:
        """
        python -m pipeline.stages.evaluate \\
        --variant {wildcards.variant:q} \\
        --model {params.weights:q} \\
        --raw {input.raw:q} \\
        --index {params.index:q} \\
        --frames {params.frames:q} \\
        --out {params.results:q} \\
        --summary {params.summary:q} \\
        >{log:q} 2>&1
        """
