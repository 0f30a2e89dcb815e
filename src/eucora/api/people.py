"""Route of the caller himself."""

from eucora.api.asking import PersonDep, Told
from eucora.api.routes import noun, signed_in
from eucora.domain.people import Grant

router = noun("people")


class PersonBody(Told):
    """Who the token speaks of, and what it allows. ``credential``: the service token that speaks for him, or empty."""

    id: str
    name: str
    grants: tuple[Grant, ...]
    credential: str


@router.get("/me")
@signed_in()
async def get_me(person: PersonDep) -> PersonBody:
    """Who you are here: your id as it stands in events, and your roles with their scopes."""
    return PersonBody(id=person.id, name=person.name, grants=person.grants, credential=person.credential)
