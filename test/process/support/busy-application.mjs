// An application with the library in it, whose own thread or whose SQLite writer is kept busy.
// usage: busy-application.mjs DATA_DIR main|writer MILLISECONDS; prints one JSON document.
import { createReplicator, loadConfig } from "../../../dist/pkg/index.js";
import { encodeOperations, openSqliteStorage } from "../../../dist/pkg/storage/index.js";

const NODES = 40_000;
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
    const properties = (n) => ({ a: `a${n}`, b: `b${n}` });
    await apply(
      ids.map((n) => ({ op: "put_node", id: `n${n}`, labels: ["L"], properties: properties(n) })),
    );
  }
  // One command that reads every node once for each index keeps the writer's thread as long as asked.
  const indexing = async (names) => {
    const start = performance.now();
    await apply(names.map((property) => ({ op: "create_index", label: "L", property })));
    return performance.now() - start;
  };
  const oneMs = Math.min(await indexing(["a"]), await indexing(["b"]), await indexing(["c"]));
  const count = Math.ceil((1.5 * Number(milliseconds)) / oneMs);
  longestMs = await indexing(Array.from({ length: count }, (_, n) => `missing${n}`));
}
const { loopDelay } = await replicator.metrics();
await replicator.shutdown();
process.stdout.write(JSON.stringify({ longestMs, loopDelay }));
