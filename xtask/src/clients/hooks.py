"""A receiver of webhooks that checks signatures by the library of Standard Webhooks; the first one it does not take."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook

webhook = Webhook(os.environ["SECRET"])
busy = [True]


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if busy:
            busy.clear()
            return self.answer(503)
        try:
            event = webhook.verify(body.decode(), {name.lower(): value for name, value in self.headers.items()})
            self.note(f"{self.headers['webhook-id']} {event['type']}")
            self.answer(204)
        except Exception as error:
            self.note(f"refused: {error!r}")
            self.answer(400)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def note(self, line):
        with open(os.environ["TOLD"], "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
