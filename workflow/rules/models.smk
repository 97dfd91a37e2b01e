"""
Pretrain or fetch the backbones, then train and evaluate one detector per variant.

INPUT   data/<dataset>/index/, frames/, clips.csv
OUTPUT  data/<dataset>/pretrained/<name>.pt
        results/<dataset>/variants/<variant>/{model.pt,best.pt,history.csv}
        results/<dataset>/variants/<variant>/{detections.parquet,detections/,metrics.json,per_class_ap.csv,errors.json}
"""


def cores_of(settings):
    """Cores that a training keeps busy: its own, and those of the processes that feed it."""
    return settings.threads + settings.workers


def starting_from(pretrained):
    """Variants that wait for a backbone: the one that most wait for is made first."""
    return sum(PARAMS.train(variant).pretrained == pretrained for variant in PARAMS.variants)


def stills_of(variant):
    """Stills of a clip: the longest training goes first, so that none is left alone at the end."""
    return Sampling.parse(PARAMS.train(variant).sampling).num_frames


INDEX = expand(f"{DATA}/index/{{split}}.parquet", split=PARAMS.splits)


rule pretrain:
    input:
        code=code("pretrain"),
        clips=f"{DATA}/clips.csv",
        frames=FRAMES,
    output:
        model=f"{DATA}/pretrained/{{pretrained}}.pt",
    log:
        f"{LOGS}/pretrain/{{pretrained}}.log",
    priority: lambda wildcards: starting_from(wildcards.pretrained)
    threads: cores_of(PARAMS.pretrain)
    resources:
        gpu=1,
    params:
        values=PARAMS.stage_values("pretrain"),
        source=lambda wildcards: PARAMS.data.pretrained[wildcards.pretrained].model_dump(),
        frames=f"{DATA}/frames",
        state=f"{LOGS}/pretrain/{{pretrained}}.state.pt",
        lock=LOCK,
        summary=f"{LOGS}/pretrain/{{pretrained}}.json",
    message:
        "Pretrain {wildcards.pretrained}"
    shell:
        "python -m pipeline.stages.pretrain --name {wildcards.pretrained} --clips {input.clips}"
        " --frames {params.frames} --model {output.model} --processes {resources.gpu}"
        " --state {params.state} --lock {params.lock} --summary {params.summary} > {log} 2>&1"


rule all_pretrained:
    input:
        expand(f"{DATA}/pretrained/{{pretrained}}.pt", pretrained=PARAMS.data.pretrained),
    localrule: True


rule train:
    input:
        code=code("train"),
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
    priority: lambda wildcards: stills_of(wildcards.variant)
    threads: lambda wildcards: cores_of(PARAMS.train(wildcards.variant))
    resources:
        gpu=1,  # processes of one training: `--set-resources train:gpu=8`
    params:
        values=lambda wildcards: PARAMS.train_values(wildcards.variant),
        index=f"{DATA}/index",
        frames=f"{DATA}/frames",
        state=f"{LOGS}/train/{{variant}}.state.pt",
        summary=f"{LOGS}/train/{{variant}}.json",
    message:
        "Train {wildcards.variant}"
    shell:
        "python -m pipeline.stages.train --variant {wildcards.variant} --raw {input.raw}"
        " --index {params.index} --frames {params.frames} --pretrained {input.pretrained}"
        " --model {output.model} --best {output.best} --history {output.history}"
        " --processes {resources.gpu} --state {params.state} --summary {params.summary} > {log} 2>&1"


rule evaluate:
    input:
        code=code("evaluate"),
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
    threads: lambda wildcards: cores_of(PARAMS.train(wildcards.variant))
    resources:
        gpu=1,
    params:
        values=PARAMS.stage_values("evaluate"),
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
        "python -m pipeline.stages.evaluate --variant {wildcards.variant} --model {params.weights}"
        " --raw {input.raw} --index {params.index} --frames {params.frames}"
        " --out {params.results} --summary {params.summary} > {log} 2>&1"
