"""A real mail server (aiosmtpd) in four manners, each on a port of its own, until the input ends."""

import logging
import os
import ssl
import sys
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

# It tells at length of what is meant here.
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
LETTERS = os.environ["LETTERS"]


class Keep:
    """One file a letter, by the manner in which it came."""

    def __init__(self, manner):
        self.manner, self.count = manner, 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        secure = "tls" if server.transport.get_extra_info("ssl_object") else "clear"
        name = f"{self.manner}-{secure}-{self.count}.eml"
        with open(os.path.join(LETTERS, f".{name}"), "wb") as file:
            file.write(envelope.content)
        os.rename(os.path.join(LETTERS, f".{name}"), os.path.join(LETTERS, name))
        return "250 taken"


def known(server, session, envelope, mechanism, data):
    login = (getattr(data, "login", b""), getattr(data, "password", b""))
    return AuthResult(success=login == (b"roster", b"s3cr@t:/"), handled=False)


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
login = {"authenticator": known, "auth_required": True}
manners = {
    "starttls": {"tls_context": tls, "require_starttls": True, **login},
    "wrapped": {"ssl_context": tls, "auth_require_tls": False, **login},
    "plain": {},
    "never": {},
}
for manner, settings in manners.items():
    port = int(os.environ[f"{manner.upper()}_PORT"])
    Controller(Keep(manner), hostname="127.0.0.1", port=port, **settings).start()
print("ready", flush=True)
sys.stdin.read()
