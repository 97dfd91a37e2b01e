"""A field that names an extension: by its name alone, or with settings."""

from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field, ValidationError

from pipeline.core.section import Extension, OneOf, Section


class Plain(Extension):
    label: ClassVar[str] = "plain"


class Fancy(Extension):
    label: ClassVar[str] = "fancy"
    amount: float = Field(1.0, ge=0, description="How much")


class Owner(Section):
    kind: Annotated[Extension, OneOf({"plain": Plain, "fancy": Fancy})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", Plain()),
        ("fancy", Fancy()),
        ({"name": "fancy"}, Fancy()),
        ({"name": "fancy", "amount": 2.5}, Fancy(amount=2.5)),
        (Fancy(amount=3.0), Fancy(amount=3.0)),
    ],
)
def test_a_name_alone_takes_the_defaults(value: object, expected: Extension) -> None:
    assert Owner(kind=value).kind == expected


@pytest.mark.parametrize(
    ("value", "key", "message"),
    [
        ("fancie", ("kind",), "did you mean 'fancy'?"),
        ("x", ("kind",), "found 'x', expected one of ['plain', 'fancy']"),
        (3, ("kind",), "found 3, expected a name of ['plain', 'fancy'], or {name: ...}"),
        ({"amount": 1.0}, ("kind",), "or {name: ...}"),
        ({"name": "fancy", "amuont": 1.0}, ("kind", "<fancy>", "amuont"), "not permitted"),
        ({"name": "plain", "amount": 1.0}, ("kind", "<plain>", "amount"), "not permitted"),
        ({"name": "fancy", "amount": -1.0}, ("kind", "<fancy>", "amount"), "greater than or equal"),
        ({"name": "fancy", "amount": "1"}, ("kind", "<fancy>", "amount"), "valid number"),
    ],
)
def test_a_mistake_leads_to_its_key(value: Any, key: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Owner(kind=value)

    (mistake,) = caught.value.errors()
    assert mistake["loc"] == key
    assert message in mistake["msg"]


def test_the_report_shows_what_differs_from_the_defaults() -> None:
    assert [str(each) for each in (Plain(), Fancy(), Fancy(amount=2.0))] == [
        "plain",
        "fancy",
        "fancy, amount 2.0",
    ]


def test_the_schema_offers_names_and_settings() -> None:
    name, plain, fancy = Owner.model_json_schema()["properties"]["kind"]["anyOf"]

    assert name == {"enum": ["plain", "fancy"]}
    assert (plain["required"], plain["properties"]) == (["name"], {"name": {"const": "plain"}})
    assert fancy["properties"]["name"] == {"const": "fancy"}
    assert fancy["properties"]["amount"]["minimum"] == 0
