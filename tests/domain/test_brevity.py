"""Sentences on record are short, and say what they leave out."""

from eucora.domain import brevity, freshness
from eucora.domain.freshness import Basis
from eucora.domain.governance_types import FreshnessRules


def test_what_fits_stays_as_it_is_and_what_does_not_is_cut_where_one_can_see_it() -> None:
    assert brevity.cut("short", 5) == "short"
    assert brevity.cut("longer", 5) == "long…"
    assert len(brevity.cut("x" * 10_000)) == brevity.SENTENCE_MAX


def test_five_names_are_told_and_the_others_are_counted() -> None:
    assert brevity.named(["a", "b", "c", "d", "e"]) == "a, b, c, d, e"
    assert brevity.named([*"abcdefg"]) == "a, b, c, d, e and 2 more"
    assert brevity.named(["x" * 100]) == "x" * 59 + "…"


def test_the_latest_sentences_are_kept_each_once() -> None:
    assert brevity.latest(["a", "b", "a"]) == ("a", "b")
    kept = brevity.latest([str(number) for number in range(30)])
    assert len(kept) == brevity.SENTENCES_MAX
    assert (kept[0], kept[1], kept[-1]) == ("11 earlier changes", "11", "29")


def test_a_change_of_two_hundred_findings_is_one_short_sentence() -> None:
    risk = FreshnessRules().score_tiers[0]
    before, now = Basis(risk, 10), Basis(risk, 10, tuple(f"CVE-{n:03}".ljust(100, "x") for n in range(200)))
    (sentence,) = freshness.changes(before, now, FreshnessRules())
    assert len(sentence) <= brevity.SENTENCE_MAX
    assert sentence.endswith(" and 195 more")
