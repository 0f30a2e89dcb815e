"""Puts the applications, the people and the narrator together, and tells the story."""

from pathlib import Path

import httpx

from eucora.cli.stack import Stack
from eucora.cli.story import chapters, materials
from eucora.cli.story.chapters import Plot
from eucora.cli.story.materials import Material
from eucora.cli.story.narration import Narrator
from eucora.cli.story.report import Findings
from eucora.cli.story.stage import stage
from eucora.client import Away, Failed
from eucora.domain.findings import UnreadableEvidence
from eucora.lab.inputs import build_inputs, user_inputs


class NotTold(Exception):
    """The story broke off. The message is one line."""


def plot_of(folder: Path, inputs: Path | None) -> Plot:
    """The three applications, their files written below ``folder``; ``inputs`` takes the place of the first.

    Raises:
        NotTold: a file is missing or not what it should be.
    """
    try:
        made = build_inputs(folder)
        first = made.low if inputs is None else user_inputs(inputs, work=folder / "inputs")
        return Plot(
            low=Material(first, materials.slug(first.name), "utility", materials.ORDINARY),
            high=Material(materials.field_reports(folder), "field-reports", "office", materials.MACROS),
            critical=Material(made.high, "edge-tunnel", "vpn", materials.TUNNEL, privileged_tooling=True),
        )
    except UnreadableEvidence as error:
        raise NotTold(str(error)) from error


async def tell_story(stack: Stack, seed: int, plot: Plot, folder: Path, voice: Narrator) -> Findings:
    """Tell it over a running stack whose lab has that ``seed``; ``folder`` takes the story's files. Raises NotTold."""
    if stack.lab is None:
        raise NotTold("the story needs the simulated vendors")
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            told = stage(http, stack.api_url, stack.lab, seed, voice, folder)
            with voice:
                await chapters.tell(told, plot)
    except Away as error:
        raise NotTold(f"{error}; see {stack.log_of(error.process)}") from error
    except Failed as error:
        raise NotTold(str(error)) from error
    return told.findings
