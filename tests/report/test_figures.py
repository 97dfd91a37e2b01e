"""Charts: the same numbers give the same bytes, and nothing is only told by a image."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pandas as pd
import pytest

from pipeline.report.figures import make_charts, short_name
from pipeline.report.table import step_cell
from pipeline.training.variant_run import _chart


@pytest.fixture(scope="module")
def charts(study):
    return {chart.name: chart for chart in make_charts(study)}


def test_every_chart_is_there(charts):
    assert list(charts) == [
        *("ablation", "steps", "errors", "precision_recall", "training_loss", "training_map"),
    ]


def test_charts_are_well_formed_and_have_a_text_alternative(charts):
    for chart in charts.values():
        root = ElementTree.fromstring(chart.svg)
        assert root.get("role") == "img"
        assert chart.description in root.get("aria-label")
        assert chart.png.startswith(b"\x89PNG")


def test_ablation_names_every_variant_with_its_number(study, charts):
    for variant in study.variants:
        assert f"{variant.name} {100 * variant.mAP:.1f}" in charts["ablation"].description


def test_steps_are_told_in_words(study, charts):
    for variant in study.variants[1:]:
        assert f"{variant.name} {step_cell(variant.step)}" in charts["steps"].description


def test_errors_are_told_in_words(study, charts):
    for variant in study.variants:
        errors = variant.errors["val_ava"]
        now, then = 100 * errors["mAP"], 100 * errors["perfect_boxes"]["mAP"]
        told = f"{variant.name} {now:.1f}, then {then:.1f}"
        assert told in charts["errors"].description


def test_no_chart_refers_to_an_id_of_another(charts):
    ids = [
        element.get("id")
        for chart in charts.values()
        for element in ElementTree.fromstring(chart.svg).iter()
        if element.get("id")
    ]
    assert len(ids) == len(set(ids))


def test_ink_follows_the_theme(charts):
    assert "currentColor" in charts["ablation"].svg
    assert "#1f2937" not in charts["ablation"].svg


def test_names_lose_their_explanations():
    assert short_name("talk to (e.g., self, a person, a group)") == "talk to"


@pytest.mark.parametrize("name", [r"pay $\foo$ now", "$5 or $6", r"\frac{", "a_b^c {d} %&"])
def test_a_class_of_any_name_is_drawn_as_it_is_called(study, name):
    named = replace(study, classes={**study.classes, 12: name})

    (chart,) = (chart for chart in make_charts(named) if chart.name == "precision_recall")

    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(chart.svg).iter()]
    assert name in texts
    assert name in chart.description


def test_a_class_of_any_name_stands_in_the_chart_of_a_run():
    rows = {"split": "val", "protocol": "official", "AP": [0.5], "action": [r"pay $\foo$ now"]}

    assert _chart(pd.DataFrame(rows)).startswith(b"\x89PNG")
