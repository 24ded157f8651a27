import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { VirtualTime } from "../../../test/support/index.js";
import { SlowStream } from "./slow-stream.js";

it("HT-9 a client that takes nothing for streamStallMs is cut, and little is held for it", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1").pause();
  client.on("error", () => {});
  client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  const [, response] = (await once(server, "request")) as [unknown, ServerResponse];
  const time = new VirtualTime();
  const out = new SlowStream(response, time, { stallMs: 1000, heartbeatMs: 10, heartbeat: "" });
  const chunk = Buffer.alloc(1024 * 1024);
  let open = true;
  for (let chunks = 0; open && chunks < 100; chunks += 1) {
    const write = out.write(chunk);
    if (response.writableNeedDrain) {
      await Promise.race([write, once(response.socket!, "drain"), new Promise(setImmediate)]);
      if (response.writableNeedDrain) open = await time.run(write, { ticksMax: 10 });
    }
    expect(response.writableLength).toBeLessThan(3 * chunk.length);
  }
  expect(open).toBe(false);
  expect(response.destroyed).toBe(true);
  expect(await out.write(chunk)).toBe(false);
  client.destroy();
  server.close();
});
