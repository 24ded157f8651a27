// An application with the library in it, whose own thread or whose SQLite writer is kept busy.
// usage: busy-application.mjs DATA_DIR main|writer MILLISECONDS; prints one JSON document.
import { createReplicator, loadConfig } from "../../../dist/pkg/index.js";
import { encodeOperations, openSqliteStorage } from "../../../dist/pkg/storage/index.js";

const NODES = 40_000;
const PROPERTIES = ["a", "b", "c", "d", "e", "f"];
const [dataDir, what, milliseconds] = process.argv.slice(2);
const { config } = loadConfig({ overrides: { data_dir: dataDir } });
const storage = await openSqliteStorage({ path: `${dataDir}/graph.db`, threads: "worker" });
const replicator = createReplicator(config, storage);
await replicator.start();
const apply = (operations) => replicator.apply(encodeOperations(operations), { timeoutMs: 60_000 });

let longestMs = 0;
if (what === "main") {
  const writes = Array.from({ length: 500 }, (_, n) => apply([{ op: "put_node", id: `n${n}` }]));
  await writes[0];
  const start = performance.now();
  while (performance.now() - start < Number(milliseconds));
  longestMs = performance.now() - start;
  await Promise.all(writes);
} else {
  for (let from = 0; from < NODES; from += 5000) {
    const ids = Array.from({ length: 5000 }, (_, n) => from + n);
    const properties = (n) => Object.fromEntries(PROPERTIES.map((name) => [name, `${name}${n}`]));
    await apply(
      ids.map((n) => ({ op: "put_node", id: `n${n}`, labels: ["L"], properties: properties(n) })),
    );
  }
  const index = (op) => PROPERTIES.map((property) => ({ op, label: "L", property }));
  const start = performance.now();
  while (performance.now() - start < Number(milliseconds)) {
    const before = performance.now();
    await apply(index("create_index"));
    longestMs = Math.max(longestMs, performance.now() - before);
    await apply(index("drop_index"));
  }
}
const { loopDelay } = await replicator.metrics();
await replicator.shutdown();
process.stdout.write(JSON.stringify({ longestMs, loopDelay }));
