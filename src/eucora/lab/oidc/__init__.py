"""An OpenID provider for the people of the lab."""

from eucora.lab.oidc.app import create_issuer
from eucora.lab.oidc.issuer import Issuer
from eucora.lab.oidc.people import CLIENTS, CONSOLE, PEOPLE, Client, Person, client_secret_for, password_for

__all__ = [
    "CLIENTS",
    "CONSOLE",
    "PEOPLE",
    "Client",
    "Issuer",
    "Person",
    "client_secret_for",
    "create_issuer",
    "password_for",
]
