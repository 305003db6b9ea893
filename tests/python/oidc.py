"""A small OpenID issuer, to test sign-in against: discovery, keys, authorization code with PKCE."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

AUDIENCE = "https://amun-ai.eu.auth0.com/api/v2/"
NAMESPACE = "https://amun.ai/"
CLIENT_ID = "hypha-test"


class Issuer:
    """`user` is who signs in next, without being asked. `changes` are made to the claims of the next id tokens."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec_key = ec.generate_private_key(ec.SECP256R1())
        self.user = {"sub": "oidc|ada", "email": "ada@example.org", "email_verified": True}
        self.changes: dict = {}
        self.codes: dict = {}
        self.requests: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                issuer.answer(self, dict(parse_qs(urlsplit(self.path).query)))

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                issuer.answer(self, dict(parse_qs(body)))

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def asked_for(self, path: str) -> int:
        return self.requests.count(path)

    def answer(self, request, given):
        path = urlsplit(request.path).path
        self.requests.append(path)
        given = {name: values[0] for name, values in given.items()}
        if path == "/.well-known/openid-configuration":
            return self.json(request, 200, {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}authorize",
                "token_endpoint": f"{self.url}token",
                "jwks_uri": f"{self.url}keys",
            })
        if path == "/keys":
            return self.json(request, 200, {"keys": [self.jwk(self.key, "rsa-1"), self.jwk(self.ec_key, "ec-1")]})
        if path == "/authorize":
            code = secrets.token_urlsafe(16)
            self.codes[code] = given
            back = urlencode({"code": code, "state": given["state"]})
            request.send_response(302)
            request.send_header("Location", f"{given['redirect_uri']}?{back}")
            request.send_header("Content-Length", "0")
            return request.end_headers()
        if path == "/token":
            asked = self.codes.pop(given.get("code"), None)
            challenge = base64.urlsafe_b64encode(hashlib.sha256(given["code_verifier"].encode()).digest())
            if not asked or challenge.rstrip(b"=").decode() != asked["code_challenge"]:
                return self.json(request, 400, {"error": "invalid_grant"})
            if given["redirect_uri"] != asked["redirect_uri"] or given["client_id"] != CLIENT_ID:
                return self.json(request, 400, {"error": "invalid_grant"})
            claims = {"aud": CLIENT_ID, "nonce": asked["nonce"], **self.user, **self.changes}
            return self.json(request, 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": self.token(**claims)})
        return self.json(request, 404, {})

    @staticmethod
    def json(request, status, value):
        body = json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    @staticmethod
    def jwk(key, kid):
        algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        public = json.loads(algorithm.to_jwk(key.public_key()))
        name = "RS256" if algorithm is jwt.algorithms.RSAAlgorithm else "ES256"
        return {**public, "kid": kid, "use": "sig", "alg": name}

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "oidc|ada", "iat": now, "exp": now + 600,
                  "scope": "openid profile email"}
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def token(self, kid="rsa-1", algorithm="RS256", key=None, **changes):
        key = key or (self.ec_key if algorithm == "ES256" else self.key)
        return jwt.encode(self.claims(**changes), key, algorithm=algorithm, headers={"kid": kid})
