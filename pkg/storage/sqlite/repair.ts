import type { ContentRecord, ContentSums } from "../../replication/ports/index.js";
import { ContentTotals } from "../content/inspect-content.js";
import { fromValue, hashOf, keyOf, parseKey, type Thing } from "../content/thing.js";
import type { GraphCounts } from "../graph.js";
import type { Connection } from "./connection.js";
import { SqliteContent } from "./sqlite-content.js";
import type { SqliteStore } from "./sqlite-store.js";

export interface Repaired {
  readonly content: ContentSums;
  readonly counts: GraphCounts;
}

/**
 * Puts the records in their places and makes every stored hash that of its row. Call inside the
 * transaction that also keeps the sums.
 * @throws Error for a record that is none
 */
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
