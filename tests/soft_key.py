"""A security key in memory: it answers the questions of pages as a browser with a real one does."""

import hashlib
import json
import os
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import bytes_to_base64url as to_text
from webauthn.helpers import encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class SoftKey:
    """Its count is that of the next answer; 0 stands for a key that does not count, as synchronised passkeys."""

    origin: str
    rp_id: str
    is_verifying: bool = True
    count: int = 1
    id: bytes = field(default_factory=lambda: os.urandom(32))
    private_key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    def create(self, options: str) -> str:
        """The answer to the question for a new key."""
        public = self.private_key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: public.x.to_bytes(32), -3: public.y.to_bytes(32)}
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + encode_cbor(cose)
        data = self.make_data(ATTESTED) + attested
        statement = {"fmt": "none", "attStmt": {}, "authData": data}
        client = self.make_client_data("webauthn.create", options)
        response = {"attestationObject": to_text(encode_cbor(statement)), "transports": ["usb"]}
        return self.write(response, client)

    def get(self, options: str) -> str:
        """The answer to the question for a known key."""
        client, data = self.make_client_data("webauthn.get", options), self.make_data(0)
        signature = self.private_key.sign(data + hashlib.sha256(client).digest(), ECDSA(SHA256()))
        return self.write({"authenticatorData": to_text(data), "signature": to_text(signature)}, client)

    def make_data(self, flags: int) -> bytes:
        flags |= PRESENT | (VERIFIED if self.is_verifying else 0)
        data = hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", flags, self.count)
        self.count += self.count > 0
        return data

    def make_client_data(self, kind: str, options: str) -> bytes:
        challenge = json.loads(options)["challenge"]
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def write(self, response: dict[str, Any], client: bytes) -> str:
        response["clientDataJSON"] = to_text(client)
        name = to_text(self.id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
