import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** The barest JSON write front end: parses, keeps the last value in a map, answers. Stores nothing. */
const seen = new Map<string, unknown>();
const server = createServer((request, response) => {
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (chunk: string) => {
    text += chunk;
  });
  request.on("end", () => {
    const body = JSON.parse(text) as Record<string, unknown>;
    seen.set(request.url ?? "", body);
    const answer = `{"ok":true,"count":${seen.size}}`;
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": answer.length,
    });
    response.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => {
  process.send?.((server.address() as AddressInfo).port);
});
