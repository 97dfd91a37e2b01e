"""Datasets of a few seconds for tests: the project's own settings, cut down, and files to match.

Settings are always derived from params.yaml, so that a new key needs no edit in any test.
"""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import ROOT

Settings = dict[str, Any]


def read_settings(path: Path = ROOT / "params.yaml") -> Settings:
    """Return the content of a settings file: the project's own, if no other is named."""
    settings: Settings = read_yaml(path.read_text())
    return settings


def read_yaml(text: str) -> Any:
    """Return what a YAML text says."""
    return YAML(typ="safe", pure=True).load(text)


def write_settings(path: Path, settings: Settings) -> Path:
    """Write a settings file, with the keys in their order; return its path."""
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 1000
    writer.sort_base_mapping_type_on_output = False
    writer.dump(settings, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue())
    return path
