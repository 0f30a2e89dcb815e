"""The lab's switches for its Entra: certificates that the application may use, an expired secret, tokens taken back."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eucora.lab.entra import Directory

_PEM_MAX = 64 << 10


def create_entra_admin(directory: Directory) -> Starlette:
    """Mounted at ``/admin/entra``. Certificates come as PEM in the body."""

    async def register(request: Request) -> Response:
        pem = b""
        async for chunk in request.stream():
            pem += chunk
            if len(pem) > _PEM_MAX:
                return JSONResponse({"error": "the certificate is too large"}, 413)
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError:
            return JSONResponse({"error": "the body is no certificate in PEM form"}, 422)
        if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
            return JSONResponse({"error": "the certificate's key is not RSA"}, 422)
        directory.assertions.certificates.append(certificate)
        return JSONResponse({"thumbprint": certificate.fingerprint(SHA256()).hex()}, 201)

    async def forget(_: Request) -> Response:
        directory.assertions.certificates.clear()
        return Response(status_code=204)

    async def revoke(_: Request) -> Response:
        directory.revoke_tokens()
        return Response(status_code=204)

    async def expire(_: Request) -> Response:
        directory.secret_expired = True
        return Response(status_code=204)

    async def renew(_: Request) -> Response:
        directory.secret_expired = False
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/certificates", register, methods=["POST"]),
            Route("/certificates", forget, methods=["DELETE"]),
            Route("/token-revocations", revoke, methods=["POST"]),
            Route("/expired-secret", expire, methods=["PUT"]),
            Route("/expired-secret", renew, methods=["DELETE"]),
        ]
    )
