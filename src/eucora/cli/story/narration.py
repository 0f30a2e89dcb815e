"""How the story is told: lines of who did what, and rings that fill up. Live on a terminal, plain lines elsewhere."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from eucora.cli.story.shapes import Counts, Intent

BAR = 20  # characters
NARROW, SHORT_BAR = 110, 8  # columns of a terminal below which bars are short
# What a bar shows, in the order in which it fills up.
PARTS = (("installed", "green", "█"), ("failed", "red", "█"), ("pending", "yellow", "▒"), ("unknown", "dim", "·"))


class Narrator(Protocol):
    """Is told what happens. As a context manager it owns the terminal meanwhile."""

    def __enter__(self) -> "Narrator": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    def chapter(self, title: str) -> None:
        """A new chapter begins."""
        ...

    def say(self, who: str, what: str) -> None:
        """Somebody did something."""
        ...

    def progress(self, intent: Intent) -> None:
        """An intent as it stands now."""
        ...


class Silent:
    """Tells nothing: standard output belongs to the JSON, standard error to what goes wrong."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def chapter(self, title: str) -> None:
        return None

    def say(self, who: str, what: str) -> None:
        return None

    def progress(self, intent: Intent) -> None:
        return None


class Plain:
    """One line after the other; a ring is told when it is left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[tuple[str, int]] = set()

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def chapter(self, title: str) -> None:
        self._line(f"\n{title}")

    def say(self, who: str, what: str) -> None:
        self._line(f"  {who + ':':17} {what}")

    def progress(self, intent: Intent) -> None:
        for ring in intent.rings:
            if ring.left_at is not None and (intent.id, ring.ring) not in self._told:
                self._told.add((intent.id, ring.ring))
                counted = "; ".join(f"{row.plane} {figures(row)}" for row in ring.rows())
                self._line(f"  {'':17} {intent.title}, {ring.name} left: {counted}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class Lively:
    """Lines above, and below them the rings of the intents of this chapter, drawn anew as they fill up."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._intents: dict[str, Intent] = {}
        self._live = Live(console=console, refresh_per_second=8, transient=False)

    def __enter__(self) -> "Lively":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def chapter(self, title: str) -> None:
        if self._intents:
            self._console.print(self._drawn())  # what it came to stays on the screen
        self._intents.clear()
        self._live.update(Text(""))
        self._console.print(Text(f"\n{title}", style="bold"))

    def say(self, who: str, what: str) -> None:
        self._console.print(Text.assemble("  ", (f"{who:16} ", "cyan"), what))

    def progress(self, intent: Intent) -> None:
        self._intents[intent.id] = intent
        self._live.update(self._drawn())

    def _drawn(self) -> RenderableType:
        return boards(self._intents, SHORT_BAR if self._console.width < NARROW else BAR)


def narrator(console: Console, *, silent: bool) -> Narrator:
    """The one that fits the console."""
    if silent:
        return Silent()
    return Lively(console) if console.is_terminal else Plain(console)


def boards(intents: Mapping[str, Intent], bar: int = BAR) -> RenderableType:
    """One table an intent, one row a ring, one column a plane; ``bar`` is the width of a bar in characters."""
    return Group(*[_board(intent, bar) for intent in intents.values()])


def _board(intent: Intent, bar: int) -> Table:
    title = f"{intent.title} · score {intent.risk.score} · {intent.approval.status} · {intent.status}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1))
    # Below the table, so that it costs the columns no width: a terminal may have no more than 80.
    table.caption, table.caption_justify = f"{'/'.join(name for name, _, _ in PARTS)} of those targeted", "left"
    for heading in ("", *intent.planes, "gates"):
        table.add_column(heading, header_style="dim")
    for ring in intent.rings:
        rows = {plane: [row for row in ring.rows() if row.plane == plane] for plane in intent.planes}
        cells = [_cell(counts, bar, planned=ring.opened_at is None) for counts in rows.values()]
        verdict = ring.gate_run.verdict if ring.gate_run else "opening"
        table.add_row(ring.name, *cells, "" if ring.opened_at is None else verdict)
    return table


def _cell(counts: Sequence[Counts], bar: int, *, planned: bool) -> Text:
    """A bar and its figures, over all site classes of the plane; not-installed devices are the bar's empty end."""
    targeted = sum(row.targeted for row in counts)
    if planned:
        return Text(f"{'·' * bar} {targeted} planned", "dim")
    text, shown = Text(), []
    for name, style, block in PARTS:
        share = sum(getattr(row, name) for row in counts)
        shown.append(str(share))
        text.append(block * min(-(-bar * share // max(1, targeted)), bar - len(text)), style)
    return text.append("·" * (bar - len(text)), "dim").append(f" {'/'.join(shown)} of {targeted}", "default")


def figures(row: Counts) -> str:
    """Every count with its word, none left out but those that are zero; the denominator is always there."""
    words: Sequence[tuple[str, int]] = (
        ("installed", row.installed),
        ("failed", row.failed),
        ("pending", row.pending),
        ("not installed", row.not_installed),
        ("unknown", row.unknown),
    )
    told = ", ".join(f"{count} {word}" for word, count in words if count)
    return f"{told or '0 installed'} of {row.targeted}"
