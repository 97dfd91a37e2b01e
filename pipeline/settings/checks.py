"""Every mistake in params.yaml, with its key, what was found, what is allowed and the nearest name.

The whole file is checked: also values that a dataset or a variant overrides, and datasets that are
not built now.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, get_args, get_origin

from pydantic import ValidationError

from pipeline.core.command import one_line
from pipeline.core.section import OneOf, Section, nearest
from pipeline.settings.sections import STAGES, Dataset

NAME = re.compile("[A-Za-z][A-Za-z0-9_-]{0,99}")  # part of paths, commands and addresses in DVC
# Stages whose values a dataset may change: those that depend on the size of its frames or models.
PER_DATASET = ("list_clips", "extract_frames", "pretrain", "train", "evaluate")
TOP = ("dataset", *STAGES, "variants", "datasets")
NEEDED = [
    key
    for key in TOP
    if key not in STAGES or any(f.is_required() for f in STAGES[key].model_fields.values())
]
SHOWN = 80  # characters of a value in a message
Keys = tuple[str | int, ...]


class Mistake(NamedTuple):
    """What is wrong at a key."""

    keys: Keys
    text: str

    def __str__(self) -> str:
        where = one_line(".".join(map(str, self.keys)))
        return f"{where}: {self.text}" if where else self.text


def mistakes_in(raw: Mapping[str, Any], dataset: object) -> Iterator[Mistake]:
    """Yield what is wrong in the file; what needs a key that is wrong itself is not looked at.

    Args:
        raw: content of params.yaml.
        dataset: name of the one to build; its variants are checked with it.
    """
    if found := list(_in_outline(raw, dataset)):
        yield from found
        return
    for stage, kind in STAGES.items():
        yield from _in_section((stage,), kind, raw.get(stage, {}))
    for name, values in raw["datasets"].items():
        yield from _in_section(("datasets", name), Dataset, values)
        for stage, own in values.get("settings", {}).items():
            together = {**raw[stage], **own}
            yield from _in_changes(("datasets", name, "settings", stage), stage, together, own)
    base = {**raw["train"], **raw["datasets"][dataset].get("settings", {}).get("train", {})}
    of_base = {mistake.text for mistake in _in_section(("train",), STAGES["train"], base)}
    for name, values in raw["variants"].items():
        own = values or {}
        for mistake in _in_changes(("variants", name), "train", {**base, **own}, own):
            if len(mistake.keys) > 2 or mistake.text not in of_base:
                yield mistake


def _in_outline(raw: Mapping[str, Any], dataset: object) -> Iterator[Mistake]:
    """Yield mistakes in the keys that lead to sections, and in names."""
    yield from _in_keys((), raw, TOP, needed=NEEDED)
    for key in TOP[1:]:
        if key in raw and not isinstance(raw[key], dict):
            yield _no_mapping((key,), raw[key])
    datasets = raw.get("datasets")
    if not isinstance(datasets, dict) or not isinstance(raw.get("variants"), dict):
        return
    yield from _in_names(("variants",), raw["variants"])
    for name, own in raw["variants"].items():
        if own is not None and not isinstance(own, dict):
            yield _no_mapping(("variants", name), own)
    yield from _in_names(("datasets",), datasets)
    for name, values in datasets.items():
        keys = ("datasets", name)
        if not isinstance(values, dict):
            yield _no_mapping(keys, values)
            continue
        if isinstance(values.get("pretrained"), dict):
            yield from _in_names((*keys, "pretrained"), values["pretrained"])
        settings = values.get("settings")
        if not isinstance(settings, dict):
            yield _no_mapping((*keys, "settings"), settings)
            continue
        # All of them, though empty: DVC asks for each.
        yield from _in_keys((*keys, "settings"), settings, PER_DATASET, needed=PER_DATASET)
        for stage, own in settings.items():
            if not isinstance(own, dict):
                yield _no_mapping((*keys, "settings", stage), own)
    if not isinstance(dataset, str) or dataset not in datasets:
        expected = f"expected one of {list(datasets)}{nearest(dataset, datasets)}"
        yield Mistake(("dataset",), f"found {_shown(dataset)}, {expected}")


def _no_mapping(keys: Keys, found: object) -> Mistake:
    return Mistake(keys, f"found {_shown(found)}, expected keys and values")


def _in_keys(
    keys: Keys, found: Mapping[str, Any], allowed: Collection[str], needed: Collection[str] = ()
) -> Iterator[Mistake]:
    for key in found:
        if key not in allowed:
            yield Mistake((*keys, key), _unknown(key, allowed))
    for key in needed:
        if key not in found:
            yield Mistake(keys, f"missing key {key!r}; it takes {list(allowed)}")


def _in_names(keys: Keys, names: Collection[object]) -> Iterator[Mistake]:
    folders: dict[str, object] = {}
    for name in names:
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            expected = "expected a letter, then at most 99 letters, digits, _ or -"
            yield Mistake(keys, f"found the name {_shown(name)}, {expected}")
        elif (other := folders.setdefault(name.lower(), name)) != name:
            yield Mistake(
                keys,
                f"found {other!r} and {name!r}, expected names that differ not "
                "only in capitals: some disks take them for one",
            )


def _in_changes(
    keys: Keys, stage: str, together: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[Mistake]:
    """Yield the mistakes that changes make in a section.

    Args:
        keys: of the changes.
        stage: whose section they change.
        together: the section with its changes.
        own: the changes; mistakes in other values are those of the section itself.
    """
    for mistake in _in_section(keys, STAGES[stage], together):
        below = mistake.keys[len(keys) :]
        if not below or below[0] in own:
            yield mistake


def _in_section(keys: Keys, kind: type[Section], values: Mapping[str, Any]) -> Iterator[Mistake]:
    try:
        kind.model_validate(values)
    except ValidationError as error:
        for each in error.errors():
            yield _mistake(keys, kind, dict(each))


def _mistake(keys: Keys, kind: type[Section], error: dict[str, Any]) -> Mistake:
    # Names in < > are the kinds of extensions, which stand beside their settings.
    location: Keys = (*keys, *(key for key in error["loc"] if not str(key).startswith("<")))
    if error["type"] == "extra_forbidden":
        return Mistake(location, _unknown(location[-1], fields_at(kind, error["loc"][:-1])))
    if error["type"] == "missing":
        return Mistake(location, "not there, expected a value")
    if error["type"] == "value_error":
        return Mistake(location, str(error["ctx"]["error"]).removeprefix(f"{location[-1]}: "))
    message = error["msg"][:1].lower() + error["msg"][1:]
    return Mistake(location, f"found {_shown(error['input'])}, expected: {message}")


def fields_at(kind: type[Section], location: Keys) -> list[str]:
    """Return the keys that a section below `kind` takes; `location` as pydantic gives it."""
    inside: Any = kind
    for key in location:
        if isinstance(inside, type) and issubclass(inside, Section):
            field = inside.model_fields[str(key)]
            inside = (
                Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            )
        else:
            inside = _item(inside, key)
        inside = _chosen(inside)
    return (
        list(inside.model_fields)
        if isinstance(inside, type) and issubclass(inside, Section)
        else []
    )


def _item(inside: Any, key: str | int) -> Any:
    if isinstance(inside, OneOf):
        return inside.kinds[str(key).strip("<>")]
    return get_args(inside)[-1]  # of a list, or the values of a dict


def _chosen(inside: Any) -> Any:
    """Return what an annotation is about: no `None` beside it, no remarks on it."""
    if get_origin(inside) is Annotated:
        marks = [mark for mark in get_args(inside) if isinstance(mark, OneOf)]
        return marks[0] if marks else _chosen(get_args(inside)[0])
    others = [each for each in get_args(inside) if each is not type(None)]
    return _chosen(others[0]) if type(None) in get_args(inside) else inside


def _unknown(key: object, allowed: Collection[str]) -> str:
    near = nearest(key, allowed)
    return f"unknown key {_shown(key)}{near}{' It' if near else '; it'} takes {list(allowed)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
