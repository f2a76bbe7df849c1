"""The commands under one name, and the options that hold for all of them."""

from importlib.metadata import version
from typing import Annotated, Any, final

import typer
from typer.core import TyperGroup

from stepsize.cli import (
    audit,
    check,
    compare,
    convert,
    cooldown_advice,
    demo,
    diff,
    find,
    guard,
    plan,
    predict,
    recipe,
    replay,
    report,
    runs,
    scale,
    serve,
    shapes,
    show,
    steer,
    steps,
    verify,
)

__all__ = ["app"]


@final
class _Commands(TyperGroup):
    """Says that it was interrupted, which typer's own exit 130 does not."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from stop


app = typer.Typer(
    name="stepsize",
    cls=_Commands,
    help="The learning rate: scheduled exactly, in your framework, and proven.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("compare")(compare.compare)
app.command("convert")(convert.convert)
app.command("demo")(demo.demo)
app.command("show")(show.show)
app.command("check")(check.check)
app.command("diff")(diff.diff)
app.command("shapes")(shapes.shapes)
app.command("find")(find.find)
app.command("advise")(recipe.recipe)
app.command("scale")(scale.scale)
app.command("steps")(steps.steps)
app.command("predict")(predict.predict)
app.command("plan")(plan.plan)
app.command("cooldown-advice")(cooldown_advice.cooldown_advice)
app.command("runs")(runs.runs)
app.command("audit")(audit.audit)
app.command("verify")(verify.verify)
app.command("replay")(replay.replay)
app.command("steer")(steer.steer)
app.command("report")(report.report)
app.add_typer(guard.app, name="guard")
app.add_typer(serve.app, name="serve")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stepsize {version('stepsize')}")
        raise typer.Exit


@app.callback()
def _options(
    _show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Take the options that hold for every command."""
