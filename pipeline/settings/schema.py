"""The JSON schema of params.yaml, by which editors complete and check it.

python -m pipeline.settings --schema > pipeline/settings/params.schema.json
"""

import json
from typing import Any

from pydantic import Field

from pipeline.settings.checks import NAME, PER_DATASET
from pipeline.settings.sections import STAGES, Dataset, StageSections, Train


class File(StageSections):
    """What to build and with which values."""

    dataset: str = Field(description="Name of the dataset to build")
    train: Train = Field(description="Training of detectors; a variant says what differs")
    variants: dict[str, Train | None] = Field(description="Variant to what differs from `train`")
    datasets: dict[str, Dataset] = Field(description="What can be built")


def schema() -> dict[str, Any]:
    """Return the schema: sections whole, the changes of datasets and variants in part."""
    made = File.model_json_schema()
    kinds = made["$defs"]
    for stage in PER_DATASET:
        name = STAGES[stage].__name__
        kinds[f"{name}Changes"] = {**kinds[name], "required": []}
    kinds["Dataset"]["properties"]["settings"] = {
        "type": "object",
        "additionalProperties": False,
        "description": "Stage to the values that differ here",
        "properties": {
            stage: {"$ref": f"#/$defs/{STAGES[stage].__name__}Changes"} for stage in PER_DATASET
        },
    }
    train = {"anyOf": [{"$ref": "#/$defs/TrainChanges"}, {"type": "null"}]}
    named = {"propertyNames": {"pattern": f"^{NAME.pattern}$"}}
    made["properties"]["variants"] |= {"additionalProperties": train, **named}
    made["properties"]["datasets"] |= named
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def schema_text() -> str:
    """Return the schema as the file holds it: a line for each section."""
    made = schema()
    lines = [f"{_json(key)}: {_lines(value)}" for key, value in made.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(value: object) -> str:
    if not isinstance(value, dict):
        return _json(value)
    return "{\n" + ",\n".join(f"  {_json(key)}: {_json(value[key])}" for key in value) + "\n}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
