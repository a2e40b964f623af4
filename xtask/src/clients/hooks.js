// A receiver of webhooks that checks signatures by the library of Standard Webhooks; the first one it does not take.
const fs = require("fs");
const http = require("http");
const { Webhook } = require("standardwebhooks");

const { SECRET, PORT, TOLD } = process.env;
const webhook = new Webhook(SECRET);
let busy = true;
http
  .createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (busy) {
        busy = false;
        response.writeHead(503).end();
        return;
      }
      try {
        const event = webhook.verify(Buffer.concat(chunks).toString("utf8"), request.headers);
        fs.appendFileSync(TOLD, `${request.headers["webhook-id"]} ${event.type}\n`);
        response.writeHead(204).end();
      } catch (error) {
        fs.appendFileSync(TOLD, `refused: ${error}\n`);
        response.writeHead(400).end();
      }
    });
  })
  .listen(Number(PORT), "127.0.0.1");
