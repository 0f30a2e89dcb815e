"""What scanners ask every server for is not here: no pages of a framework, no files, no inner workings, no versions."""

import pytest
from api_rig import ADMIN, Rig, problem

from eucora.api.app import ROUTERS
from eucora.api.openapi import document

# OWASP ASVS 5.0, 13.4.1 (source control), 13.4.2 (debug), 13.4.3 (listings), 13.4.5 (documentation and monitoring that
# nobody asked for), 13.4.6 (versions), 13.4.7 (files of other kinds).
PROBED = (
    "/", "/docs", "/docs/", "/docs/oauth2-redirect", "/redoc", "/swagger", "/swagger-ui", "/swagger-ui.html",
    "/swagger.json", "/swagger/v1/swagger.json", "/openapi.yaml", "/api-docs", "/v2/api-docs", "/v3/api-docs",
    "/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/docs", "/api/v1/openapi.json", "/api/v2", "/graphql",
    "/graphiql", "/metrics", "/metrics/", "/prometheus", "/actuator", "/actuator/env", "/actuator/health",
    "/actuator/heapdump", "/health", "/healthz", "/status", "/server-status", "/server-info", "/info", "/version",
    "/versions", "/debug", "/debug/pprof/", "/debug/vars", "/console", "/__debug__/", "/_profiler", "/trace",
    "/admin", "/admin/", "/manage", "/jobs", "/events", "/environment", "/env", "/.git", "/.git/HEAD",
    "/.git/config", "/.gitignore", "/.svn/entries", "/.hg/store", "/.env", "/.env.production", "/.DS_Store",
    "/.htaccess", "/.aws/credentials", "/.ssh/id_rsa", "/.well-known/security.txt", "/robots.txt", "/favicon.ico",
    "/Dockerfile", "/compose.yaml", "/docker-compose.yml", "/Makefile", "/pyproject.toml", "/requirements.txt",
    "/CHANGELOG.md", "/README.md", "/alembic.ini", "/migrations", "/src/eucora/settings.py",
    "/var/secrets/database_url", "/backup.sql", "/dump.sql", "/db.sqlite3", "/app.log", "/static", "/static/",
    "/static/..%2f..%2fetc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/%2Fetc/passwd",
    "/api/v1/..%2f..%2f.env", "/phpinfo.php", "/wp-login.php", "/index.html", "/index.php",
)  # fmt: skip
# Served to everybody, and why: balancers ask the first three, and errors send whoever made one to the last.
OPEN = {"/livez", "/startupz", "/readyz", "/openapi.json"}


async def test_what_scanners_ask_for_is_not_here_whoever_asks(rig: Rig) -> None:
    assert len(PROBED) == len(set(PROBED)) >= 60
    for headers in ({}, {"Authorization": f"Bearer {rig.token(ADMIN)}"}):
        for path in PROBED:
            answer = await rig.http.get(path, headers=headers)
            assert problem(answer, 404, "route-unknown")["instance"].startswith("/")
            assert not {"server", "x-powered-by"} & set(answer.headers)


def test_the_list_asks_for_nothing_that_is_meant_to_be_here() -> None:
    served = set(document()["paths"]) | {route.path for router in ROUTERS for route in router.routes}  # type: ignore[attr-defined]  # every route of ours has a path
    assert served
    assert not served & set(PROBED)
    assert OPEN - {"/openapi.json"} <= served


@pytest.mark.parametrize("path", sorted(OPEN - {"/openapi.json"}))
async def test_the_open_answers_tell_no_version_and_no_place(rig: Rig, path: str) -> None:
    answer = await rig.http.get(path)
    assert answer.status_code in (200, 503)
    for told in ("version", "postgres", "python", "uvicorn", "/tmp", "127.0.0.1"):
        assert told not in answer.text.lower()


async def test_what_is_outside_of_the_api_asks_for_a_sign_in_or_is_on_the_list(rig: Rig) -> None:
    """Every route that answers an anonymous GET with something other than 401 is known by name."""
    answering = set()
    for path, methods in document()["paths"].items():
        if "get" in methods and "{" not in path:
            answer = await rig.http.get(path)
            if answer.status_code != 401:
                answering.add(path)
    assert answering <= OPEN | {"/api/v1/sign-in"}
