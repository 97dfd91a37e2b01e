"""Measured and published numbers must never be taken for one another."""

from dataclasses import replace

from pipeline.evaluation.uncertainty import Interval, Step
from pipeline.report.table import (
    PUBLISHED,
    format_table,
    markdown_table,
    overall_metrics,
    percent,
    sign_change_text,
    signed,
    step_cell,
)


def markdown_rows(study, block=0):
    """Cells of the table (block 0), or of the one about coverage (block 2)."""
    lines = markdown_table(study).strip().split("\n\n")[block].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_published_column_is_the_last_and_says_whose_it_is(study):
    heading, _, first, *_ = markdown_rows(study)

    assert heading[-1] == PUBLISHED == "published mAP (AVA 2.2 val, full-size, from mmaction2)"
    assert first[-1] == "24.53"
    assert heading[5] == "measured mAP (AVA val)"
    assert heading[-2] == "AVA val mAP as mmaction2 scores"
    assert first[-2] == percent(study.variants[0].measured("val_ava", "mmaction2")["mAP"])
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


def test_missing_videos_put_both_maps_side_by_side(study):
    heading, _, *rows = markdown_rows(study)
    at = heading.index("AVA val mAP against all ground truth")

    assert at == 6
    found = [(row[0].strip("*"), row[5].strip("*").split(" [")[0], row[at]) for row in rows]
    assert found == [
        (variant.name, percent(variant.mAP), percent(2 / 3 * variant.mAP))
        for variant in study.variants
    ]
    heads, _, *both = markdown_rows(study, block=2)
    assert heads[1:] == ["AVA val: mAP on the 12 available keyframes", "AVA val: mAP on all 18"]
    assert [tuple(row) for row in both] == found


def test_without_missing_videos_there_is_one_map(study):
    whole = {"num_keyframes": 18, "num_keyframes_all_ground_truth": 18}
    variants = [
        replace(each, metrics={**each.metrics, "coverage": {"val_ava": whole}})
        for each in study.variants
    ]

    table = markdown_table(replace(study, variants=variants))

    assert "against all ground truth" not in table
    assert "are available" not in table


def test_steps_tell_their_interval_and_how_often_the_sign_turns():
    step = Step(0.0049, Interval(-0.001, 0.012), 0.314)

    assert str(step_cell(step)) == "+0.49 [−0.10, +1.20] 31 % sign change"
    assert str(step_cell(Step(-0.01, None, float("nan")))) == "−1.00"
    assert str(step_cell(None)) == "–"
    assert [sign_change_text(share) for share in (0.0, 0.004, 0.01)] == [
        *("0 % sign change", "< 1 % sign change", "1 % sign change"),
    ]


def test_only_the_best_row_is_bold(study):
    bold = [row[0] for row in markdown_rows(study)[2:] if row[0].startswith("**")]

    assert bold == [f"**{study.best.name}**"]


def test_footnote_names_dataset_protocol_and_size(study):
    note = markdown_table(study).split("\n\n")[1]

    assert "`demo`" in note
    assert "official AVA protocol" in note
    assert "12 keyframes of 2 videos" in note
    assert "12 of 18 keyframes are available" in note
    assert "published figures were measured by mmaction2's protocol" in note


def test_where_mmaction2_takes_nothing_its_column_is_empty_and_the_footnote_says_why(study):
    variants = [
        replace(each, metrics={**each.metrics, "protocols": {"val_ava": {"official": official}}})
        for each in study.variants
        if (official := each.measured("val_ava"))
    ]

    table = markdown_table(replace(study, variants=variants))

    assert "takes neither fractional timestamps nor keyframes without people" in table
    assert {row[-2] for row in markdown_rows(replace(study, variants=variants))[2:]} == {"–"}


def test_without_intervals_the_footnote_says_why(study):
    one_video = {**study.best.measured("val_ava"), "interval": None, "num_videos": 1}
    metrics = {**study.best.metrics, "protocols": {"val_ava": {"official": one_video}}}

    note = markdown_table(replace(study, variants=[replace(study.best, metrics=metrics)]))

    assert "no intervals here: one video tells nothing of others" in note


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
    assert first["val_ava"]["mAP_by_mmaction2"] > 0
    assert second["step"]["difference"] == second["mAP"] - first["mAP"]
    assert second["val_ava"]["mAP_all_ground_truth"] < second["mAP"]
    assert second["val_ava"]["num_keyframes_all_ground_truth"] == 18
    assert 0 < second["val_ava"]["mAP_perfect_boxes"] <= 1
