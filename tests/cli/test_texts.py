import pytest
import typer

from stepsize.cli.texts import rates, schedules


def test_schedules_are_split_outside_brackets_and_quotes() -> None:
    text = 'wsd, a=warmup("1,5", start=0.1) >> linear() ,b=minimum(hold(), cosine())'
    assert schedules([text, "step"]) == [
        "wsd",
        'a=warmup("1,5", start=0.1) >> linear()',
        "b=minimum(hold(), cosine())",
        "step",
    ]
    assert schedules(None) is None
    assert schedules([""]) == [""]
    assert schedules(["a=)),b"]) == ["a=))", "b"]


def test_rates() -> None:
    assert rates("1e-3, 3e-3,1", "--lrs") == [1e-3, 3e-3, 1.0]
    assert rates(None, "--lrs") is None


@pytest.mark.parametrize("text", ["", "0", "-1", "inf", "nan", "1,x", "1,,2"])
def test_what_is_no_rate_is_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no rate"):
        rates(text, "--lrs")
