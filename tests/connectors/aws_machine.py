"""A stand-in for what a machine on AWS asks who it is, and for the two services that it then asks, over a socket.

As botocore 1.44 asks them (``InstanceMetadataFetcher``: a PUT for a session token, which every GET carries, IMDSv2;
``ContainerProvider``: JSON from an address in the environment, with the token of a file in ``Authorization``; its
service models of STS and Secrets Manager); read 2026-11-23.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs

SESSION: Final = "imds-session-token"
POD_TOKEN: Final = "pod-identity-token"
WEB_TOKEN: Final = "aa.bb.cc"
ROLE: Final = "arn:aws:iam::123456789012:role/eucora"
_STS: Final = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>k</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{ends}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>"""


class AwsMachine(ThreadingHTTPServer):
    """``asked``: what came in, in order; ``known_as``: by which key and session the last secret was asked for.

    ``ill``: so many questions for a role are answered 500 first.
    """

    def __init__(self, secret: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secret, self.asked, self.known_as, self.ill = secret, list[str](), ("", ""), 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: AwsMachine

    def do_PUT(self) -> None:
        self._note()
        if self.path == "/latest/api/token" and self.headers.get("x-aws-ec2-metadata-token-ttl-seconds"):
            self._answer(200, SESSION)
        else:
            self._answer(404, "")

    def do_GET(self) -> None:
        self._note()
        roles = "/latest/meta-data/iam/security-credentials/"
        if self.server.ill:
            self.server.ill -= 1
            self._answer(500, "")
        elif self.path.startswith(roles) and self.headers.get("x-aws-ec2-metadata-token") != SESSION:
            self._answer(401, "")
        elif self.path == roles:
            self._answer(200, "eucora-instance")
        elif self.path == f"{roles}eucora-instance":
            self._answer(200, json.dumps({"Code": "Success", **_key("INSTANCE")}))
        elif self.path == "/v1/credentials" and self.headers.get("Authorization") == POD_TOKEN:
            self._answer(200, json.dumps(_key("POD")))
        else:
            self._answer(404, "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form, target = parse_qs(body), self.headers.get("X-Amz-Target", "")
        self._note(target or form.get("Action", [""])[0])
        if target == "secretsmanager.GetSecretValue":
            key = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
            self.server.known_as = (key, self.headers.get("X-Amz-Security-Token", ""))
            self._answer(200, json.dumps({"Name": json.loads(body)["SecretId"], "SecretString": self.server.secret}))
        elif form.get("RoleArn") == [ROLE] and form.get("WebIdentityToken") == [WEB_TOKEN]:
            role = _key("WEB")
            self._answer(200, _STS.format(id=role["AccessKeyId"], token=role["Token"], ends=role["Expiration"]))
        else:
            self._answer(400, "")

    def _note(self, what: str = "") -> None:
        self.server.asked.append(f"{self.command} {what or self.path}")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        return None


def _key(of: str) -> dict[str, str]:
    ends = datetime.now(UTC) + timedelta(hours=6)  # the library compares it with the machine's own clock
    return {
        "AccessKeyId": f"{of}KEY",
        "SecretAccessKey": "k",
        "Token": f"{of.lower()}-session",
        "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@contextmanager
def aws_machine(secret: str) -> Iterator[AwsMachine]:
    with AwsMachine(secret) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
