"""
What every rule file uses: the checked settings, the folders, and which code a stage runs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(workflow.basedir))

from pipeline.core.locks import clear_stale_lock
from pipeline.core.section import Section
from pipeline.core.secrets import hide_secrets
from pipeline.core.source_code import recorded_code
from pipeline.sampling import Sampling
from pipeline.settings.named_files import missing_files
from pipeline.settings.origins import tell_replaced
from pipeline.settings.params import Params, refuse
from pipeline.settings.yaml_file import read_yaml

try:
    SETTINGS = read_yaml(Path("params.yaml"))
    PARAMS = Params(SETTINGS, "params.yaml")
    if workflow.is_main_process:
        refuse(missing_files(PARAMS), "params.yaml")
        tell_replaced(PARAMS, SETTINGS)
except (ValueError, OSError) as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(2)

DATA = f"data/{PARAMS.dataset}"
RESULTS = f"results/{PARAMS.dataset}"
LOGS = f"logs/{PARAMS.dataset}"
# Versioned by git, not by DVC: no output, but what downloads have to match.
LOCK = f"locks/{PARAMS.dataset}.csv"

if workflow.is_main_process:
    ALIVE = clear_stale_lock(Path(".snakemake"))

# Jobs end when the Snakemake or the shell that started them is gone. They run the interpreter that runs
# Snakemake, whether or not its environment is activated, and find this project also where Python
# does not look in the working folder (PYTHONSAFEPATH). In huge pages, which glibc asks for only
# when told to at the start, a training takes about a tenth less.
shell.executable("bash")
PROGRAMS, ROOT = str(Path(sys.executable).parent), str(workflow.basedir)
shell.prefix(  # which Snakemake formats with the names above
    # Logs take a stage's stderr; its warnings also go where Snakemake's own messages go.
    "set -euo pipefail; exec 3>&2; export AVA_TERMINAL=3 AVA_PARENT=$PPID AVA_STARTED_BY=$$"
    " GLIBC_TUNABLES=${{GLIBC_TUNABLES:-glibc.malloc.hugetlb=1}}"
    " PATH={PROGRAMS:q}:$PATH"
    " PYTHONPATH={ROOT:q}${{PYTHONPATH:+:$PYTHONPATH}}; "
)


def code(stage):
    """Return a digest of what a stage's code does, for `params`: a comment changes nothing."""
    return lambda wildcards: recorded_code(stage)


def named(values):
    """Return `key=value` of settings, so that a reason to run again names the key."""
    return [f"{key}={value!r}" for key, value in recorded(values).items()]


def recorded(value):
    """Return settings as Snakemake keeps them with a job's outputs.

    What differs from the defaults, and without passwords.
    """
    if isinstance(value, Section):
        return recorded(value.model_dump(exclude_defaults=True))
    if isinstance(value, dict):
        return {name: recorded(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [recorded(each) for each in value]
    return hide_secrets(value) if isinstance(value, str) else value


wildcard_constraints:
    shard=r"\d+",
    job=r"\d+(_\d+)?",
    split="|".join(PARAMS.splits),
    variant="|".join(PARAMS.variants),
    pretrained="|".join(PARAMS.data.pretrained),
