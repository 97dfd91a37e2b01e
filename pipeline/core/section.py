"""What every part of params.yaml is: a section, or a choice among named extensions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
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
        key: what the name is called beside settings.
    """

    kinds: Mapping[str, type[Extension]]
    key: str = "name"

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices: dict[Any, CoreSchema] = {
            f"<{name}>": core_schema.no_info_before_validator_function(
                self._settings_alone, handler.generate_schema(kind)
            )
            for name, kind in self.kinds.items()
        }
        union = core_schema.tagged_union_schema(choices, lambda value: f"<{value[self.key]}>")
        return core_schema.no_info_before_validator_function(
            self._named,
            union,
            # A dump says which kind it was: results depend on it.
            serialization=core_schema.plain_serializer_function_ser_schema(self._named),
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        with_settings = []
        for name, kind in self.kinds.items():
            own = handler.resolve_ref_schema(handler(kind.__pydantic_core_schema__))
            properties = {self.key: {"const": name}, **own.get("properties", {})}
            required = [self.key, *own.get("required", [])]
            with_settings.append({**own, "properties": properties, "required": required})
        return {"anyOf": [{"enum": list(self.kinds)}, *with_settings]}

    def _named(self, value: object) -> dict[str, Any]:
        """Return the settings with their name, whichever way they were given."""
        known, key = list(self.kinds), self.key
        if isinstance(value, Extension):
            names = {kind: name for name, kind in self.kinds.items()}
            return {key: names[type(value)], **value.model_dump(exclude_defaults=True)}
        settings = {key: value} if isinstance(value, str) else value
        if not isinstance(settings, dict) or key not in settings:
            raise ValueError(f"found {value!r}, expected a name of {known}, or {{{key}: ...}}")
        name = settings[key]
        if not isinstance(name, str) or name not in self.kinds:
            raise ValueError(f"found {name!r}, expected one of {known}{nearest(name, known)}")
        return settings

    def _settings_alone(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Leave out the name, which has done its work when the kind is chosen."""
        return {key: value for key, value in settings.items() if key != self.key}


def nearest(name: object, known: Collection[str]) -> str:
    """Return `; did you mean 'focal'?` of the known name that is nearly `name`, or nothing."""
    near = get_close_matches(str(name), list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
