import type { ContentRecord } from "../../replication/ports/index.js";
import { ContentTotals } from "../content/inspect-content.js";
import { fromValue, hashOf, keyOf, parseKey, type Thing } from "../content/thing.js";
import type { Connection } from "./connection.js";
import type { Repaired } from "./model.js";
import { SqliteContent } from "./sqlite-content.js";
import type { SqliteStore } from "./sqlite-store.js";

/** See `ModelStore.repair`. */
export function repairStore(
  connection: Connection,
  store: SqliteStore,
  records: readonly ContentRecord[],
): Repaired {
  for (const { key, value } of records) {
    store.replace(parseKey(key), fromValue(key, value));
  }
  const totals = new ContentTotals();
  const counts = { n: 0, e: 0, i: 0 };
  for (const slice of new SqliteContent(connection).things()) {
    for (const thing of slice) {
      const hash = hashOf(thing);
      counts[thing.kind] += 1;
      totals.add(keyOf(thing), hash);
      if (thing.row.hash !== hash) setHash(connection, thing, hash);
    }
  }
  store.reload();
  return { content: totals.result(), counts: { nodes: counts.n, edges: counts.e } };
}

function setHash(connection: Connection, thing: Thing, hash: number): void {
  if (thing.kind === "i") {
    const { label, property } = thing.row;
    connection
      .prepare("UPDATE indexes SET hash = ? WHERE label = ? AND property = ?")
      .run(hash, label, property);
    return;
  }
  const table = thing.kind === "n" ? "nodes" : "edges";
  connection.prepare(`UPDATE ${table} SET hash = ? WHERE id = ?`).run(hash, thing.row.id);
}
