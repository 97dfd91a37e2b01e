"""
Rebuild the whole study: `snakemake --cores 32`.

What is built, and with which values, stands in params.yaml.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"
include: "workflow/rules/world.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/frames.smk"
include: "workflow/rules/annotations.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/results.smk"


rule all:
    default_target: True
    input:
        rules.record.output,
        RESULT_FILES,  # also where only one of them was deleted
    localrule: True
