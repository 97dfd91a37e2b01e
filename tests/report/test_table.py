"""Measured and published numbers must never be taken for one another."""

from pipeline.report.table import (
    PUBLISHED,
    columns,
    format_table,
    markdown_table,
    overall_metrics,
    percent,
    signed,
)


def markdown_rows(study):
    lines = [line for line in markdown_table(study).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_published_column_is_the_last_and_says_whose_it_is(study):
    heading, _, first, *_ = markdown_rows(study)

    assert heading[-1] == PUBLISHED == "published mAP (AVA 2.2 val, full-size, from mmaction2)"
    assert first[-1] == "24.53"
    assert heading[5] == "measured mAP (AVA val)"
    assert first[5].startswith(percent(study.variants[0].mAP))


def test_a_row_per_variant_in_order(study):
    names = [row[0].strip("*") for row in markdown_rows(study)[2:]]

    assert names == [variant.name for variant in study.variants]


def test_a_row_says_what_differs(study):
    rows = {row[0].strip("*"): row for row in markdown_rows(study)[2:]}

    assert rows["k400_4x16"][1:5] == ["4x16", "k400_4x16", "linear", "BCE"]
    assert rows["more_frames"][1:5] == [
        "16x4",
        "k700",
        "context + max over time + MLP",
        "focal, γ 1",
    ]


def test_only_the_best_row_is_bold(study):
    bold = [row[0] for row in markdown_rows(study)[2:] if row[0].startswith("**")]

    assert bold == [f"**{study.best.name}**"]


def test_footnote_names_dataset_protocol_and_size(study):
    note = markdown_table(study).splitlines()[-1]

    assert "`demo`" in note
    assert "official AVA protocol" in note
    assert "12 keyframes of 2 videos" in note


def test_terminal_table_is_aligned(study):
    heading, rule, *rows = format_table(study).splitlines()[: 2 + len(study.variants)]

    at = heading.index("measured mAP")
    for row, variant in zip(rows, study.variants, strict=True):
        assert row[at:].startswith(percent(variant.mAP))
    assert set(rule) == {"─"}


def test_numbers_in_words():
    assert [percent(0.31288), percent(None)] == ["31.29", "–"]
    assert [signed(0.0049), signed(-0.1)] == ["+0.49", "−10.00"]


def test_overall_metrics_are_flat_numbers_in_the_order_of_the_table(study):
    metrics = overall_metrics(study)

    assert list(metrics) == [variant.name for variant in study.variants]
    first, second = (metrics[name] for name in list(metrics)[:2])
    assert first["mAP"] == study.variants[0].mAP
    assert first["val_ava"]["mAP_low"] <= first["mAP"] <= first["val_ava"]["mAP_high"]
    assert second["step"]["difference"] == second["mAP"] - first["mAP"]
    assert len(columns(study)) == 8
