"""Every operation, tried with whatever its description allows and with much that it does not, keeps its word.

All checks of schemathesis are on: no fault of ours, no status, header, media type or body that is not described, what
the description forbids is refused and what it allows is understood, no way in without a token, no other method than
those that ``Allow`` names, and what was made can be found. Half of the paths name something that stands there.

``EUCORA_FUZZ_EXAMPLES``: how many cases each operation gets at random, beside some 9,000 that cover every keyword of
every schema; ``EUCORA_FUZZ_SEED``: which ones.
"""

import os
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from api_rig import ADMIN, PUBLISHER, Rig
from fuzz_house import Fuzzed, fuzz, known

from eucora.domain.people import Role

EXAMPLES = int(os.environ.get("EUCORA_FUZZ_EXAMPLES", "8"))
SEED = int(os.environ.get("EUCORA_FUZZ_SEED", "20260302"))
pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.timeout(300 + 20 * EXAMPLES)]


def kept_its_word(ran: Fuzzed) -> None:
    assert ran.code == 0, ran.output[-20_000:]
    assert not [status for status in ran.answered if status >= HTTPStatus.INTERNAL_SERVER_ERROR], ran.answered


async def test_for_somebody_who_may_do_everything(rig: Rig, tmp_path: Path) -> None:
    token = rig.token(ADMIN, groups=[f"eucora-{role.value.replace('_', '-')}" for role in Role])
    ids = await known(rig)
    before = await rig.events()
    ran = await fuzz(rig, tmp_path, token, ids=ids, examples=EXAMPLES, seed=SEED)
    kept_its_word(ran)
    sys.stdout.write(f"{ran.cases} cases with seed {SEED}, answered {ran.answered}\n")
    assert ran.cases > 5_000
    assert ran.answered[HTTPStatus.OK] > 200
    assert ran.answered[HTTPStatus.CREATED] > 20
    assert await rig.events() > before + 20


async def test_for_somebody_who_sees_one_business_unit(rig: Rig, tmp_path: Path) -> None:
    token = rig.token(PUBLISHER, groups=["eucora-publisher@retail", "eucora-packaging-engineer@retail"])
    ran = await fuzz(rig, tmp_path, token, ids=await known(rig), examples=2, seed=SEED, phases="fuzzing")
    kept_its_word(ran)
    assert {HTTPStatus.OK, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND} <= ran.answered.keys()
