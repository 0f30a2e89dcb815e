"""Route that tells a browser where people sign in, before anybody has."""

from typing import Final

from pydantic import ConfigDict

from eucora.api.asking import HouseDep, Told
from eucora.api.problems import Problem, Refused, Row, problem_responses
from eucora.api.routes import noun, public

router = noun("sign-in")
UNKNOWN: Final = Row(404, "sign-in-not-set-up", "People cannot sign in with a browser here")


class SignInBody(Told):
    """What a public client needs for the authorization code flow with PKCE. Nothing here is a secret."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "issuer": "https://login.example.com/realms/staff",
                    "client_id": "eucora-console",
                    "scopes": ["openid", "profile"],
                }
            ]
        }
    )

    issuer: str
    client_id: str
    scopes: tuple[str, ...]


@router.get("", responses=problem_responses(404))
@public()
async def get_sign_in(house: HouseDep) -> SignInBody:
    """Issuer, client id and scopes for signing in with a browser; 404 where no client is set up for it."""
    oidc = house.deps.oidc
    if oidc is None or oidc.console_client_id is None:
        detail = "Set EUCORA_OIDC_ISSUER and EUCORA_OIDC_CONSOLE_CLIENT_ID, or bring a token of your own."
        raise Refused(Problem(UNKNOWN, detail))
    return SignInBody(issuer=oidc.issuer, client_id=oidc.console_client_id, scopes=oidc.console_scopes)
