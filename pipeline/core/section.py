"""What every part of params.yaml is: a section, or a choice among named extensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class Section(BaseModel):
    """Unknown keys and wrong types are errors; "3" is not a number, nor is infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Extension(Section):
    """One of several things that params.yaml names: its fields are its settings.

    A module of extensions imports no torch at its top: Snakemake reads the settings in every job.

    Attributes:
        label: what the report calls it.
    """

    label: ClassVar[str]

    def __str__(self) -> str:
        """Return the label, with the settings that differ from their defaults."""
        own = self.model_dump(exclude_defaults=True)
        return ", ".join([self.label, *(f"{key} {value}" for key, value in own.items())])


@dataclass(frozen=True, eq=False)  # a dict has no hash, and types in a union need one
class OneOf:
    """Annotation of a field that names an extension.

    `loss: focal` takes its defaults, `loss: {name: focal, gamma: 2.0}` sets some.

    Args:
        kinds: name to the class of its settings.
    """

    kinds: Mapping[str, type[Extension]]

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices: dict[Any, CoreSchema] = {
            # The name has done its work when the kind is chosen.
            f"<{name}>": core_schema.no_info_before_validator_function(
                _without_name, handler.generate_schema(kind)
            )
            for name, kind in self.kinds.items()
        }
        union = core_schema.tagged_union_schema(choices, discriminator=_tag)
        return core_schema.no_info_before_validator_function(partial(_named, self.kinds), union)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        with_settings = []
        for name, kind in self.kinds.items():
            own = handler(kind.__pydantic_core_schema__)
            own = handler.resolve_ref_schema(own)
            properties = {"name": {"const": name}, **own.get("properties", {})}
            required = ["name", *own.get("required", [])]
            with_settings.append({**own, "properties": properties, "required": required})
        return {"anyOf": [{"enum": list(self.kinds)}, *with_settings]}


def _named(kinds: Mapping[str, type[Extension]], value: object) -> object:
    """Return the settings with their name, whichever way they were written."""
    if isinstance(value, Extension):
        return {"name": {kind: name for name, kind in kinds.items()}[type(value)], **dict(value)}
    settings = {"name": value} if isinstance(value, str) else value
    if not isinstance(settings, dict) or "name" not in settings:
        raise ValueError(f"found {value!r}, expected a name of {list(kinds)}, or {{name: ...}}")
    if settings["name"] not in kinds:
        near = get_close_matches(str(settings["name"]), kinds, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"found {settings['name']!r}, expected one of {list(kinds)}{hint}")
    return settings


def _tag(value: Any) -> str:
    return f"<{value['name']}>"


def _without_name(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != "name"}
