"""Where each value in force comes from, and values that are in force nowhere."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.core.section import Section
from pipeline.settings.checks import Keys
from pipeline.settings.params import Params
from pipeline.settings.sections import STAGES

Raw = Mapping[str, Any]


class InForce(NamedTuple):
    """A value as a stage uses it.

    Attributes:
        key: such as `epochs`.
        value: in force.
        keys: of the value in params.yaml; empty for a default that the file does not name.
    """

    key: str
    value: object
    keys: Keys


def in_force(params: Params, raw: Raw, stage: str, variant: str | None = None) -> list[InForce]:
    """Return the values of a stage, in the order of its settings.

    Args:
        params: the checked settings of the dataset.
        raw: content of params.yaml.
        stage: a name in `STAGES`.
        variant: whose changes count, for `train`.
    """
    section: Section = getattr(params, stage) if variant is None else params.train(variant)
    owners = _owners(raw, params.dataset, stage, variant)
    found = []
    for key in type(section).model_fields:
        named = [keys for keys in owners if key in _at(raw, keys)]
        origin: Keys = (*named[-1], key) if named else ()
        value = _at(raw, origin[:-1])[key] if origin else getattr(section, key)
        found.append(InForce(key, value, origin))
    return found


def replaced(raw: Raw, dataset: str) -> list[str]:
    """Return keys such as `train.epochs` whose values a dataset's settings or all variants replace.

    Args:
        raw: content of params.yaml.
        dataset: a name in `datasets`.
    """
    found = []
    for stage, kind in STAGES.items():
        own = _at(raw, ("datasets", dataset, "settings", stage))
        variants = [_at(raw, ("variants", name)) for name in raw["variants"] if stage == "train"]
        for key in (key for key in kind.model_fields if key in raw.get(stage, {})):
            if key in own or (variants and all(key in each for each in variants)):
                found.append(f"{stage}.{key}")
    return found


def tell_replaced(params: Params, raw: Raw) -> None:
    """Say on stderr which values of the file change nothing: for this dataset, and for any."""
    mine = replaced(raw, params.dataset)
    of_any = [set(replaced(raw, dataset)) for dataset in raw["datasets"]]
    if nowhere := [key for key in mine if all(key in each for each in of_any)]:
        sys.stderr.write(f"WARNING params.yaml: no effect on any dataset: {', '.join(nowhere)}\n")
    if mine:
        sections = ", ".join(dict.fromkeys(key.partition(".")[0] for key in mine))
        sys.stderr.write(
            f"params.yaml: {params.dataset} has its own values for {len(mine)} keys of {sections}; "
            "`python -m pipeline.settings` shows those in force\n"
        )


def _owners(raw: Raw, dataset: str, stage: str, variant: str | None) -> list[Keys]:
    """Return the keys of the mappings that may hold a stage's values; the last one counts."""
    changes: Keys = ("datasets", dataset, "settings", stage)
    mine: list[Keys] = [] if variant is None else [("variants", variant)]
    return [(stage,), changes, *mine]


def _at(raw: Raw, keys: Keys) -> Mapping[str, Any]:
    inside: Any = raw
    for key in keys:
        inside = (inside or {}).get(key, {})
    return inside or {}
