"""A client of the API for programs in Python; it needs httpx and pydantic, and nothing else of this package.

    async with httpx.AsyncClient() as http:
        session = Session(Api("https://eucora.example", http), ServiceToken(token), "nightly report")
        async for intent in session.items("/deployment-intents", status="rolling_out"):
            print(intent["id"])

docs/clients.md has a whole program.
"""

from eucora.client.api import Api
from eucora.client.events import Event
from eucora.client.problems import Away, Failed, Problem
from eucora.client.session import Credentials, ServiceToken, Session, Written

__all__ = ["Api", "Away", "Credentials", "Event", "Failed", "Problem", "ServiceToken", "Session", "Written"]
